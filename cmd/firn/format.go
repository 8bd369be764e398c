package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// printf writes to standard output.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format, args...)
	return err
}

// thousands writes 1234567 as 1,234,567.
func thousands[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// eventsText writes a number of events.
func eventsText[N int | int64](n N) string {
	if n == 1 {
		return "1 event"
	}
	return thousands(n) + " events"
}

// storedBefore says what a run that ended early leaves behind.
func storedBefore[N int | int64](n N) string {
	if n == 1 {
		return "1 event was stored before that"
	}
	return eventsText(n) + " were stored before that"
}

// bytesText writes a number of bytes with a decimal unit, such as 1.2 MB.
func bytesText(n int64) string {
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 999.95 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// timeText writes a time to the second, in UTC.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// shownLines is [shown] for a text whose line breaks are meant.
func shownLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = shown(lines[i])
	}
	return strings.Join(lines, "\n")
}

// shown makes outside text safe for a terminal: control characters, which can
// move the cursor or worse, and characters that turn the direction of writing
// appear as escapes.
func shown(s string) string {
	unsafe := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

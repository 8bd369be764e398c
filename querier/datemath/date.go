package datemath

import (
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// parts are the forms of a date, from the coarsest on, and what the last moment
// of a date in this form lies before: the next day where there is no time of day.
var parts = []struct {
	layout string
	length int // of the text
	last   time.Duration
}{
	{"2006", 4, 24 * time.Hour},
	{"2006-01", 7, 24 * time.Hour},
	{"2006-01-02", 10, 24 * time.Hour},
	{"2006-01-02T15", 13, time.Hour},
	{"2006-01-02T15:04", 16, time.Minute},
	{"2006-01-02T15:04:05", 19, time.Second},
}

var errDate = fault.New(fault.Invalid, "it is neither now nor a date such as 2015-06-08 or 2015-06-08T10:28:35.001Z")

// parseDate reads a date and fills what it lacks.
func parseDate(text string, roundUp bool) (time.Time, error) {
	local, offset := cutOffset(text)
	shift, ok := parseOffset(offset)
	if !ok {
		return time.Time{}, errDate
	}
	for _, p := range parts {
		if len(local) < p.length || len(local) > p.length && (local[p.length] != '.' || p.last != time.Second) {
			continue
		}
		t, err := time.Parse(p.layout, local[:p.length])
		fraction, ok := parseFraction(local[p.length:])
		if err != nil || !ok {
			return time.Time{}, errDate
		}
		t = t.Add(-shift)
		switch {
		case len(local) > p.length:
			t = t.Add(fraction)
		case roundUp:
			t = t.Add(p.last - 1)
		}
		if t.Year() < 1 || t.Year() > 9999 {
			return t, fault.New(fault.Invalid, "it lies out of the years 1 to 9999")
		}
		return t, nil
	}
	return time.Time{}, errDate
}

// cutOffset splits off what may be an offset. It can only stand behind a time
// of day.
func cutOffset(text string) (local, offset string) {
	for i := 11; i < len(text); i++ {
		if c := text[i]; c == 'Z' || c == '+' || c == '-' {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

func parseOffset(text string) (time.Duration, bool) {
	if text == "" || text == "Z" {
		return 0, true
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if len(layout) != len(text) {
			continue
		}
		if t, err := time.Parse(layout, text); err == nil {
			_, seconds := t.Zone()
			return time.Duration(seconds) * time.Second, true
		}
	}
	return 0, false
}

// parseFraction reads a dot and one to nine digits; nothing is 0.
func parseFraction(text string) (time.Duration, bool) {
	if text == "" {
		return 0, true
	}
	if len(text) < 2 || len(text) > 10 {
		return 0, false
	}
	n := time.Duration(0)
	for i := 1; i < 10; i++ {
		digit := byte('0')
		if i < len(text) {
			digit = text[i]
		}
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = 10*n + time.Duration(digit-'0')
	}
	return n, true
}

// Package datemath reads points in time that are written relative to now or to
// a date, in the form that Elasticsearch calls date math:
//
//	now            2015-06-08T10:28:35.001Z      now-5m
//	now-1d/d       2015-06-08||-30d/d            2015-06
//
// A text is an anchor and any number of steps. The anchor is now, or a date
// (see below); behind a date the steps follow two bars. A step is +N<unit>,
// -N<unit> or /<unit>, where N may be left out for 1 and the unit is y, M, w, d,
// h (or H), m or s. The first two move, and clip to the length of months; the
// third rounds to the unit, weeks beginning on Monday. All of it is in UTC.
//
// A date is 2015, 2015-06 or 2015-06-08, and with a time 2015-06-08T10,
// …T10:28, …T10:28:35 or …T10:28:35.001 with up to nine decimals, and an offset
// such as Z, +02:00, +0200 or +02. Without one it is in UTC.
//
// Rounding goes down to the first moment of a unit, or up to its last one. In
// the same way the parts of a date that are missing are filled: down with
// 00:00:00, up with the last moment of 23:59:59, or of the last hour, minute or
// second that is given. Missing months and days are 01 in both directions. So
// that a range means what it says, gt and lte are read with rounding up, gte
// and lt with rounding down. A date that steps follow is always filled downward.
//
// The rules are those of the Elasticsearch reference, "Date math" and "Range
// query", but that the last moment of a unit lies a nanosecond before the next,
// where Elasticsearch, which keeps times in milliseconds, leaves a millisecond.
// Beyond them, "now()" and spaces around steps are taken, as in "now() - 10m".
package datemath

import (
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Parse reads text at the time now and returns a time in UTC of the years 1 to
// 9999. roundUp says in which direction to round. Errors are of kind Invalid
// and show the offending text.
func Parse(text string, now time.Time, roundUp bool) (time.Time, error) {
	t, err := parse(strings.TrimSpace(text), now.UTC(), roundUp)
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, "the time %q cannot be read: %w", shorten(text), err)
	}
	return t, nil
}

func parse(text string, now time.Time, roundUp bool) (time.Time, error) {
	if steps, ok := strings.CutPrefix(text, "now"); ok {
		steps = strings.TrimPrefix(steps, "()")
		if i := strings.Index(steps, "||"); i >= 0 {
			return now, fault.New(fault.Invalid, "|| only follows a date: steps follow now at once, as in now-30d/d")
		}
		return walk(now, steps, roundUp)
	}
	date, steps, stepped := strings.Cut(text, "||")
	t, err := parseDate(strings.TrimSpace(date), roundUp && !stepped)
	if err != nil {
		return t, err
	}
	return walk(t, steps, roundUp)
}

// walk takes the steps from t on.
func walk(t time.Time, steps string, roundUp bool) (time.Time, error) {
	for rest := strings.TrimSpace(steps); rest != ""; {
		s, behind, err := parseStep(rest)
		if err != nil {
			return t, err
		}
		if t = s.take(t, roundUp); t.Year() < 1 || t.Year() > 9999 {
			return t, fault.New(fault.Invalid, "%q leads out of the years 1 to 9999", shorten(rest))
		}
		rest = behind
	}
	return t, nil
}

// step is one step of date math.
type step struct {
	round bool // to the unit, else move
	n     int  // by so many units
	unit  byte // one of units
}

const units = "yMwdhms"

// maxSteps is as far as one step goes, in any unit: 9 digits of seconds are 31
// years, and no sum of it overflows.
const maxSteps = 999_999_999

// parseStep reads the step that text begins with, and returns what is behind it.
func parseStep(text string) (step, string, error) {
	sign := 1
	switch text[0] {
	case '-':
		sign = -1
	case '+', '/':
	default:
		return step{}, "", fault.New(fault.Invalid, "%q is no step: steps are such as +1h, -30d and /d", shorten(text))
	}
	rest := strings.TrimLeft(text[1:], " ")
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	n := 1
	if digits != "" {
		var err error
		if n, err = strconv.Atoi(digits); err != nil || n > maxSteps {
			return step{}, "", fault.New(fault.Invalid, "%s in %q is too large a number", shorten(digits), shorten(text))
		}
	}
	rest = rest[len(digits):]
	switch {
	case rest == "":
		return step{}, "", fault.New(fault.Invalid, "%q lacks a unit: y, M, w, d, h, m or s", shorten(text))
	case text[0] == '/' && n != 1:
		return step{}, "", fault.New(fault.Invalid, "%q rounds to more than one unit: only such as /d is possible", shorten(text))
	}
	unit := rest[0]
	if unit == 'H' {
		unit = 'h'
	}
	if strings.IndexByte(units, unit) < 0 {
		return step{}, "", fault.New(fault.Invalid, "%q has an unknown unit: known are y, M, w, d, h, m and s", shorten(text))
	}
	return step{text[0] == '/', sign * n, unit}, strings.TrimLeft(rest[1:], " "), nil
}

// take moves or rounds t.
func (s step) take(t time.Time, roundUp bool) time.Time {
	switch {
	case s.round && roundUp:
		return s.move(floor(t, s.unit)).Add(-1)
	case s.round:
		return floor(t, s.unit)
	}
	return s.move(t)
}

func (s step) move(t time.Time) time.Time {
	seconds := func(each int64) time.Time {
		return time.Unix(t.Unix()+int64(s.n)*each, int64(t.Nanosecond())).UTC()
	}
	switch s.unit {
	case 'y':
		return addMonths(t, 12*s.n)
	case 'M':
		return addMonths(t, s.n)
	case 'w':
		return seconds(7 * 86400)
	case 'd':
		return seconds(86400)
	case 'h':
		return seconds(3600)
	case 'm':
		return seconds(60)
	}
	return seconds(1)
}

// addMonths keeps the day where the month has it, else takes its last one.
func addMonths(t time.Time, n int) time.Time {
	month := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	days := month.AddDate(0, 1, -1).Day()
	return month.AddDate(0, 0, min(t.Day(), days)-1)
}

// floor returns the first moment of the unit that t lies in.
func floor(t time.Time, unit byte) time.Time {
	y, m, d := t.Date()
	switch unit {
	case 'y':
		return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
	case 'M':
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	case 'w':
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, time.UTC)
	case 'd':
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	case 'h':
		return time.Date(y, m, d, t.Hour(), 0, 0, 0, time.UTC)
	case 'm':
		return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

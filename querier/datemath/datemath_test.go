package datemath

import (
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// now is a Thursday.
var now = time.Date(2015, 6, 11, 10, 28, 35, 1_500_000, time.UTC)

const form = "2006-01-02T15:04:05.999999999Z07:00"

func TestParse(t *testing.T) {
	f := func(text, down, up string) {
		t.Helper()
		for roundUp, want := range map[bool]string{false: down, true: up} {
			got, err := Parse(text, now, roundUp)
			if err != nil || got.Format(form) != want || got.Location() != time.UTC {
				t.Errorf("%q up %v: %v %v, want %s", text, roundUp, got.Format(form), err, want)
			}
		}
	}
	same := func(text, want string) {
		t.Helper()
		f(text, want, want)
	}
	same("now", "2015-06-11T10:28:35.0015Z")
	same("now()", "2015-06-11T10:28:35.0015Z")
	same(" now ", "2015-06-11T10:28:35.0015Z")
	same("now-5m", "2015-06-11T10:23:35.0015Z")
	same("now() - 10m", "2015-06-11T10:18:35.0015Z")
	same("now-1h+30m-5s", "2015-06-11T09:58:30.0015Z")
	same("now-h", "2015-06-11T09:28:35.0015Z")
	same("now+2H", "2015-06-11T12:28:35.0015Z")
	same("now+1w", "2015-06-18T10:28:35.0015Z")
	same("now-1y", "2014-06-11T10:28:35.0015Z")
	same("now-11M", "2014-07-11T10:28:35.0015Z")
	same("now-20d", "2015-05-22T10:28:35.0015Z")

	f("now/s", "2015-06-11T10:28:35Z", "2015-06-11T10:28:35.999999999Z")
	f("now/m", "2015-06-11T10:28:00Z", "2015-06-11T10:28:59.999999999Z")
	f("now/h", "2015-06-11T10:00:00Z", "2015-06-11T10:59:59.999999999Z")
	f("now/H", "2015-06-11T10:00:00Z", "2015-06-11T10:59:59.999999999Z")
	f("now/d", "2015-06-11T00:00:00Z", "2015-06-11T23:59:59.999999999Z")
	f("now/w", "2015-06-08T00:00:00Z", "2015-06-14T23:59:59.999999999Z")
	f("now/M", "2015-06-01T00:00:00Z", "2015-06-30T23:59:59.999999999Z")
	f("now/1M", "2015-06-01T00:00:00Z", "2015-06-30T23:59:59.999999999Z")
	f("now/y", "2015-01-01T00:00:00Z", "2015-12-31T23:59:59.999999999Z")
	f("now-1d/d", "2015-06-10T00:00:00Z", "2015-06-10T23:59:59.999999999Z")
	f("now/d+1h", "2015-06-11T01:00:00Z", "2015-06-12T00:59:59.999999999Z")

	// The example of the range query's reference.
	f("2014-11-18||/M", "2014-11-01T00:00:00Z", "2014-11-30T23:59:59.999999999Z")
	f("2015-06-08||-30d/d", "2015-05-09T00:00:00Z", "2015-05-09T23:59:59.999999999Z")
	same("2015-06-08||", "2015-06-08T00:00:00Z")
	same("2015-06-08||+1d", "2015-06-09T00:00:00Z")
	same("2015-06-08 || + 1d", "2015-06-09T00:00:00Z")
	f("2015-06-07||/w", "2015-06-01T00:00:00Z", "2015-06-07T23:59:59.999999999Z") // a Sunday
	f("2015-06-08||/w", "2015-06-08T00:00:00Z", "2015-06-14T23:59:59.999999999Z")
	same("2015-01-31||+1M", "2015-02-28T00:00:00Z")
	same("2016-02-29||-1y", "2015-02-28T00:00:00Z")
	same("2015-03-31T12:00:00Z||-1M", "2015-02-28T12:00:00Z")
	f("2015-06-08T23:30:00-02:00||/d", "2015-06-09T00:00:00Z", "2015-06-09T23:59:59.999999999Z")

	f("2015", "2015-01-01T00:00:00Z", "2015-01-01T23:59:59.999999999Z")
	f("2015-06", "2015-06-01T00:00:00Z", "2015-06-01T23:59:59.999999999Z")
	f("2015-06-08", "2015-06-08T00:00:00Z", "2015-06-08T23:59:59.999999999Z")
	f("2015-06-08T10", "2015-06-08T10:00:00Z", "2015-06-08T10:59:59.999999999Z")
	f("2015-06-08T10+02:00", "2015-06-08T08:00:00Z", "2015-06-08T08:59:59.999999999Z")
	f("2015-06-08T10:28", "2015-06-08T10:28:00Z", "2015-06-08T10:28:59.999999999Z")
	f("2015-06-08T10:28:35Z", "2015-06-08T10:28:35Z", "2015-06-08T10:28:35.999999999Z")
	same("2015-06-08T10:28:35.001Z", "2015-06-08T10:28:35.001Z")
	same("2015-06-08T10:28:35.0", "2015-06-08T10:28:35Z")
	same("2015-06-08T10:28:35.123456789-0330", "2015-06-08T13:58:35.123456789Z")
	same("2015-06-08T10:28:35.5+02", "2015-06-08T08:28:35.5Z")
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		for _, roundUp := range []bool{false, true} {
			got, err := Parse(text, now, roundUp)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !got.IsZero() {
				t.Errorf("%q: %v %v, want %q", text, got, err, want)
			}
		}
	}
	f("", "neither now nor a date")
	f("yesterday", `"yesterday" cannot be read: it is neither now nor a date`)
	f("Now", "neither now nor a date")
	f("1433759315001", "neither now nor a date")
	f("2015-6-8", "neither now nor a date")
	f("2015-13-01", "neither now nor a date")
	f("2015-02-30", "neither now nor a date")
	f("2015-06-08 10:28:35", "neither now nor a date")
	f("2015-06-08Z", "neither now nor a date")
	f("2015-06-08T", "neither now nor a date")
	f("2015-06-08T10.5", "neither now nor a date")
	f("2015-06-08T10:28:35.", "neither now nor a date")
	f("2015-06-08T10:28:35.1234567890Z", "neither now nor a date")
	f("2015-06-08T10:28:35.1x", "neither now nor a date")
	f("2015-06-08T10:28:35+2", "neither now nor a date")
	f("2015-06-08T10:28:35+99:00", "neither now nor a date")
	f("2015-06-08-30d", "neither now nor a date")
	f("0000", "out of the years")
	f("0001-01-01T00:00:00+01:00", "out of the years")
	f("now-30d||/d", "|| only follows a date")
	f("now||/d", "|| only follows a date")
	f("nowhere", `"here" is no step`)
	f("now5m", `"5m" is no step`)
	f("now-5", `"-5" lacks a unit`)
	f("now-", `"-" lacks a unit`)
	f("now/", `"/" lacks a unit`)
	f("now-5x", `"-5x" has an unknown unit`)
	f("now-5D", "unknown unit")
	f("now/2d", "rounds to more than one unit")
	f("now-1000000000s", "too large a number")
	f("now-99999999999999999999s", "too large a number")
	f("now-9999y", "leads out of the years")
	f("now+999999999y", "leads out of the years")
	f("now+999999999w", "leads out of the years")
	f("2015-06-08||x", `"x" is no step`)
	f("now"+strings.Repeat("-1d ", 100)+"?", "cannot be read")
}

// FuzzParse holds that rounding up never comes before rounding down, unless
// steps follow a rounding, where months may be clipped the other way.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"now", "now() - 10m", "2015-06-08||-30d/d", "2015-06-08T10:28:35.001+02:00", "now-1w/w", "2014||/y", "9999-12-31||+1d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		down, err1 := Parse(text, now, false)
		up, err2 := Parse(text, now, true)
		for _, err := range []error{err1, err2} {
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if err1 != nil || err2 != nil {
			return
		}
		if strings.Count(text, "/") <= 1 && (!strings.Contains(text, "/") || text[len(text)-2] == '/') && up.Before(down) {
			t.Fatalf("%q: up %v, down %v", text, up, down)
		}
		again, err := Parse(down.Format("2006-01-02T15:04:05.000000000Z"), now, true)
		if err != nil || !again.Equal(down) {
			t.Fatalf("%q: %v does not come back: %v %v", text, down, again, err)
		}
	})
}

package event

import (
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

func TestParseTime(t *testing.T) {
	ok := func(s, want string) {
		t.Helper()
		got, err := ParseTime(s)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v %v, want %s", s, got, err, want)
		}
	}
	ok("2026-11-22T02:48:05Z", "2026-11-22T02:48:05Z")
	ok("2026-11-22T02:48:05.25Z", "2026-11-22T02:48:05.25Z")
	ok("2026-11-22T02:48:05.123456789Z", "2026-11-22T02:48:05.123456Z")
	ok("2026-11-22T03:48:05+01:00", "2026-11-22T02:48:05Z")
	ok("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")
	ok("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z")
	ok("0", "1970-01-01T00:00:00Z")
	ok("-1", "1969-12-31T23:59:59Z")
	ok("99999999999", "5138-11-16T09:46:39Z")
	ok("100000000000", "1973-03-03T09:46:40Z")
	ok("1795315685", "2026-11-22T02:48:05Z")
	ok("1795315685123", "2026-11-22T02:48:05.123Z")
	ok("1795315685123456", "2026-11-22T02:48:05.123456Z")
	ok("1795315685123456789", "2026-11-22T02:48:05.123456Z")
	ok("-1795315685123456789", "1913-02-09T21:11:54.876543Z")
	ok("1795315685.25", "2026-11-22T02:48:05.25Z")
	ok("-0.25", "1969-12-31T23:59:59.75Z")
	ok("1.795315685e9", "2026-11-22T02:48:05Z")
	ok("1795315685.123456", "2026-11-22T02:48:05.123456Z")
	ok("1795315685.1", "2026-11-22T02:48:05.1Z")
	ok("1795315685123.456", "2026-11-22T02:48:05.123456Z")
	ok("1795315685.9999999", "2026-11-22T02:48:06Z")

	bad := func(s, want string) {
		t.Helper()
		if got, err := ParseTime(s); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || got != 0 {
			t.Errorf("%s: %v %v, want %q", s, got, err, want)
		}
	}
	for _, s := range []string{"", " ", "now", "NaN", "Inf", "-inf", "0x10", "1_000", "2026-11-22", "2026-11-22 02:48:05Z", "2026-11-22T02:48:05",
		"2026-13-22T02:48:05Z", "2026-02-29T00:00:00Z", "2026-11-22T24:00:00Z", "1e999", "12 ", "\xff"} {
		bad(s, "is no timestamp: give RFC 3339")
	}
	for _, s := range []string{"0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "12345678901234567890", "-1e30",
		"-99999999999", "-99999999999999", "-99999999999999999", "-99999999999999.5"} {
		bad(s, "out of range")
	}
}

func TestMicrosText(t *testing.T) {
	for _, m := range []Micros{MinTime, MinTime + 1, -1, 0, 1, 1795315685_250000, MaxTime - 1, MaxTime} {
		if got, err := ParseTime(m.String()); err != nil || got != m {
			t.Errorf("%v: %v %v", m, got, err)
		}
		if got := ToMicros(m.Time()); got != m {
			t.Errorf("%v by time.Time: %v", m, got)
		}
	}
	if got := ToMicros(time.Unix(5, 999)); got != 5_000000 {
		t.Errorf("nanoseconds: %d", got)
	}
	for m, want := range map[Micros]string{0: "1970-01-01", -1: "1969-12-31", 86400_000000 - 1: "1970-01-01", MinTime: "0001-01-01", MaxTime: "9999-12-31"} {
		if got := m.Day(); got != want {
			t.Errorf("day of %v: %s", m, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-22T02:48:05.25Z", "1795315685", "-1.5", "1e16", "-99999999999999", "NaN", "9223372036854775807", "-9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseTime(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("kind %v", fault.KindOf(err))
			}
			return
		}
		if m < MinTime || m > MaxTime {
			t.Fatalf("%q: %d is out of range", s, m)
		}
		if again, err := ParseTime(m.String()); err != nil || again != m {
			t.Fatalf("%q: %v is read as %v %v", s, m, again, err)
		}
	})
}

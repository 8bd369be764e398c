package querier

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

func TestBuckets(t *testing.T) {
	for _, c := range []struct{ length, zone, at, want string }{
		{"30s", "", "2026-11-21T08:00:59.9Z", "2026-11-21T08:00:30Z"},
		{"5m", "", "1969-12-31T23:59:59Z", "1969-12-31T23:55:00Z"},
		{"1h", "Asia/Kolkata", "2026-11-21T08:00:00Z", "2026-11-21T13:00:00+05:30"},
		{"6h", "Asia/Kolkata", "2026-11-21T08:00:00Z", "2026-11-21T12:00:00+05:30"},
		{"1d", "Europe/Berlin", "2026-11-20T23:30:00Z", "2026-11-21T00:00:00+01:00"},
		{"1d", "Europe/Berlin", "2026-03-29T21:30:00Z", "2026-03-29T00:00:00+01:00"}, // 23 hours
		{"1d", "Europe/Berlin", "2026-10-25T22:59:00Z", "2026-10-25T00:00:00+02:00"}, // 25 hours
		{"1h", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00+02:00"}, // shown twice, and
		{"1h", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00+01:00"}, // two hours
		{"6h", "Europe/Berlin", "2026-10-25T04:30:00Z", "2026-10-25T00:00:00+02:00"},
		{"1w", "", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z"},
		{"1w", "", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"1M", "America/New_York", "2026-12-01T04:59:59Z", "2026-11-01T00:00:00-04:00"},
		{"3M", "", "2026-12-01T00:00:00Z", "2026-10-01T00:00:00Z"},
		{"1d", "America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T01:00:00-04:00"}, // midnight is skipped
		{"1d", "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T00:00:00-04:00"}, // and shown twice
	} {
		b, err := ParseBucket(c.length, c.zone)
		if err != nil {
			t.Errorf("%s %s: %v", c.length, c.zone, err)
			continue
		}
		at, err := event.ParseTime(c.at)
		if err != nil {
			t.Fatal(err)
		}
		g := newGrid(b)
		first := g.value(timeValue(at))
		if got := event.Micros(first.n).Time().In(g.loc).Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s of %s is %s, want %s", c.length, c.zone, c.at, got, c.want)
		}
		if again := g.value(first); again.n != first.n {
			t.Errorf("%s %s: the beginning %v lies in the bucket %v", c.length, c.zone, first, again)
		}
	}
	for _, c := range []struct{ length, zone string }{{"", ""}, {"h", ""}, {"1", ""}, {"0h", ""}, {"7h", ""}, {"+1h", ""}, {"1y", ""},
		{"2d", ""}, {"1h", "Berlin"}, {"1h", "Local"}, {"1h", "../etc/passwd"}} {
		if b, err := ParseBucket(c.length, c.zone); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q %q gives %v, %v", c.length, c.zone, b, err)
		}
	}
}

// TestBucketsInAnyOrder finds the buckets of times around changes of clocks, which do
// not depend on those that were looked at before.
func TestBucketsInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ zone, change string }{
		{"Europe/Berlin", "2026-10-25T01:00:00Z"}, {"Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"America/Havana", "2026-03-08T05:00:00Z"}, {"America/St_Johns", "2010-11-07T02:31:00Z"}, // a minute past midnight
		{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"}, {"Pacific/Apia", "2011-12-30T10:00:00Z"}, // a day is left out
	} {
		change, err := event.ParseTime(c.change)
		if err != nil {
			t.Fatal(err)
		}
		for _, length := range []string{"20s", "15m", "1h", "2h", "12h", "1d", "1w", "1M"} {
			b, err := ParseBucket(length, c.zone)
			if err != nil {
				t.Fatal(err)
			}
			g := newGrid(b)
			for range 500 {
				at := timeValue(change + event.Micros((rng.Int64N(400)-200)*7*60*1e6>>rng.IntN(8)))
				fresh := newGrid(b)
				if got, want := g.value(at), fresh.value(at); got.n != want.n || got.n > at.n {
					t.Fatalf("%s %s of %v is %v, want %v", length, c.zone, at, got, want)
				}
			}
		}
	}
}

package querier

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones on machines that have no files of them

	"github.com/firnlog/firn/layout/event"
)

// Bucket is a length of time that events are grouped by: so many seconds,
// minutes, hours, days, weeks or months of the calendar of a zone. A bucket
// begins where the clocks of the zone show a multiple of it, a day and all that
// is longer at midnight, weeks on Monday. So a day may have 23 or 25 hours.
type Bucket struct {
	N    int
	Unit byte   // s, m, h, d, w or M
	Zone string // of the tz database, such as Europe/Berlin; "" for UTC
}

// fits is what the n of each unit must divide, so that buckets begin anew with
// each of the next larger unit.
var fits = map[byte]int{'s': 60, 'm': 60, 'h': 24, 'd': 1, 'w': 1, 'M': 12}

// ParseBucket reads a length such as 30s, 5m, 1h, 1d, 1w, 1M or 3M. Errors are
// Invalid.
func ParseBucket(length, zone string) (Bucket, error) {
	wrong := func(why string) (Bucket, error) {
		return Bucket{}, invalid("bucket", "%q %s", shorten(length), why)
	}
	if length == "" {
		return wrong("is no length: write one such as 30s, 5m, 1h, 1d, 1w or 1M")
	}
	b := Bucket{Unit: length[len(length)-1], Zone: zone}
	most, ok := fits[b.Unit]
	digits := length[:len(length)-1]
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || strings.Trim(digits, "0123456789") != "" {
		return wrong("is no length: write one such as 30s, 5m, 1h, 1d, 1w or 1M")
	}
	if b.N = n; n < 1 || n > most || most%n != 0 {
		return wrong(fmt.Sprintf("is not possible: the number of %c must divide %d", b.Unit, most))
	}
	if zone == "UTC" {
		b.Zone = ""
	}
	if _, err := b.location(); err != nil {
		return Bucket{}, err
	}
	return b, nil
}

// String returns the length without the zone.
func (b Bucket) String() string { return strconv.Itoa(b.N) + string(b.Unit) }

// location returns the zone. Names that only this machine understands are none.
func (b Bucket) location() (*time.Location, error) {
	if b.Zone == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(b.Zone)
	if err != nil || b.Zone == "Local" {
		return nil, invalid("zone", "%q is no zone of the tz database, such as Europe/Berlin", shorten(b.Zone))
	}
	return loc, nil
}

// grid finds the buckets of times. It is for one goroutine, and the zero grid
// leaves times as they are.
type grid struct {
	Bucket
	loc      *time.Location
	bucket   int64 // of the times from … to, the last one left out
	from, to int64
	step     int64 // microseconds of every bucket, 0 where their lengths differ
}

// steps are the lengths in microseconds of one of the units that are always as long
// where clocks are never set.
var steps = map[byte]int64{'s': 1e6, 'm': 60e6, 'h': 3600e6, 'd': 86_400e6, 'w': 7 * 86_400e6}

// monday is the first Monday before 1970, in microseconds.
const monday = -3 * 86_400_000_000

func newGrid(b Bucket) grid {
	if b.N == 0 {
		return grid{}
	}
	loc, _ := b.location() // it was checked
	g := grid{Bucket: b, loc: loc}
	if b.Zone == "" {
		g.step = int64(b.N) * steps[b.Unit]
	}
	return g
}

// value returns the beginning of the bucket that a time lies in. Other values
// are none of a field of times.
func (g *grid) value(v Value) Value {
	if g.N == 0 {
		return v
	}
	if g.step > 0 {
		return Value{kind: moment, n: g.floor(v.n)}
	}
	if v.n < g.from || v.n >= g.to {
		g.move(event.Micros(v.n).Time().In(g.loc))
	}
	return Value{kind: moment, n: g.bucket}
}

// floor returns the beginning of the bucket of a time where all are as long: rows
// come by stream, so that neighbours are seldom in one bucket.
func (g *grid) floor(n int64) int64 {
	if g.Unit == 'w' {
		n -= monday
	}
	late := n % g.step
	if late < 0 {
		late += g.step
	}
	if n -= late; g.Unit == 'w' {
		n += monday
	}
	return n
}

// move finds the bucket of t, and around t the times that lie in it as well: as
// long as the zone's clock is not set, those of which it shows the same bucket.
func (g *grid) move(t time.Time) {
	shown := wall(t)
	lo, hi := g.shown(shown)
	from, to := t.Add(lo.Sub(shown)), t.Add(hi.Sub(shown))
	first := from
	if g.byCalendar() {
		first = firstOf(lo, g.loc)
	}
	set, next := t.ZoneBounds()
	if from.Before(set) {
		from = set
	}
	if !next.IsZero() && next.Before(to) {
		to = next
	}
	g.bucket, g.from, g.to = first.UnixMicro(), from.UnixMicro(), to.UnixMicro()
}

// byCalendar reports whether buckets begin at a time that the clock shows first. Of
// those of an hour and less, an hour that the clock shows twice has twice as many.
func (b Bucket) byCalendar() bool {
	return b.Unit != 's' && b.Unit != 'm' && (b.Unit != 'h' || b.N > 1)
}

// shown returns what a clock that shows t, given as a time in UTC, shows when the
// bucket of t begins, and when the next one does.
func (b Bucket) shown(t time.Time) (lo, hi time.Time) {
	y, m, d := t.Date()
	at := func(m time.Month, d, h int) time.Time { return time.Date(y, m, d, h, 0, 0, 0, time.UTC) }
	switch b.Unit {
	case 'h':
		h := t.Hour() - t.Hour()%b.N
		return at(m, d, h), at(m, d, h+b.N)
	case 'd':
		return at(m, d, 0), at(m, d+1, 0)
	case 'w':
		d -= (int(t.Weekday()) + 6) % 7
		return at(m, d, 0), at(m, d+7, 0)
	case 'M':
		m -= (m - 1) % time.Month(b.N)
		return at(m, 1, 0), at(m+time.Month(b.N), 1, 0)
	}
	length := time.Duration(b.N) * map[byte]time.Duration{'s': time.Second, 'm': time.Minute}[b.Unit]
	lo = t.Truncate(length)
	return lo, lo.Add(length)
}

// firstOf returns the first moment at which a zone's clock shows a time, given as
// one in UTC, or has passed it where it is skipped.
func firstOf(wanted time.Time, loc *time.Location) time.Time {
	y, m, d := wanted.Date()
	t := time.Date(y, m, d, wanted.Hour(), 0, 0, 0, loc)
	start, end := t.ZoneBounds()
	switch shown := wall(t); {
	case shown.Before(wanted):
		return end
	case shown.After(wanted):
		return start
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-1).Zone()
	earlier := t.Add(time.Duration(now-before) * time.Second)
	if earlier.Before(start) && wall(earlier).Equal(wanted) {
		return earlier
	}
	return t
}

// wall returns what the clock shows as a time in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// appendJSON appends a bucket's beginning in its zone.
func (g *grid) appendJSON(b []byte, v Value) []byte {
	if g.N == 0 || g.Zone == "" || v.kind != moment {
		return v.appendJSON(b)
	}
	b = append(b, '"')
	b = event.Micros(v.n).Time().In(g.loc).AppendFormat(b, time.RFC3339)
	return append(b, '"')
}

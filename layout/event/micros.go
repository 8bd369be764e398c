package event

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Micros is a point in time in microseconds since 1970-01-01 UTC. Its text form
// is RFC 3339 in UTC with as many decimals as it needs.
type Micros int64

// MinTime and MaxTime bound the timestamps that Firn takes: the years 1 to
// 9999, which RFC 3339 can write.
const (
	MinTime Micros = -62135596800_000000
	MaxTime Micros = 253402300799_999999
)

// ToMicros converts t, cutting off what is below a microsecond.
func ToMicros(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time converts m to a UTC time.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// String returns the text form, such as 2026-11-22T02:48:05.25Z.
func (m Micros) String() string { return m.Time().Format(time.RFC3339Nano) }

// Day returns the UTC day of m, such as 2026-11-22: the partition that the
// event lies in.
func (m Micros) Day() string { return m.Time().Format(time.DateOnly) }

// ParseTime reads a timestamp: RFC 3339, or a number since the epoch whose
// magnitude tells its unit (see [EpochTime]).
func ParseTime(s string) (Micros, error) {
	if !strings.ContainsAny(s, "TxXpPnNiI_") { // else strconv would allocate an error for every date
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return EpochTime(i)
		}
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return epochFloat(n)
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%q is no timestamp: give RFC 3339 such as 2026-11-22T02:48:05Z, or seconds, milliseconds, microseconds or nanoseconds since 1970", shorten(s))
	}
	return checkTime(t.Unix(), int64(t.Nanosecond())/1000)
}

func checkTime(sec, usec int64) (Micros, error) {
	if sec < int64(MinTime)/1e6 || sec > int64(MaxTime)/1e6 {
		return 0, errRange
	}
	return checkMicros(sec*1e6 + usec)
}

func checkMicros(usec int64) (Micros, error) {
	if m := Micros(usec); m >= MinTime && m <= MaxTime {
		return m, nil
	}
	return 0, errRange
}

var errRange = fault.New(fault.Invalid, "the timestamp is out of range: Firn takes the years 1 to 9999")

// EpochTime reads a whole number since the epoch. Its magnitude tells the unit:
// below 10^11 seconds (to the year 5138), below 10^14 milliseconds, below 10^17
// microseconds, else nanoseconds.
func EpochTime(n int64) (Micros, error) {
	abs := n
	if abs < 0 {
		abs = -abs
	}
	switch {
	case n == math.MinInt64 || abs >= 1e17:
		return checkMicros(floorDiv(n, 1000))
	case abs >= 1e14:
		return checkMicros(n)
	case abs >= 1e11:
		return checkMicros(n * 1000)
	}
	return checkTime(n, 0)
}

// epochFloat reads a number with a fraction, which can only be seconds or
// milliseconds to be worth its fraction; the unit follows [EpochTime].
func epochFloat(f float64) (Micros, error) {
	abs := math.Abs(f)
	switch {
	case !(abs < 9e18): // also NaN
		return 0, errRange
	case abs >= 1e17:
		return checkMicros(int64(math.Floor(f / 1000)))
	case abs >= 1e14:
		return checkMicros(int64(math.Floor(f)))
	case abs >= 1e11:
		return checkMicros(int64(math.Round(f * 1000))) // floats have no exact .123: the nearest is meant
	}
	sec := math.Floor(f)
	return checkTime(int64(sec), int64(math.Round((f-sec)*1e6)))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

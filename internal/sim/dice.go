package sim

import (
	"fmt"
	"hash/fnv"
	"time"
)

// dice are random draws that follow from what they are for.
type dice struct{ state uint64 }

func (w *world) dice(parts ...any) *dice {
	h := fnv.New64a()
	fmt.Fprint(h, append([]any{w.seed}, parts...)...)
	return &dice{h.Sum64()}
}

// next is the splitmix64 generator.
func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) n(below int) int { return int(d.next() % uint64(below)) }

func (d *dice) chance(p float64) bool { return float64(d.next()>>11)/(1<<53) < p }

// between returns a time that no other draw is likely to hit: delays on a
// common grid would leave it to chance who comes first.
func (d *dice) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.next()%uint64(hi-lo))
}

// either returns t or -t.
func (d *dice) either(t time.Duration) time.Duration {
	if d.chance(0.5) {
		return -t
	}
	return t
}

// think draws how long an actor waits before its next operation: mostly
// moments, sometimes days.
func (d *dice) think() time.Duration {
	switch {
	case d.chance(0.6):
		return d.between(time.Microsecond, time.Second)
	case d.chance(0.6):
		return d.between(time.Second, 20*time.Minute)
	}
	return d.between(time.Hour, 40*time.Hour)
}

// patience draws how long a client waits for an answer.
func (d *dice) patience() time.Duration {
	if d.chance(0.5) {
		return 40 * time.Second
	}
	return 60 * 24 * time.Hour
}

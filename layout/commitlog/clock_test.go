package commitlog_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// clock is that of a process, so much ahead of the true time.
type clock struct{ ahead time.Duration }

// open opens a log in a process with this clock.
func (c *clock) open(s store.Store) *commitlog.Log {
	return commitlog.OpenAt(s, func() time.Time { return time.Now().Add(c.ahead) })
}

// onStores runs a test on a bucket in memory and on a folder, whose time is that
// of the file system.
func onStores(t *testing.T, f func(t *testing.T, s store.Store)) {
	t.Run("memory", func(t *testing.T) { f(t, store.NewMemory()) })
	t.Run("folder", func(t *testing.T) {
		s, err := store.Open(t.Context(), "file://"+t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		f(t, s)
	})
}

// Processes whose clocks differ, and one whose clock goes back and forth, append
// in turn, and fold. Events are in the order in which they were acknowledged,
// and everyone sees all of them at once.
func TestClocksApart(t *testing.T) {
	onStores(t, func(t *testing.T, s store.Store) {
		create(t, s, 1)
		unsteady := &clock{}
		var logs []*commitlog.Log
		for _, c := range []*clock{{-14 * time.Minute}, {14 * time.Minute}, {}, unsteady} {
			logs = append(logs, c.open(s))
		}
		const rounds = 12
		n := int64(0)
		for round := range rounds {
			unsteady.ahead = time.Duration(13-26*(round%2)) * time.Minute
			for i, l := range logs {
				b := batch("a")
				b.Key = fmt.Sprint("key", n)
				n++
				r := mustAppend(t, l, b)
				if e := r.Events[0]; e.Sequence != n {
					t.Fatalf("event %d was given the number %d", n, e.Sequence)
				}
				for j, reader := range append(logs, commitlog.Open(s)) {
					if got := count(t, reader); got != n {
						t.Fatalf("round %d: of %d events, reader %d sees %d", round, n, j, got)
					}
				}
				again := mustAppend(t, logs[(i+1)%len(logs)], b)
				if !again.Replayed || again.Events[0].Place != r.Events[0].Place {
					t.Fatalf("a repetition was answered %+v, and before %+v", again, r)
				}
			}
			if round%4 == 3 {
				if _, err := (&compactor.Compactor{Log: logs[round/4]}).Run(t.Context(), "i"); err != nil {
					t.Fatal(err)
				}
			}
			timesInOrder(t, s)
		}
	})
}

// count returns how many events of the instance a process sees.
func count(t *testing.T, l *commitlog.Log) int64 {
	t.Helper()
	v, err := l.Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, d := range v.Days() {
		n += d.Rows
	}
	for _, c := range v.Tail {
		n += c.File.Rows()
	}
	return n
}

// timesInOrder checks that no commit of the tail has a time before that of the one
// before it.
func timesInOrder(t *testing.T, s store.Store) {
	t.Helper()
	v, err := commitlog.Open(s).Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	last := v.Snapshot().ShardState(0).Time
	for _, c := range v.Tail {
		if c.Time < last {
			t.Errorf("commit %d is of %v, and the one before it of %v", c.Position, c.Time, last)
		}
		last = c.Time
	}
}

var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// refuses wants an append to be refused because of the clock, with both times in
// the reason, and nothing to be written.
func refuses(t *testing.T, s store.Store, l *commitlog.Log, ahead time.Duration) {
	t.Helper()
	before := count(t, commitlog.Open(s))
	b := batch("a")
	b.Key = "refused"
	_, err := l.Append(t.Context(), "i", b)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "clock") {
		t.Fatalf("%v ahead: %v", ahead, err)
	}
	said := instant.FindAllString(err.Error(), -1)
	if len(said) != 2 {
		t.Fatalf("both times are to be named: %v", err)
	}
	ours, err1 := time.Parse(time.RFC3339, said[0])
	theirs, err2 := time.Parse(time.RFC3339, said[1])
	if off := ours.Sub(theirs) - ahead; err1 != nil || err2 != nil || off.Abs() > time.Minute {
		t.Errorf("%v ahead: %v", ahead, err)
	}
	if got := count(t, commitlog.Open(s)); got != before {
		t.Errorf("%d events, and before there were %d", got, before)
	}
}

// A process whose clock is far off does not write, be it that it starts so, or
// that the clock jumps; and it goes on when the clock is set right.
func TestClocksFarOff(t *testing.T) {
	onStores(t, func(t *testing.T, s store.Store) {
		create(t, s, 1)
		for _, ahead := range []time.Duration{16 * time.Minute, -16 * time.Minute, 50 * time.Hour, -50 * time.Hour} {
			cold := &clock{ahead}
			l := cold.open(s)
			refuses(t, s, l, ahead)
			cold.ahead = 0
			mustAppend(t, l, batch("a"))

			jumping := &clock{}
			l = jumping.open(s)
			b := batch("a")
			b.Key = fmt.Sprint("before", ahead)
			mustAppend(t, l, b)
			jumping.ahead = ahead
			refuses(t, s, l, ahead)
			jumping.ahead = 0
			if r := mustAppend(t, l, b); !r.Replayed {
				t.Errorf("%v: the key of before the jump is forgotten", ahead)
			}
			mustAppend(t, l, batch("a"))
		}
		v, err := commitlog.Open(s).Pin(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range v.Tail {
			if event.ToMicros(time.Now().Add(time.Minute)) < c.Time {
				t.Errorf("commit %d is of %v, which is to come", c.Position, c.Time)
			}
		}
	})
}

// A process whose clock stood still while it slept takes what it knew for fresh,
// and what was swept since for the log's end. It refuses nothing by that: it
// notices how old its knowledge is by the store's clock, and that its own is wrong.
func TestStoppedClockRefusesNothingFromBefore(t *testing.T) {
	conflict, again, reused := batch("a"), batch("a"), batch("a")
	conflict.Expect = map[string]commitlog.Expectation{"a": 5}
	again.Key, again.Hash = "key", "hash"
	reused.Key, reused.Hash = "key", "other"
	for what, b := range map[string]commitlog.Batch{"conflict": conflict, "again": again, "reused": reused} {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprint(what, ", warm ", warm), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) { afterStop(t, warm, b) })
			})
		}
	}
}

// afterStop asks for a batch in a process whose clock stood still for days, and
// then again when the clock is right. The process has written before, or only read.
func afterStop(t *testing.T, warm bool, b commitlog.Batch) {
	mem := store.NewMemory()
	create(t, mem, 1)
	c := &clock{}
	l := c.open(mem)
	first := batch("a")
	first.Key, first.Hash = "key", "hash"
	if warm {
		mustAppend(t, l, first)
	} else {
		count(t, l) // knows the snapshot
		mustAppend(t, commitlog.Open(mem), first)
	}
	began := time.Now()
	weeksPass(t, mem)
	c.ahead = -time.Since(began)
	if _, err := l.Append(t.Context(), "i", b); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("answered with %v", err)
	}
	c.ahead = 0
	if r, err := l.Append(t.Context(), "i", b); err != nil || r.Replayed || r.Events[0].Sequence != 6 {
		t.Errorf("once the clock is right: %+v, %v", r, err)
	}
}

package contention

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
)

// positions is the log of a shard without its content: when each position was
// taken.
type positions struct {
	mu    sync.Mutex
	taken []time.Time // of position 1, 2, 3, …
}

// take takes a position, if it is the next one.
func (p *positions) take(position int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) != position-1 {
		return false
	}
	p.taken = append(p.taken, time.Now())
	return true
}

// had reports whether a position was taken at a time.
func (p *positions) had(position int, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return position <= len(p.taken) && !p.taken[position-1].After(at)
}

func (p *positions) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.taken)
}

// environment is a writer of the model. It makes the requests that
// layout/commitlog makes (writer.commit, writer.probe, state.catchUp).
type environment struct {
	rng        *rand.Rand
	logs       []*positions
	known      []knowledge // by shard
	puts, gets *atomic.Int64
}

// knowledge is what a writer knows of a shard.
type knowledge struct {
	end    int
	at     time.Time // when that was the log's end
	shared bool      // others wrote, too
}

// Those of commitlog: how long an append is tried, and how old the knowledge may be
// that a writer goes by where others write, too.
const (
	groupTime = 30 * time.Second
	probeAge  = 50 * time.Millisecond
)

var errGivenUp = errors.New("not written within the time of a group")

// append appends to a shard: whoever loses its position learns the winner's
// commit and what came behind it, and tries again.
func (e *environment) append() error {
	shard, began := e.rng.IntN(len(e.logs)), time.Now()
	k := &e.known[shard]
	if k.shared && time.Since(k.at) > probeAge {
		end := k.end
		e.catchUp(shard)
		k.shared = k.end > end
	}
	for time.Since(began) < groupTime {
		won := e.put(shard)
		if k.at = time.Now(); won {
			return nil
		}
		k.shared = true
		e.learn(shard, 1) // the winner
		e.catchUp(shard)
	}
	return errGivenUp
}

// put tries the position behind the known end.
func (e *environment) put(shard int) (won bool) {
	e.puts.Add(1)
	time.Sleep(half(e.rng, putMedian))
	if won = e.logs[shard].take(e.known[shard].end + 1); won {
		e.known[shard].end++
	}
	time.Sleep(half(e.rng, putMedian))
	return won
}

func (e *environment) catchUp(shard int) {
	for n := 1; e.learn(shard, n); n = min(2*n, 16) {
	}
}

// learn asks for the next n positions at once, and learns what is there up to the
// first that is not. It reports whether there may be more.
func (e *environment) learn(shard, n int) (more bool) {
	e.gets.Add(int64(n))
	log, k, began, last := e.logs[shard], &e.known[shard], time.Now(), time.Duration(0)
	asked := make([]time.Time, n) // when each request came to the store
	for i := range asked {
		there, back := half(e.rng, getMedian), half(e.rng, getMedian)
		asked[i], last = began.Add(there), max(last, there+back)
	}
	time.Sleep(last)
	first := k.end + 1
	for i, at := range asked {
		switch there := log.had(first+i, at); {
		case there && k.end == first+i-1:
			k.end++
		case there: // the hole before it was asked for too early
			e.gets.Add(1)
			time.Sleep(half(e.rng, getMedian) + half(e.rng, getMedian))
			return true
		}
	}
	return k.end == first+n-1
}

// Model models a load by the requests alone, without what is in them: some
// microseconds for each. It comes to the same as [Run], as is tested.
func Model(t *testing.T, load Load) (res Result) {
	bubble.Run(t, func(*testing.T) {
		logs := make([]*positions, load.Shards)
		for i := range logs {
			logs[i] = &positions{}
		}
		var puts, gets atomic.Int64
		count := func() spent {
			s := spent{puts: puts.Load(), gets: gets.Load()}
			for _, l := range logs {
				s.commits += l.count()
			}
			return s
		}
		res = load.measure(count, func(_ int, rng *rand.Rand) func() error {
			e := &environment{rng: rng, logs: logs, known: make([]knowledge, load.Shards), puts: &puts, gets: &gets}
			return e.append
		})
	})
	return res
}

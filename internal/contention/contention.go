// Package contention says what many ingest functions at once do to the log of a
// few shards on S3, in virtual time: by Firn's own append over a store that takes
// as long as S3 does ([Run]), and by a model of its requests alone ([Model]),
// which is as right and a thousand times as fast.
//
// A writer is one execution environment of a function: one process with one
// append under way at a time, which starts the next as soon as it is answered.
// Writers of one shard contend for its next position, and only one of them
// gets it by each round trip.
package contention

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Load is what is modelled.
type Load struct {
	Writers, Shards int
	Warmup, Time    time.Duration // virtual; what ends in the warm-up is not counted
}

// Result is what became of it.
type Result struct {
	Load
	Acked     int           // appends that were acknowledged in Time
	Failed    int           // appends that were refused or whose outcome is unknown
	Commits   int           // objects that the logs grew by
	Median    time.Duration // from an append's beginning to its acknowledgement
	P99       time.Duration
	Puts      int64 // requests of all writers
	Gets      int64 // with LISTs, of which there are few
	latencies []time.Duration
}

// The latencies of a request, lognormal: medians, and a spread by which 99 of
// 100 take no more than 2.5 times as long. They are those of S3 Standard from
// within its region.
const (
	getMedian  = 15 * time.Millisecond
	putMedian  = 30 * time.Millisecond
	listMedian = 20 * time.Millisecond
	spread     = 0.4
)

// half draws how long a request takes to the store, or back from there.
func half(rng *rand.Rand, median time.Duration) time.Duration {
	return time.Duration(float64(median) / 2 * math.Exp(spread*rng.NormFloat64()))
}

// spent is what was requested, and how many commits there are, until a moment.
type spent struct {
	puts, gets int64
	commits    int
}

// measure lets the writers of a load append again and again, each by the function
// that begin returns for it, and counts what ends within the load's time.
func (load Load) measure(spent func() spent, begin func(writer int, rng *rand.Rand) (appendOne func() error)) Result {
	res := Result{Load: load}
	start := time.Now().Add(load.Warmup)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range load.Writers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), uint64(load.Shards)))
			appendOne := begin(w, rng)
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
			for time.Since(start) < load.Time {
				began := time.Now()
				err := appendOne()
				mu.Lock()
				res.ended(began, start, err)
				mu.Unlock()
			}
		})
	}
	time.Sleep(load.Warmup)
	before := spent()
	time.Sleep(load.Time)
	after := spent()
	wg.Wait()
	res.Puts, res.Gets, res.Commits = after.puts-before.puts, after.gets-before.gets, after.commits-before.commits
	if slices.Sort(res.latencies); res.Acked > 0 {
		res.Median, res.P99 = res.latencies[res.Acked/2], res.latencies[res.Acked*99/100]
	}
	return res
}

// ended counts an append that ends now.
func (r *Result) ended(began, start time.Time, err error) {
	switch passed := time.Since(start); {
	case passed < 0 || passed > r.Time:
	case err != nil:
		r.Failed++
	default:
		r.Acked++
		r.latencies = append(r.latencies, time.Since(began))
	}
}

// Header is the first two lines of a table of results.
const Header = "| writers | shards | appends/s | ack p50 | ack p99 | PUTs per append | GETs per append | failed |\n" +
	"| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"

// String returns the result as a line of a table.
func (r Result) String() string {
	return fmt.Sprintf("| %d | %d | %.0f | %v | %v | %.1f | %.1f | %.1f %% |", r.Writers, r.Shards, float64(r.Acked)/r.Time.Seconds(),
		r.Median.Round(time.Millisecond), r.P99.Round(time.Millisecond), r.perAppend(r.Puts), r.perAppend(r.Gets),
		100*float64(r.Failed)/float64(max(r.Acked+r.Failed, 1)))
}

func (r Result) perAppend(n int64) float64 { return float64(n) / float64(max(r.Acked, 1)) }

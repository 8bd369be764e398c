package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store/storetest"
)

// A crowd: processes that append, each by several clients, while another one
// compacts and reads.
const (
	processes     = 3
	clients       = 2 // of a process
	appends       = 20
	crowdShards   = 2
	crowdStreams  = 4
	mostFaults    = 0.30 // share of requests that meet a fault, at worst
	changes       = 0.05 // share of appends after which another share holds
	impatience    = 0.25 // share of appends with a deadline that is soon over
	deadlineBound = 120 * time.Millisecond
)

// TestCrowdOverABadWire has a crowd work on one instance by way of a proxy that
// does all its faults at random, now more and now less of them. Whatever a client was told holds in the end.
func TestCrowdOverABadWire(t *testing.T) {
	server := storetest.StartS3(t)
	bucket := server.URL("firn/crowd")
	create(t, bucket, crowdShards)
	random := seeded(t)
	p := storetest.StartProxy(t, server.Endpoint)
	c := &crowd{t: t, ledger: newLedger(), proxy: p, heads: map[string]int64{}}
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // else the driver would hide faults of reads, and wait for seconds
	for range processes {
		c.logs = append(c.logs, commitlog.Open(open(t, p.Through(bucket))))
	}
	folded, reads := c.run(random, commitlog.Open(open(t, p.Through(bucket))))
	p.Quiet()
	p.Settle()
	t.Logf("%v; %d events acknowledged, %d unknown, %d refused; %d folded meanwhile, %d reads",
		p.Met(), len(c.acked), len(c.unknown), len(c.refused), folded, reads)

	fresh := commitlog.Open(open(t, bucket))
	c.check(t, fresh)
	c.settle(t, c.logs[0], crowdShards)
	c.check(t, fresh)
	if _, err := (&compactor.Compactor{Log: c.logs[1]}).Run(t.Context(), instance); err != nil {
		t.Error(err)
	}
	c.check(t, commitlog.Open(open(t, bucket)))
	for i, log := range c.logs { // each goes on with what it knows by now
		mustAppend(t, log, commitlog.Batch{Events: eventsOf(fmt.Sprint("last", i), "s0", "s1")})
	}
}

type crowd struct {
	*ledger
	t       *testing.T
	proxy   *storetest.Proxy
	logs    []*commitlog.Log
	headsMu sync.Mutex
	heads   map[string]int64 // of streams, as clients last heard
}

// run has all clients append, and returns how many events were folded and how
// often all was read meanwhile.
func (c *crowd) run(random *rand.Rand, beside *commitlog.Log) (folded int64, reads int) {
	ctx, stop := context.WithCancel(c.t.Context())
	c.weather(random)
	var writing sync.WaitGroup
	for i, log := range c.logs {
		for j := range clients {
			own := rand.New(rand.NewPCG(random.Uint64(), 0))
			writing.Go(func() {
				for n := range appends {
					c.append(log, own, fmt.Sprintf("p%d.c%d.%d", i, j, n))
				}
			})
		}
	}
	go func() { writing.Wait(); stop() }()
	for ctx.Err() == nil {
		folded += c.compact(ctx, beside)
		if c.read(ctx, beside) {
			reads++
		}
	}
	writing.Wait()
	return folded, reads
}

// weather has the wire do its faults as often as chance says.
func (c *crowd) weather(random *rand.Rand) {
	c.proxy.Random(random.Uint64(), mostFaults*random.Float64(), storetest.Faults...)
}

// append makes one append of some kind.
func (c *crowd) append(log *commitlog.Log, random *rand.Rand, name string) {
	stream := func() string { return fmt.Sprint("s", random.IntN(crowdStreams)) }
	if random.Float64() < changes {
		c.weather(random)
	}
	streams := []string{stream()}
	b := commitlog.Batch{}
	if random.IntN(4) == 0 {
		c.headsMu.Lock()
		b.Expect = map[string]commitlog.Expectation{streams[0]: commitlog.Expectation(c.heads[streams[0]])}
		c.headsMu.Unlock()
	} else {
		for range random.IntN(3) {
			streams = append(streams, stream())
		}
	}
	if random.IntN(2) == 0 {
		b.Key, b.Hash = name, "h"
	}
	b.Events = eventsOf(name, streams...)
	ctx, cancel := context.WithCancel(context.Background())
	if random.Float64() < impatience {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.Int64N(int64(deadlineBound))))
	}
	defer cancel()
	r, err := log.Append(ctx, instance, b)
	c.note(c.t, crowdShards, b, r, err)
	c.headsMu.Lock()
	defer c.headsMu.Unlock()
	for _, e := range r.Events {
		c.heads[e.Stream] = max(c.heads[e.Stream], e.Sequence)
	}
}

// compact compacts and returns how many events were folded. Only faults of the
// wire may stop it.
func (c *crowd) compact(ctx context.Context, log *commitlog.Log) int64 {
	r, err := (&compactor.Compactor{Log: log}).Run(ctx, instance)
	switch kind := kindOf(err); kind {
	case -1, fault.Unavailable, fault.Unknown, fault.Conflict:
	default:
		c.t.Errorf("compact: %v (%s)", err, kind)
	}
	return r.Events
}

// read reads everything: what was acknowledged before must be in the answer, or
// there is none.
func (c *crowd) read(ctx context.Context, log *commitlog.Log) bool {
	before := c.told()
	all, err := read(ctx, log)
	if err != nil {
		if !fault.Is(err, fault.Unavailable) {
			c.t.Errorf("read: %v (%s)", err, fault.KindOf(err))
		}
		return false
	}
	found := gapless(c.t, all)
	for id, sequence := range before {
		if found[id] != sequence {
			c.t.Errorf("event %s was acknowledged as %d, and a later query shows %d", id, sequence, found[id])
		}
	}
	return true
}

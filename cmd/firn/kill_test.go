package main

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store/storetest"
)

var killTime = flag.Duration("kill", 30*time.Second, "how long each of the TestKilled tests kills processes")

// TestKilledOnAFolder kills servers and compactors of a folder again and again
// while clients append to it.
func TestKilledOnAFolder(t *testing.T) { killAgainAndAgain(t, "file://"+t.TempDir()) }

// TestKilledOnS3 does so on an S3 server.
func TestKilledOnS3(t *testing.T) { killAgainAndAgain(t, storetest.StartS3(t).URL("firn/killed")) }

// killing is one such test.
type killing struct {
	t       *testing.T
	bucket  string
	dir     string   // where processes run
	env     []string // with a directory for temporary files, which who is killed leaves behind
	history *history
	serving atomic.Pointer[serving]

	killed, unborn              int // servers; unborn ones while they started
	compactors, compactorsEnded int // those killed, and those that were left to end
	queries                     int
}

// killAgainAndAgain has writers append to one server after the other, each of
// which is killed at some moment, while compactors run beside them, of which
// most are killed too. What was acknowledged must be there in the end, once, as
// it was acknowledged; what was under way when a server died is settled by
// sending it again to the next one.
func killAgainAndAgain(t *testing.T, bucket string) {
	random := seeded(t)
	k := &killing{t: t, bucket: bucket, dir: t.TempDir(), env: append(os.Environ(), "TMPDIR="+t.TempDir()), history: newHistory()}
	k.serving.Store(&serving{next: make(chan struct{})})
	_, idle := launch(t, bucket) // it knows only what was there in its first second
	createInstance(t, idle, 2)
	writers := newWriters(6, k.history, random)
	k.run(random, writers, idle)
	t.Logf("%d servers killed, %d of them while they started; %d compactors killed, %d ended; %d queries",
		k.killed, k.unborn, k.compactors, k.compactorsEnded, k.queries)
	t.Logf("%d events acknowledged, %d refused; of %d appends with an unknown outcome, %d were settled by repetition",
		len(k.history.acked), len(k.history.refused), k.history.unknown, k.history.resolved)
	k.history.checkAll(t, idle, writers)
	k.verify()
	compact(t, bucket)
	_, fresh := launch(t, bucket)
	k.history.checkAll(t, fresh, writers)
	k.verify()
}

// run kills until the time is over, and then has all writers settle what is open
// with the last server.
func (k *killing) run(random *rand.Rand, writers []*writer, last *client.Client) {
	ctx, cancel := context.WithCancel(k.t.Context())
	over, stop := context.WithTimeout(ctx, *killTime)
	defer stop()
	var clients, others sync.WaitGroup
	defer clients.Wait()
	defer others.Wait()
	defer cancel() // which is for a test that fails
	for _, w := range writers {
		clients.Go(func() { k.write(ctx, over, w) })
	}
	for _, work := range []func(context.Context, *rand.Rand){k.compact, k.read} {
		own := fork(random)
		others.Go(func() { work(over, own) })
	}
	for over.Err() == nil && !k.t.Failed() {
		k.round(over, random)
	}
	k.serve(last)
	clients.Wait()
	others.Wait()
}

// serving is the server that clients may send to.
type serving struct {
	client *client.Client // nil before the first
	next   chan struct{}  // closed when another one has come
}

// serve has clients send to a server from now on.
func (k *killing) serve(c *client.Client) {
	close(k.serving.Swap(&serving{c, make(chan struct{})}).next)
}

// round starts a server and kills it, now and then while it starts, mostly
// within its first second; some live on until they compact by themselves, which
// begins after a second.
func (k *killing) round(over context.Context, random *rand.Rand) {
	p, err := start(k.dir, k.env, serverArgs("--bucket", k.bucket)...)
	if err != nil {
		k.t.Fatal(err)
	}
	defer k.crash("server", p)
	k.killed++
	if random.IntN(8) == 0 {
		k.unborn++
		p.live(over, random, 0, 200*time.Millisecond)
		return
	}
	if err := p.ready(); err != nil {
		k.t.Fatal(err)
	}
	c, err := client.New(p.url)
	if err != nil {
		k.t.Fatal(err)
	}
	k.serve(c)
	if random.IntN(6) == 0 {
		p.live(over, random, time.Second, 2*time.Second)
	} else {
		p.live(over, random, 20*time.Millisecond, time.Second)
	}
	select {
	case <-p.ended:
		k.t.Errorf("a server ended by itself: %v: %s", p.err, p.stderr.Bytes())
	default:
	}
}

// live lets a process work for some time.
func (p *process) live(over context.Context, random *rand.Rand, least, most time.Duration) {
	select {
	case <-time.After(least + time.Duration(random.Int64N(int64(most-least)))):
	case <-p.ended:
	case <-over.Done():
	}
}

// crash kills a process and looks for a bug in what it said.
func (k *killing) crash(name string, p *process) {
	k.t.Helper()
	p.kill()
	for _, bad := range []string{"panic", "DATA RACE", "level=ERROR"} {
		if bytes.Contains(p.stderr.Bytes(), []byte(bad)) {
			k.t.Errorf("a %s said: %s", name, p.stderr.Bytes())
		}
	}
}

// write has a writer append until the time is over, and settle what it has open
// with whatever server comes then.
func (k *killing) write(ctx, over context.Context, w *writer) {
	for over.Err() == nil || w.open != nil && ctx.Err() == nil {
		s := k.serving.Load()
		if w.open == nil {
			w.open = w.next()
		}
		if s.client != nil && w.settle(k.t, s.client) {
			continue
		}
		select {
		case <-s.next:
		case <-ctx.Done():
		}
	}
}

// compact runs compactors and kills most of them before they end, and verifies
// now and then.
func (k *killing) compact(over context.Context, random *rand.Rand) {
	took := 100 * time.Millisecond // the last one that ended
	for over.Err() == nil {
		began := time.Now()
		p, err := start(k.dir, k.env, "compact", "--bucket", k.bucket)
		if err != nil {
			k.t.Error(err)
			return
		}
		if random.IntN(4) > 0 {
			p.live(over, random, 0, took)
		} else {
			<-p.ended
		}
		select {
		case <-p.ended:
			took = time.Since(began)
			k.compactorsEnded++
			if p.err != nil {
				k.t.Errorf("a compactor ended with %v", p.err)
			}
		default:
			k.compactors++
		}
		k.crash("compactor", p)
		if random.IntN(16) == 0 {
			k.verify()
		}
	}
}

// read reads one stream after the other, in which everything must be that was
// acknowledged before.
func (k *killing) read(over context.Context, random *rand.Rand) {
	for over.Err() == nil {
		s := k.serving.Load()
		stream := []string{contested, "own-w0", "stream-0", "stream-1", "stream-2"}[random.IntN(5)]
		k.history.mu.Lock()
		acked := k.history.streams[stream]
		k.history.mu.Unlock()
		var all []stored
		err := fault.New(fault.Unavailable, "no server yet")
		if s.client != nil {
			all, err = events(over, s.client, stream)
		}
		switch {
		case fault.Is(err, fault.Unavailable):
			select {
			case <-s.next:
			case <-over.Done():
			}
			continue
		case err != nil:
			k.t.Errorf("query: %v (%s)", err, fault.KindOf(err))
			return
		}
		k.queries++
		found := gapless(k.t, all)
		for _, e := range acked {
			if found[e.ID] != asStored(e) {
				k.t.Errorf("event %v was acknowledged, and a later query shows %v", e, found[e.ID])
			}
		}
	}
}

// verify has firn verify find no fault, and no warning.
func (k *killing) verify() {
	k.t.Helper()
	out, err := exec.Command("firn", "verify", "--bucket", k.bucket).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("warning")) {
		k.t.Errorf("verify: %v: %s", err, out)
	}
}

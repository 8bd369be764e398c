package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/store/storetest"
)

// seeded returns a source of random numbers whose seed a failure shows.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// fork returns a source of random numbers of its own.
func fork(random *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }

func newWriters(n int, h *history, random *rand.Rand) []*writer {
	var all []*writer
	for i := range n {
		all = append(all, &writer{name: fmt.Sprintf("w%d", i), history: h, random: fork(random)})
	}
	return all
}

// launch starts a server on a bucket for the time of the test.
func launch(t *testing.T, bucket string) (*process, *client.Client) {
	t.Helper()
	p, err := startServer(t.TempDir(), os.Environ(), "--bucket", bucket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	c, err := client.New(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

func createInstance(t *testing.T, c *client.Client, shards int) {
	t.Helper()
	if _, err := c.CreateInstance(t.Context(), client.Spec{ID: testInstance, Shards: shards}); err != nil {
		t.Fatal(err)
	}
}

func compact(t *testing.T, bucket string) {
	t.Helper()
	if out, err := exec.Command("firn", "compact", "--bucket", bucket).CombinedOutput(); err != nil {
		t.Fatalf("compact: %v: %s", err, out)
	}
}

// TestStoppedWhileLoading asks the server again and again to stop while it takes
// events in, which it must do without an error, and without leaving anything
// open.
func TestStoppedWhileLoading(t *testing.T) {
	const forEver = 1 << 30
	bucket, h, random := "file://"+t.TempDir(), newHistory(), seeded(t)
	all := newWriters(6, h, random)
	for round := range 2 {
		p, c := launch(t, bucket)
		if round == 0 {
			createInstance(t, c, 2)
		}
		for len(h.acks) > 0 { // of the round before
			<-h.acks
		}
		written := make(chan struct{})
		go func() {
			defer close(written)
			runWriters(t, all, []*client.Client{c}, forEver)
		}()
		for range 1 + random.IntN(150) {
			select {
			case <-h.acks:
			case <-written:
				p.kill()
				t.Fatalf("round %d: all writers gave up: %s", round, p.stderr.Bytes())
			}
		}
		if err := p.stop(); err != nil {
			t.Errorf("the server ended with %v: %s", err, p.stderr.Bytes())
		}
		<-written
	}
	_, c := launch(t, bucket)
	runWriters(t, all, []*client.Client{c}, 1) // settles what is open
	h.checkAll(t, c, all)
}

// TestTwoServersOnOneFolder has two processes append to the same streams.
func TestTwoServersOnOneFolder(t *testing.T) {
	appendFromTwo(t, "file://"+t.TempDir(), 40)
}

// TestTwoServersOnS3 does so on an S3 server.
func TestTwoServersOnS3(t *testing.T) {
	appendFromTwo(t, storetest.StartS3(t).URL("firn/events"), 10)
}

func appendFromTwo(t *testing.T, bucket string, batches int) {
	h, random := newHistory(), seeded(t)
	_, one := launch(t, bucket)
	_, two := launch(t, bucket)
	createInstance(t, one, 2)
	all := newWriters(6, h, random)
	runWriters(t, all, []*client.Client{one, two}, batches)
	for _, w := range all {
		if w.n != batches {
			t.Errorf("writer %s has made %d batches, want %d", w.name, w.n, batches)
		}
	}
	h.checkAll(t, one, all)
	compact(t, bucket)
	h.checkAll(t, two, all)
}

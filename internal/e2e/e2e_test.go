// Package e2e holds tests of Firn's promises end to end, under the faults that
// real stores and the way to them have: bad connections to a real S3 server, a
// store that is gone for a while, full and read-only folders. Its tests are all
// there is to it.
package e2e

import (
	"math/rand/v2"
	"testing"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
)

// instance is the one that all tests append to.
const instance = "log"

// seeded returns a source of random numbers whose seed a failure shows.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// open opens a bucket as another process would: with connections of its own.
func open(t *testing.T, bucket string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// create makes the instance in a bucket.
func create(t *testing.T, bucket string, shards int) {
	t.Helper()
	log := commitlog.Open(open(t, bucket))
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: instance, Shards: shards}); err != nil {
		t.Fatal(err)
	}
}

// mustAppend appends a batch, which must succeed.
func mustAppend(t *testing.T, log *commitlog.Log, b commitlog.Batch) commitlog.Receipt {
	t.Helper()
	r, err := log.Append(t.Context(), instance, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

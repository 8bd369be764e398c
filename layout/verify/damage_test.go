package verify_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

func TestFlippedBytesAreFoundInEveryFormOfObject(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := filled(t)
	for _, form := range forms {
		keys := b.live(form)
		for range 12 {
			key := keys[rng.IntN(len(keys))]
			body := b.get(key)
			at := rng.IntN(len(body))
			was := body[at]
			body[at] ^= byte(1 + rng.IntN(255))
			b.put(key, body)
			r := b.verify(verify.Options{Instance: "plain"})
			if !mentions(r, key) {
				t.Errorf("byte %d of %d of %s: %#x became %#x, and nobody notices:\n%s", at, len(body), key, was, body[at], text(r))
			}
			body[at] = was
			b.put(key, body)
		}
	}
	b.mustBeClean()
}

func mentions(r *verify.Report, key string) bool {
	for _, f := range r.Faults {
		if f.Key == key {
			return true
		}
	}
	return false
}

func TestTruncatedObjectsAreFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	b := filled(t)
	for _, form := range forms {
		for range 3 {
			keys := b.live(form)
			key := keys[rng.IntN(len(keys))]
			body := b.get(key)
			b.put(key, body[:rng.IntN(len(body))])
			if r := b.verify(verify.Options{Instance: "plain"}); !mentions(r, key) {
				t.Errorf("%s was cut, and nobody notices:\n%s", key, text(r))
			}
			b.put(key, body)
		}
	}
}

// The bloom filter of a row group that is not the last lies where no checksum
// reaches.
func TestFlippedBitsInBloomFiltersAreFound(t *testing.T) {
	b := bucket{t, store.NewMemory()}
	b.create("plain", 1, 0)
	noon := event.ToMicros(time.Now().Truncate(24 * time.Hour))
	for n := range 2 {
		var many commitlog.Batch
		for i := range 35_000 {
			many.Events = append(many.Events, event.Event{Stream: fmt.Sprint(n, "-", i%5000), Type: "t", Time: noon, Payload: []byte("1"), Metadata: []byte("{}")})
		}
		b.append(b.log(), "plain", many)
	}
	b.compact("plain")
	b.mustBeClean()
	key := b.live("/data/")[0]
	body := b.get(key)
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	b.must(err)
	groups := f.Metadata().RowGroups
	if len(groups) < 2 {
		t.Fatal("the file has one row group")
	}
	m := groups[0].Columns[0].MetaData
	for _, at := range []int64{m.BloomFilterOffset, m.BloomFilterOffset + int64(m.BloomFilterLength)/2, m.BloomFilterOffset + int64(m.BloomFilterLength) - 1} {
		body[at] ^= 4
		b.put(key, body)
		if r := b.verify(verify.Options{}); !mentions(r, key) {
			t.Errorf("byte %d of a bloom filter was changed, and nobody notices:\n%s", at, text(r))
		}
		body[at] ^= 4
	}
}

// Headers of pages, which checksums leave out, are found as pages are.
func TestFlippedBitsInADataFileAreFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := bucket{t, store.NewMemory()}
	b.create("plain", 1, 0)
	b.append(b.log(), "plain", batch(rng, 120, 1))
	b.compact("plain")
	key := b.live("/data/")[0]
	body := b.get(key)
	for at := rng.IntN(11); at < len(body); at += 11 {
		bit := byte(1) << rng.IntN(8)
		body[at] ^= bit
		b.put(key, body)
		if r := b.verify(verify.Options{}); !mentions(r, key) {
			t.Errorf("byte %d of %d: bit %#x was flipped, and nobody notices", at, len(body), bit)
		}
		body[at] ^= bit
	}
}

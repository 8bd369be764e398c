package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/codec"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/footer"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

// Head is where a stream stands: an entry of a run of heads, sorted by stream.
type Head struct {
	Stream   string `parquet:"stream_id,delta"`
	Sequence int64  `parquet:"sequence_number"`
}

// Key is a used idempotency key and what was stored under it: an entry of a run
// of keys, sorted by key.
type Key struct {
	Key      string       `parquet:"key,delta"`
	Hash     string       `parquet:"hash"`     // of the request
	Position int64        `parquet:"position"` // of the commit
	Ordinal  int32        `parquet:"ordinal"`  // of the first event in the commit
	Count    int32        `parquet:"count"`    // of events
	Time     event.Micros `parquet:"time"`     // of the commit
}

// Name returns what runs of heads are sorted and cut by.
func (h Head) Name() string { return h.Stream }

// Name returns what runs of keys are sorted and cut by.
func (k Key) Name() string { return k.Key }

// Entry is what runs hold.
type Entry interface {
	Head | Key
	Name() string
}

// PartRows is how many entries a run has at most in one part. A larger one is cut,
// so that a writer who knows nothing reads, of a million streams, only the part
// that its stream is in. The simulation cuts runs of a few.
var PartRows int64 = 8_192

// maxParts bounds a run's parts, since a snapshot lists all that it drops.
const maxParts = 1_024

// PartsFor returns into how many parts a run of so many entries is cut: a power
// of two.
func PartsFor(rows int64) int {
	if rows <= PartRows {
		return 1
	}
	return min(maxParts, 1<<bits.Len64(uint64((rows-1)/PartRows)))
}

// PartOf returns the part of several that a name belongs in: the first bits of its
// hash are the part's number.
func PartOf(name string, parts int) int {
	return int(xxhash.Sum64String(name) >> 1 >> (63 - bits.TrailingZeros(uint(parts))))
}

// Count returns the number of the run's objects.
func (r Run) Count() int { return max(1, r.Parts) }

// Object returns the key of a part.
func (r Run) Object(part int) string {
	if r.Count() == 1 {
		return r.Key
	}
	return layout.RunPart(r.Key, part)
}

// Objects returns the keys of all parts.
func (r Run) Objects() []string {
	keys := make([]string, r.Count())
	for i := range keys {
		keys[i] = r.Object(i)
	}
	return keys
}

// metaKey is the footer's key for the object's own key in the bucket.
const metaKey = "firn.key"

// EncodeRun returns the sealed Parquet file of sorted entries that is to stand at
// key: a run, or one of its parts.
func EncodeRun[T Entry](key string, entries []T) ([]byte, error) {
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[T](&buf, parquet.CreatedBy("firn", "1", ""),
		parquet.Compression(codec.Zstd),
		parquet.KeyValueMetadata("firn.format", "1"), parquet.KeyValueMetadata(metaKey, key), parquet.KeyValueMetadata("firn.~seal", seal.Blank))
	if _, err := w.Write(entries); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	seal.Seal(buf.Bytes())
	return buf.Bytes(), nil
}

// ReadRun returns the entries of a part of a run.
func ReadRun[T Entry](ctx context.Context, s store.Store, r Run, part int) ([]T, error) {
	key := r.Object(part)
	body, _, err := store.ReadAll(ctx, s, key)
	if err != nil {
		return nil, err
	}
	entries, own, err := decodeRun[T](body)
	if err != nil {
		return nil, fault.Wrap(err, "%s", key)
	}
	return entries, seal.At(key, own)
}

// decodeRun returns the entries of an object of a run and the key that it bears.
func decodeRun[T Entry](body []byte) (entries []T, own string, err error) {
	defer func() {
		if p := recover(); p != nil { // the Parquet library's, over what nobody of ours wrote
			err = fault.New(fault.Corrupt, "the run cannot be read: %v", p)
		}
	}()
	if err := seal.Check(body); err != nil {
		return nil, "", err
	}
	if err := footer.Check(bytes.NewReader(body), int64(len(body))); err != nil {
		return nil, "", fault.New(fault.Corrupt, "the run cannot be read: %w", err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, "", fault.New(fault.Corrupt, "the run cannot be read: %w", err)
	}
	own, _ = f.Lookup(metaKey)
	r := parquet.NewGenericReader[T](f)
	defer r.Close()
	entries, err = readEntries(r)
	return entries, own, err
}

// readEntries reads all entries, some at a time: that there are as many as the
// footer says is only known once they are read.
func readEntries[T Entry](r *parquet.GenericReader[T]) (entries []T, err error) {
	rows := int(r.NumRows())
	for len(entries) < rows && err == nil {
		some := min(rows-len(entries), 8_192)
		entries = slices.Grow(entries, some)
		var n int
		n, err = r.Read(entries[len(entries) : len(entries)+some])
		entries = entries[:len(entries)+n]
	}
	if err != nil && !errors.Is(err, io.EOF) || len(entries) != rows {
		return nil, fault.New(fault.Corrupt, "the run holds %d of %d entries: %w", len(entries), rows, err)
	}
	return entries, nil
}

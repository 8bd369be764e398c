package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
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

// metaKey is the footer's key for the run's own key in the bucket.
const metaKey = "firn.key"

// EncodeRun returns the sealed Parquet file of sorted entries that is to stand at
// key.
func EncodeRun[T Head | Key](key string, entries []T) ([]byte, error) {
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[T](&buf, parquet.CreatedBy("firn", "1", ""),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
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

// ReadRun returns the entries of a run.
func ReadRun[T Head | Key](ctx context.Context, s store.Store, r Run) ([]T, error) {
	body, _, err := store.ReadAll(ctx, s, r.Key)
	if err != nil {
		return nil, err
	}
	entries, own, err := decodeRun[T](body)
	if err != nil {
		return nil, fault.Wrap(err, "%s", r.Key)
	}
	return entries, seal.At(r.Key, own)
}

// decodeRun returns the entries of a run and the key that it bears.
func decodeRun[T Head | Key](body []byte) (entries []T, own string, err error) {
	if err := seal.Check(body); err != nil {
		return nil, "", err
	}
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, "", fault.New(fault.Corrupt, "the run cannot be read: %w", err)
	}
	own, _ = f.Lookup(metaKey)
	r := parquet.NewGenericReader[T](f)
	defer r.Close()
	entries = make([]T, r.NumRows())
	n, err := r.Read(entries)
	if err != nil && !errors.Is(err, io.EOF) || n != len(entries) {
		return nil, "", fault.New(fault.Corrupt, "the run holds %d of %d entries: %w", n, len(entries), err)
	}
	return entries, own, nil
}

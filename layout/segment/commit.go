package segment

import (
	"bytes"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
)

// sealKey holds the seal of a commit. Footers are sorted by key, so that it
// comes behind every other key that a commit uses.
const sealKey = "firn.~seal"

// commitDictionary bounds a dictionary of a commit, in bytes; what comes behind
// is written plainly.
const commitDictionary = 1 << 20

// Encode returns the sealed file of a commit: events in append order, with meta
// in its footer. Meta's keys must sort before "firn.~".
func Encode(events []event.Event, meta map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	sealed := map[string]string{sealKey: seal.Blank}
	for k, v := range meta {
		sealed[k] = v
	}
	size := 0
	for i := range events {
		size += events[i].Size()
	}
	// Buffers of a page are made beforehand, and most commits are small. The
	// writer itself is made anew: one that is reset loses the names of columns.
	w := newWriter(&buf, commitSchema, nil, sealed,
		parquet.DictionaryMaxBytes(commitDictionary),
		parquet.PageBufferSize(min(max(size, 4<<10), parquet.DefaultPageBufferSize)),
		parquet.WriteBufferSize(0))
	if err := w.Write(events); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	body := buf.Bytes()
	seal.Seal(body)
	return body, nil
}

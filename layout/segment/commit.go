package segment

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
)

// sealKey holds the seal of a commit. Footers are sorted by key, so that it
// comes behind every other key that a commit uses.
const sealKey = "firn.~seal"

// commitDictionary bounds a dictionary of a commit, in bytes; what comes behind
// is written plainly.
const commitDictionary = 1 << 20

// commitCodec is Snappy in the hands of S2's fast encoder: a commit is read a few
// times within minutes, and then lies there for a day. Beside zstd, writing an
// event takes half the time, and half as many bytes again.
type commitCodec struct{ snappy.Codec }

// Encode implements compress.Codec.
func (*commitCodec) Encode(dst, src []byte) ([]byte, error) {
	return s2.EncodeSnappy(dst[:cap(dst)], src), nil
}

// buffers are those that commits are encoded into. A commit itself is copied out
// of its buffer, since it stays in memory for long and must not take more than it
// needs.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxBuffer bounds the buffers that are kept.
const maxBuffer = 8 << 20

// plainStreams is the schema of a commit without a dictionary of streams.
var plainStreams = func() *parquet.Schema {
	root := ordered{Node: commitSchema}
	for _, c := range commitSchema.Fields() {
		if c.Name() == Stream.String() {
			c = encoded(c, &parquet.Plain)
		}
		root.fields = append(root.fields, c)
	}
	return parquet.NewSchema(commitSchema.Name(), root)
}()

// Encode returns the sealed file of a commit: events in append order, of so many
// different streams, with meta in its footer. Meta's keys must sort before "firn.~".
func Encode(events []event.Event, streams int, meta map[string]string) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxBuffer {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	sealed := map[string]string{sealKey: seal.Blank}
	for k, v := range meta {
		sealed[k] = v
	}
	size := 0
	for i := range events {
		size += events[i].Size()
	}
	schema := commitSchema
	if 2*streams > len(events) { // few names come again: a dictionary would cost more than it saves
		schema = plainStreams
	}
	// Buffers of a page are made beforehand, and most commits are small. The
	// writer itself is made anew: one that is reset loses the names of columns.
	w := newWriter(buf, schema, &Plan{}, sealed,
		parquet.DictionaryMaxBytes(commitDictionary),
		parquet.Compression(&commitCodec{}),
		parquet.PageBufferSize(min(max(size, 4<<10), parquet.DefaultPageBufferSize)),
		parquet.WriteBufferSize(0))
	w.values = make([]parquet.Value, 0, min(len(events), chunkRows))
	if err := w.Write(events); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	body := bytes.Clone(buf.Bytes())
	seal.Seal(body)
	return body, nil
}

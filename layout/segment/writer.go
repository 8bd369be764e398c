package segment

import (
	"bytes"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
)

// sealKey holds the seal of a commit. Footers are sorted by key, so that it
// comes behind every other key that a commit uses.
const sealKey = "firn.~seal"

// GroupRows bounds the rows of a row group: the unit in which files are pruned
// and read, and so what a reader holds in memory at once.
const GroupRows = 64 << 10

// groupBytes bounds a row group of large events in the same way.
const groupBytes = 64 << 20

// Writer writes one event file. Rows must come in the order that the file is
// to have.
type Writer struct {
	w       *parquet.GenericWriter[row]
	rows    []row
	pending int   // rows since the last row group was cut
	bytes   int64 // their size in memory
}

// NewWriter starts a file on w. Sorted declares in the footer that rows come by
// stream and sequence, and makes the writer add a bloom filter for streams.
// Meta becomes key-value metadata of the footer.
func NewWriter(w io.Writer, sorted bool, meta map[string]string) *Writer {
	opts := []parquet.WriterOption{
		schema,
		parquet.CreatedBy("firn", "1", ""),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.DictionaryMaxBytes(1 << 20),
		parquet.SkipPageBounds("payload"),
		parquet.SkipPageBounds("metadata"),
	}
	if sorted {
		opts = append(opts,
			parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("stream_id"), parquet.Ascending("sequence_number"))),
			parquet.BloomFilters(parquet.SplitBlockFilter(10, "stream_id")))
	}
	for k, v := range meta {
		opts = append(opts, parquet.KeyValueMetadata(k, v))
	}
	return &Writer{w: parquet.NewGenericWriter[row](w, opts...)}
}

// Write appends events. It does not keep them.
func (w *Writer) Write(events []event.Event) error {
	for len(events) > 0 {
		n := min(len(events), GroupRows-w.pending, 1024)
		w.rows = w.rows[:0]
		for i := range events[:n] {
			w.rows = append(w.rows, toRow(&events[i]))
			w.bytes += int64(events[i].Size())
		}
		if _, err := w.w.Write(w.rows); err != nil {
			return err
		}
		w.pending += n
		events = events[n:]
		if w.pending == GroupRows || w.bytes >= groupBytes {
			if err := w.Cut(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Cut ends the current row group, if it has rows.
func (w *Writer) Cut() error {
	if w.pending == 0 {
		return nil
	}
	w.pending, w.bytes = 0, 0
	return w.w.Flush()
}

// Close writes the footer. It does not close the underlying writer.
func (w *Writer) Close() error { return w.w.Close() }

// Encode returns the sealed file of a commit: events in append order, with meta
// in its footer. Meta's keys must sort before "firn.~".
func Encode(events []event.Event, meta map[string]string) ([]byte, error) {
	var buf bytes.Buffer
	sealed := map[string]string{sealKey: seal.Blank}
	for k, v := range meta {
		sealed[k] = v
	}
	w := NewWriter(&buf, false, sealed)
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

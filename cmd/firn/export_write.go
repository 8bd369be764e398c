package main

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// eventWriter writes events in one of the formats. Close ends the format, not
// the file.
type eventWriter interface {
	write(*record) error
	close() error
}

func newEventWriter(format string, w io.Writer) eventWriter {
	switch format {
	case formatCSV:
		return &csvWriter{w: csv.NewWriter(w)}
	case formatParquet:
		return newParquetWriter(w)
	}
	return &ndjsonWriter{w: w}
}

type ndjsonWriter struct {
	w    io.Writer
	line []byte // scratch
}

func (n *ndjsonWriter) write(e *record) (err error) {
	if n.line, err = e.appendLine(n.line[:0]); err != nil {
		return err
	}
	_, err = n.w.Write(n.line)
	return err
}

func (n *ndjsonWriter) close() error { return nil }

// csvHeader are the columns of CSV. Tags, payload and metadata are JSON.
var csvHeader = []string{"stream_id", "event_type", "timestamp", "id", "tags", "payload", "metadata", "sequence_number", "ingested_at"}

// csvWriter writes RFC 4180 with lines that end in a line feed alone.
type csvWriter struct {
	w     *csv.Writer
	begun bool
}

func (c *csvWriter) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	return c.w.Write(csvHeader)
}

func (c *csvWriter) write(e *record) error {
	if err := c.begin(); err != nil {
		return err
	}
	tags := ""
	if len(e.Tags) > 0 {
		text, err := appendTags(nil, e.Tags)
		if err != nil {
			return err
		}
		tags = string(text)
	}
	return c.w.Write([]string{e.Stream, e.Type, e.Time, e.ID, tags, string(e.Payload), string(e.Metadata),
		strconv.FormatInt(e.Sequence, 10), e.Ingested})
}

func (c *csvWriter) close() error {
	if err := c.begin(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

// parquetRow is an event in Parquet: the columns of Firn's own files that mean
// something outside the log (FORMAT.md).
type parquetRow struct {
	Stream   string   `parquet:"stream_id,dict"`
	Type     string   `parquet:"event_type,dict"`
	Sequence int64    `parquet:"sequence_number,delta"`
	Time     int64    `parquet:"timestamp,timestamp(microsecond:utc),delta"`
	Ingested int64    `parquet:"ingested_at,timestamp(microsecond:utc),delta"`
	ID       string   `parquet:"event_id"`
	Tags     []string `parquet:"tags,list" parquet-element:",dict"`
	Payload  []byte   `parquet:"payload,json"`
	Metadata []byte   `parquet:"metadata,json,dict"`
}

// A row group ends after so many events or bytes of documents: it is held in
// memory until then.
const (
	exportGroupRows  = 64 << 10
	exportGroupBytes = 64 << 20
)

// exportChunk is how many events are handed to the Parquet library at once,
// which for single ones takes several times as long.
const exportChunk = 512

type parquetWriter struct {
	w           *parquet.GenericWriter[parquetRow]
	chunk       []parquetRow
	rows, bytes int // of the row group
}

func newParquetWriter(w io.Writer) *parquetWriter {
	return &parquetWriter{w: parquet.NewGenericWriter[parquetRow](w,
		parquet.CreatedBy("firn", "1", ""), parquet.Compression(&parquet.Zstd),
		parquet.SkipPageBounds("payload"), parquet.SkipPageBounds("metadata"))}
}

func (p *parquetWriter) write(e *record) error {
	row := parquetRow{Stream: e.Stream, Type: e.Type, Sequence: e.Sequence, ID: e.ID, Tags: e.Tags, Payload: e.Payload, Metadata: e.Metadata}
	happened, err := event.ParseTime(e.Time)
	if err != nil {
		return fault.Wrap(err, "an event of the answer")
	}
	ingested, err := event.ParseTime(e.Ingested)
	if err != nil {
		return fault.Wrap(err, "an event of the answer")
	}
	row.Time, row.Ingested = int64(happened), int64(ingested)
	p.chunk = append(p.chunk, row)
	p.rows, p.bytes = p.rows+1, p.bytes+len(row.Payload)+len(row.Metadata)
	full := p.rows == exportGroupRows || p.bytes >= exportGroupBytes
	if full || len(p.chunk) == exportChunk {
		if err := p.writeChunk(); err != nil {
			return err
		}
	}
	if !full {
		return nil
	}
	p.rows, p.bytes = 0, 0
	return p.w.Flush()
}

func (p *parquetWriter) writeChunk() error {
	_, err := p.w.Write(p.chunk)
	clear(p.chunk) // else it would keep the documents
	p.chunk = p.chunk[:0]
	return err
}

func (p *parquetWriter) close() error {
	if err := p.writeChunk(); err != nil {
		return err
	}
	return p.w.Close()
}

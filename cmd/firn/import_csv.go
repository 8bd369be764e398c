package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// requiredColumns are those that files with columns must have.
var requiredColumns = []string{"stream_id", "event_type", "timestamp", "payload"}

// importColumns are all columns that import reads.
var importColumns = append(slices.Clone(requiredColumns), "id", "event_id", "tags", "metadata")

// checkColumns says which columns a file lacks or has twice, and returns those
// that import does not know.
func checkColumns(file string, names []string) (unknown []string, err error) {
	for _, want := range requiredColumns {
		if !slices.Contains(names, want) {
			return nil, fault.New(fault.Invalid, "%s: there is no column %s; it has %s", file, want, strings.Join(names, ", "))
		}
	}
	if slices.Contains(names, "id") && slices.Contains(names, "event_id") {
		return nil, fault.New(fault.Invalid, "%s: the columns id and event_id mean the same: leave one out", file)
	}
	for i, name := range names {
		switch {
		case !slices.Contains(importColumns, name):
			unknown = append(unknown, name)
		case slices.Contains(names[:i], name):
			return nil, fault.New(fault.Invalid, "%s: the column %s is there twice", file, name)
		}
	}
	return unknown, nil
}

// noteUnknown tells of columns that are left out, once a file and not of those
// that Firn itself writes.
func (r *importRun) noteUnknown(file string, names []string) {
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool {
		return slices.Contains([]string{"sequence_number", "ingested_at", "position", "ordinal", "fields"}, n)
	})
	if len(names) > 0 && !r.checked {
		r.bar.clear()
		r.app.note("%s: left out are the columns %s", file, strings.Join(names, ", "))
	}
}

// csvSource reads CSV with a header.
type csvSource struct {
	in      *input
	bound   *recordBound
	reader  *csv.Reader
	columns []string
	at      int    // the line of the record read last
	line    []byte // scratch
}

func newCSVSource(in *input, r *importRun) (*csvSource, error) {
	c := &csvSource{in: in, bound: &recordBound{Reader: in}}
	c.reader = csv.NewReader(c.bound)
	c.reader.ReuseRecord = true
	header, _, err := c.read()
	if err == io.EOF {
		return nil, fault.New(fault.Invalid, "%s: the file is empty: CSV begins with a line of the columns' names", in.name)
	}
	if err != nil {
		return nil, err
	}
	c.columns = slices.Clone(header)
	c.columns[0] = strings.TrimPrefix(c.columns[0], "\ufeff") // of spreadsheets
	unknown, err := checkColumns(in.name, c.columns)
	r.noteUnknown(in.name, unknown)
	return c, err
}

func (c *csvSource) place() string { return c.in.name }
func (c *csvSource) close()        { c.in.close() }

// read returns the next record and the line that it begins in.
func (c *csvSource) read() ([]string, int, error) {
	c.bound.left = lineBytes
	cells, err := c.reader.Read()
	switch bad, ok := errors.AsType[*csv.ParseError](err); {
	case err == io.EOF:
		return nil, 0, err
	case ok && bad.Err == csv.ErrFieldCount:
		return nil, 0, inFile(c.in.name, bad.StartLine, fmt.Errorf("%d values, where the header has %d columns", len(cells), c.reader.FieldsPerRecord))
	case ok:
		return nil, 0, inFile(c.in.name, bad.Line, fmt.Errorf("not valid CSV: %w", bad.Err))
	case err != nil:
		return nil, 0, inFile(c.in.name, c.at+1, err)
	}
	c.at, _ = c.reader.FieldPos(0)
	return cells, c.at, nil
}

func (c *csvSource) next() ([]byte, int, error) {
	cells, at, err := c.read()
	if err != nil {
		return nil, 0, err
	}
	var e record
	for i, cell := range cells {
		if err := e.set(c.columns[i], cell); err != nil {
			return nil, 0, inFile(c.in.name, at, err)
		}
	}
	if c.line, err = e.appendLine(c.line[:0]); err != nil {
		return nil, 0, inFile(c.in.name, at, err)
	}
	return c.line, at, nil
}

// set sets a member to what a column says. An empty text is a member left out,
// except for the names, which must not be empty.
func (r *record) set(column, text string) error {
	switch column {
	case "stream_id":
		r.Stream = text
	case "event_type":
		r.Type = text
	case "timestamp":
		r.Time = text
	case "id", "event_id":
		r.ID = text
	case "tags":
		if text != "" && json.Unmarshal([]byte(text), &r.Tags) != nil {
			return fault.New(fault.Invalid, "tags: %q is no JSON list of strings, such as [\"a\",\"b\"]", excerpt(text))
		}
	case "payload":
		return document(column, text, &r.Payload)
	case "metadata":
		return document(column, text, &r.Metadata)
	}
	return nil
}

// document takes a text for a document if it is one value of JSON: anything else
// could put members into the event.
func document(column, text string, to *json.RawMessage) error {
	if text == "" {
		return nil
	}
	if !json.Valid([]byte(text)) {
		return fault.New(fault.Invalid, "%s: %q is not valid JSON; a text is written in double quotes", column, excerpt(text))
	}
	*to = json.RawMessage(text)
	return nil
}

// excerpt cuts a text for use in a message.
func excerpt(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// recordBound bounds what is read for one record: a quotation mark that is never
// closed would else bring the rest of the file into memory.
type recordBound struct {
	io.Reader
	left int
}

// Read implements [io.Reader].
func (b *recordBound) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a record has more than %d bytes: is a quotation mark not closed?", lineBytes)
	}
	n, err := b.Reader.Read(p)
	b.left -= n
	return n, err
}

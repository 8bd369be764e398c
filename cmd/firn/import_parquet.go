package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/footer"
)

// parquetSource reads Parquet, of Firn or not: only the columns that import
// knows, a page of each at a time.
type parquetSource struct {
	name    string
	file    *os.File
	groups  []parquet.RowGroup // still to be read
	columns []*parquetColumn
	left    int64 // rows of the current group
	row     int   // rows read, and so the number of the one read last
	line    []byte
}

func openParquet(name string, r *importRun) (_ *parquetSource, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	p := &parquetSource{name: name, file: file}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	defer unreadable(name, &err)
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := footer.Check(file, info.Size()); err != nil {
		return nil, inFile(name, 0, fmt.Errorf("no Parquet that can be read: %w", err))
	}
	pq, err := parquet.OpenFile(&countingReaderAt{file, &r.read}, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, inFile(name, 0, fmt.Errorf("no Parquet that can be read: %w", err))
	}
	p.groups = pq.RowGroups()
	return p, p.choose(pq.Schema(), r)
}

// choose finds the columns and checks their types.
func (p *parquetSource) choose(schema *parquet.Schema, r *importRun) error {
	var names []string
	for _, field := range schema.Fields() {
		names = append(names, field.Name())
	}
	unknown, err := checkColumns(p.name, names)
	if err != nil {
		return err
	}
	r.noteUnknown(p.name, unknown)
	for _, path := range schema.Columns() {
		if !slices.Contains(importColumns, path[0]) {
			continue
		}
		leaf, _ := schema.Lookup(path...)
		c := &parquetColumn{name: path[0], leaf: leaf.ColumnIndex, list: leaf.MaxRepetitionLevel > 0}
		if c.text, err = reading(path, &leaf); err != nil {
			return inFile(p.name, 0, err)
		}
		p.columns = append(p.columns, c)
	}
	return nil
}

// reading returns how values of a column become text.
func reading(path []string, leaf *parquet.LeafColumn) (func(parquet.Value) string, error) {
	name, t := path[0], leaf.Node.Type()
	wrong := func(want string) error {
		what := t.String()
		if len(path) > 1 {
			what = "a group with " + strings.Join(path[1:], ".")
		} else if leaf.MaxRepetitionLevel > 0 {
			what = "a list of " + what
		}
		return fmt.Errorf("the column %s is %s, and must be %s", name, what, want)
	}
	text := t.Kind() == parquet.ByteArray
	switch {
	case name == "tags" && (!text || leaf.MaxRepetitionLevel > 1):
		return nil, wrong("a list of strings, or a string with a JSON list")
	case name == "tags":
	case name == "timestamp" && len(path) == 1 && leaf.MaxRepetitionLevel == 0 && t.Kind() == parquet.Int64 && t.LogicalType() != nil:
		if unit, ok := t.LogicalType().Value.(*format.TimestampType); ok {
			return timeReading(unit.Unit), nil
		}
		return nil, wrong("a timestamp, or a string with one")
	case name == "timestamp" && (!text || len(path) > 1 || leaf.MaxRepetitionLevel > 0):
		return nil, wrong("a timestamp, or a string with one")
	case (name == "payload" || name == "metadata") && (!text || len(path) > 1 || leaf.MaxRepetitionLevel > 0):
		return nil, wrong("JSON in a string or bytes")
	case !text || len(path) > 1 || leaf.MaxRepetitionLevel > 0:
		return nil, wrong("a string")
	}
	return func(v parquet.Value) string { return string(v.ByteArray()) }, nil
}

// beyond is a time in milliseconds that Firn does not take, and near enough to
// be written in microseconds.
const beyond = 400_000_000_000_000

// timeReading returns how a timestamp of a unit becomes text. What is below a
// microsecond is cut off, as Firn does everywhere.
func timeReading(unit format.TimeUnit) func(parquet.Value) string {
	micros := func(v int64) event.Micros { return event.Micros(v) }
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		micros = func(v int64) event.Micros { return event.Micros(1000 * max(min(v, beyond), -beyond)) }
	case *format.NanoSeconds:
		micros = func(v int64) event.Micros {
			q := v / 1000
			if v%1000 < 0 {
				q--
			}
			return event.Micros(q)
		}
	}
	return func(v parquet.Value) string { return micros(v.Int64()).String() }
}

func (p *parquetSource) place() string { return p.name + ":row" }

func (p *parquetSource) close() {
	for _, c := range p.columns {
		c.end()
	}
	p.file.Close()
}

func (p *parquetSource) next() (_ []byte, _ int, err error) {
	defer unreadable(fmt.Sprintf("%s:row:%d", p.name, p.row+1), &err)
	for p.left == 0 {
		if len(p.groups) == 0 {
			return nil, 0, io.EOF
		}
		chunks := p.groups[0].ColumnChunks()
		p.left, p.groups = p.groups[0].NumRows(), p.groups[1:]
		for _, c := range p.columns {
			c.begin(chunks[c.leaf])
		}
	}
	p.left--
	p.row++
	var e record
	for _, c := range p.columns {
		if err := c.read(&e); err != nil {
			return nil, 0, inFile(p.place(), p.row, err)
		}
	}
	if p.line, err = e.appendLine(p.line[:0]); err != nil {
		return nil, 0, inFile(p.place(), p.row, err)
	}
	return p.line, p.row, nil
}

// unreadable turns a panic of the Parquet library over damaged bytes into an error.
func unreadable(where string, err *error) {
	if v := recover(); v != nil {
		*err = fault.New(fault.Invalid, "%s: no Parquet that can be read: %v", where, v)
	}
}

// parquetColumn reads a column of one row group after the other.
type parquetColumn struct {
	name string
	leaf int
	list bool
	text func(parquet.Value) string

	pages  parquet.Pages
	values parquet.ValueReader // of the current page
	some   [256]parquet.Value  // read and not yet used: some[at:n]
	at, n  int
}

func (c *parquetColumn) begin(chunk parquet.ColumnChunk) {
	c.end()
	c.pages, c.values, c.at, c.n = chunk.Pages(), nil, 0, 0
}

func (c *parquetColumn) end() {
	if c.pages != nil {
		c.pages.Close()
		c.pages = nil
	}
}

// peek returns the next value, [io.EOF] behind the last one of the row group.
func (c *parquetColumn) peek() (v parquet.Value, err error) {
	for c.at == c.n {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return v, err
			}
			c.values = page.Values()
		}
		c.at = 0
		if c.n, err = c.values.ReadValues(c.some[:]); err == io.EOF {
			c.values = nil
		} else if err != nil {
			return v, err
		}
	}
	return c.some[c.at], nil
}

// read sets the member of the event that the column's next row holds.
func (c *parquetColumn) read(e *record) error {
	v, err := c.peek()
	if err != nil {
		return fmt.Errorf("the column %s ends here, or cannot be read: %w", c.name, err)
	}
	c.at++
	if !c.list {
		if !v.IsNull() {
			return e.set(c.name, c.text(v))
		}
		return nil
	}
	for {
		if !v.IsNull() {
			e.Tags = append(e.Tags, c.text(v))
		}
		if v, err = c.peek(); err == io.EOF || err == nil && v.RepetitionLevel() == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the column %s cannot be read: %w", c.name, err)
		}
		c.at++
	}
}

// countingReaderAt counts what is read.
type countingReaderAt struct {
	io.ReaderAt
	n *atomic.Int64
}

// ReadAt implements [io.ReaderAt].
func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

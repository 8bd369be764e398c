package querier

import (
	"encoding/csv"
	"io"
)

// BatchWriter writes a streamed answer in some format.
type BatchWriter interface {
	Write(*Batch) error
	// Close ends the answer. Without it some formats show that they are cut off.
	Close() error
}

type ndjson struct {
	w    io.Writer
	line []byte
}

// NewNDJSON returns a writer of one JSON object a line.
func NewNDJSON(w io.Writer) BatchWriter { return &ndjson{w: w} }

func (n *ndjson) Write(b *Batch) error {
	n.line = n.line[:0]
	for i := range b.Rows() {
		row, err := b.JSON(i)
		if err != nil {
			return err
		}
		// What is shown as it was sent may hold line breaks between its parts.
		if err := row.Compact(compactly...); err != nil {
			return err
		}
		if n.line = append(append(n.line, row...), '\n'); len(n.line) > 64<<10 {
			if _, err := n.w.Write(n.line); err != nil {
				return err
			}
			n.line = n.line[:0]
		}
	}
	_, err := n.w.Write(n.line)
	return err
}

func (n *ndjson) Close() error { return nil }

type csvWriter struct {
	w     *csv.Writer
	begun bool
	cells []string
	row   []Value
}

// NewCSV returns a writer of comma-separated values by RFC 4180, with a line of
// the columns' names before them. What there is not, and null, is empty.
func NewCSV(w io.Writer) BatchWriter { return &csvWriter{w: csv.NewWriter(w)} }

func (c *csvWriter) Write(b *Batch) error {
	if !c.begun {
		c.begun = true
		c.cells, c.row = make([]string, len(b.Columns)), make([]Value, len(b.Columns))
		for i, col := range b.Columns {
			c.cells[i] = col.Name
		}
		if err := c.w.Write(c.cells); err != nil {
			return err
		}
	}
	for i := range b.Rows() {
		if err := b.Read(i, c.row); err != nil {
			return err
		}
		for j := range c.row {
			c.cells[j] = c.row[j].Text()
		}
		if err := c.w.Write(c.cells); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

func (c *csvWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

package main

import (
	"bufio"
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// table prints rows in aligned columns under a header. The widths follow the
// rows before the first flush, which it holds back; on a terminal the last
// column is cut at its edge.
type table struct {
	out    *bufio.Writer
	edge   int // width of the terminal, 0 for none
	rows   [][]string
	widths []int // set at the first flush
}

// widest bounds the width of a column but the last.
const widest = 60

func newTable(w io.Writer, header ...string) *table {
	upper := make([]string, len(header))
	for i, name := range header {
		upper[i] = strings.ToUpper(shown(name))
	}
	return &table{out: bufio.NewWriter(w), edge: terminal(w), rows: [][]string{upper}}
}

// add adds a row. Its text may come from outside.
func (t *table) add(cells ...string) error {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = shown(c)
	}
	if t.widths != nil {
		return t.write(row)
	}
	t.rows = append(t.rows, row)
	return nil
}

// flush prints what was added.
func (t *table) flush() error {
	if t.widths == nil {
		t.measure()
		for _, row := range t.rows {
			if err := t.write(row); err != nil {
				return err
			}
		}
		t.rows = nil
	}
	return t.out.Flush()
}

func (t *table) measure() {
	t.widths = make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, c := range row {
			t.widths[i] = min(widest, max(t.widths[i], uniseg.StringWidth(c)))
		}
	}
}

// write prints one row, without blanks at its end.
func (t *table) write(row []string) error {
	var line strings.Builder
	used := 0
	for i, c := range row {
		if i < len(row)-1 {
			line.WriteString(pad(c, t.widths[i]) + "  ")
			used += max(t.widths[i], uniseg.StringWidth(c)) + 2
			continue
		}
		if t.edge > 0 {
			c = cut(c, max(t.edge-used, 10))
		}
		line.WriteString(c)
	}
	_, err := t.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	return err
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-uniseg.StringWidth(s)))
}

// cut shortens a text to a width on the screen.
func cut(s string, width int) string {
	if uniseg.StringWidth(s) <= width {
		return s
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(s); g.Next() && used+g.Width() < width; {
		b.WriteString(g.Str())
		used += g.Width()
	}
	return b.String() + "…"
}

// pairs prints names and values below each other.
func pairs(w io.Writer, list ...string) error {
	t := &table{out: bufio.NewWriter(w), edge: terminal(w)}
	for i := 0; i+1 < len(list); i += 2 {
		if err := t.add(list[i], list[i+1]); err != nil {
			return err
		}
	}
	return t.flush()
}

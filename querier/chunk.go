package querier

import (
	"context"
	"maps"
	"slices"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// unit is a row group of a data file or of a commit: what is scanned at once.
// Its rows are counted from 0, whatever their places in the group are.
type unit struct {
	group  *segment.Group // nil for one that another process scanned, until it is read
	of     *source
	number int // of the row group
	shard  int
	file   bool            // of a data file; else of a commit, which is in memory
	mask   *commitlog.Mask // what is erased of it, nil for nothing
	sel    segment.Rows    // what page indexes leave of the group, nil for all
	kept   *chunk
}

// rows returns the number of rows.
func (u *unit) rows() int {
	if u.sel == nil {
		return u.group.Rows()
	}
	return u.sel.Count()
}

// chunk is a unit with the columns that were read of it so far. It is for one
// goroutine.
type chunk struct {
	*unit
	ctx     context.Context // reading and testing rows end with it
	stats   *counters
	have    segment.Columns
	parts   [segment.Metadata + 1]*segment.Batch // by column
	at      [segment.Metadata + 1][]int32        // by column: where its batch has each row; nil for the row's own number
	vectors map[string]*vector                   // of shredded fields, by path
	left    []int32                              // the rows that are still of interest, nil for all
}

// only returns a chunk of the same unit, and with what was read of it, of which no
// rows but those given are of interest.
func (c *chunk) only(rows []int32) *chunk {
	out := *c
	out.vectors, out.left = maps.Clone(c.vectors), rows
	return &out
}

// keep spares the columns of c a second reading for the page, as far as memory
// set aside for that goes.
func (r *run) keep(c *chunk) {
	if r.kept.Add(c.size()) <= keptBytes {
		c.unit.kept = c
	}
}

// lookRows is how many rows are gone through between two looks at whether the query
// is still wanted: those of a row group may take seconds.
const lookRows = 256

// wanted returns an error once the query is not wanted any more. It looks once in
// a while, by how many rows were gone through.
func (c *chunk) wanted(rows int) error {
	if rows%lookRows != 0 {
		return nil
	}
	return c.ctx.Err()
}

// load reads those of the columns, and of the shredded fields at paths, that are
// not there yet: for all rows, or where few are left for these alone.
func (c *chunk) load(cols segment.Columns, paths ...string) error {
	cols = c.whole(cols) &^ c.have
	paths = slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return c.vectors[p] != nil })
	if cols == 0 && len(paths) == 0 {
		return nil
	}
	b, at, err := c.read(cols, paths)
	if err != nil {
		return err
	}
	for _, col := range cols.List() {
		c.parts[col], c.at[col] = b, at
	}
	for _, p := range paths {
		if c.vectors == nil {
			c.vectors = map[string]*vector{}
		}
		c.vectors[p] = newVector(c.ctx, b.Field(p), at)
	}
	c.have |= cols
	return nil
}

// read reads columns, and tells where the batch has each row.
func (c *chunk) read(cols segment.Columns, paths []string) (*segment.Batch, []int32, error) {
	if c.file && c.left != nil && len(c.left)*fewRows < c.rows() {
		near := nearRows
		if cols&documentColumns == 0 {
			near = nearCodes
		}
		rows, at := c.sparse(c.left, near)
		b, err := c.group.ReadRows(rows, cols, paths)
		return b, at, err
	}
	if c.sel != nil {
		b, err := c.group.ReadRows(c.sel, cols, paths)
		return b, nil, err
	}
	b, err := c.group.ReadFields(cols, paths)
	return b, nil, err
}

// fewRows is which part of the rows at most is read alone. Two rows that are no
// farther apart than nearRows are read together: many single ones cost more than
// what lies between them. Of columns without texts of their own these are more.
const (
	fewRows   = 4
	nearRows  = 16
	nearCodes = 512
)

// documentColumns are those whose rows are long.
var documentColumns = segment.Set(segment.Payload, segment.Metadata)

// sparse returns where in the group some rows lie, and by row where a batch of
// these has it.
func (u *unit) sparse(rows []int32, near int) (segment.Rows, []int32) {
	sel := u.sel
	if sel == nil {
		sel = segment.Rows{{From: 0, To: u.group.Rows()}}
	}
	var out segment.Rows
	at := make([]int32, u.rows())
	n, first := int32(0), 0 // rows taken, and the number of the row that a range begins with
	for _, s := range sel {
		for len(rows) > 0 && int(rows[0])-first < s.To-s.From {
			row := s.From + int(rows[0]) - first
			from := row
			if last := len(out) - 1; last >= 0 && out[last].To >= s.From && row-out[last].To <= near {
				from = out[last].To
			}
			out = out.Add(segment.Range{From: from, To: row + 1})
			n += int32(row + 1 - from)
			at[rows[0]] = n - 1
			rows = rows[1:]
		}
		first += s.To - s.From
	}
	return out, at
}

// index returns where the batch of a column has a row.
func (c *chunk) index(col segment.Column, row int32) int {
	if at := c.at[col]; at != nil {
		return int(at[row])
	}
	return int(row)
}

// ints returns a column's numbers by row; where only some rows were read, the
// others hold any.
func (c *chunk) ints(col segment.Column) []int64 {
	values := c.parts[col].Ints(col)
	if c.at[col] == nil {
		return values
	}
	wide := make([]int64, len(c.at[col]))
	for row, at := range c.at[col] {
		wide[row] = values[at]
	}
	return wide
}

func (c *chunk) int(col segment.Column, row int32) int64 {
	return c.parts[col].Ints(col)[c.index(col, row)]
}

func (c *chunk) text(col segment.Column, row int32) string {
	if s, ok := c.redacted(col, row); ok {
		return s
	}
	return c.parts[col].Text(col, c.index(col, row))
}

// document returns the text of Payload or Metadata; that of no text at all is {}.
func (c *chunk) document(col segment.Column, row int32) string {
	if s := c.text(col, row); s != "" {
		return s
	}
	return "{}"
}

func (c *chunk) place(row int32) event.Place {
	return event.Place{Shard: c.shard, Position: c.int(segment.Position, row),
		Ordinal: c.parts[segment.Ordinal].Ordinals()[c.index(segment.Ordinal, row)]}
}

// id returns the id that clients see.
func (c *chunk) id(row int32) string {
	if s := c.text(segment.ID, row); s != "" {
		return s
	}
	return c.place(row).String()
}

func (c *chunk) tags(row int32) []string {
	return c.parts[segment.Tags].TagsAt(c.index(segment.Tags, row))
}

// value returns the value of a field that is not within JSON.
func (c *chunk) value(b base, row int32) Value {
	switch b {
	case baseID:
		return Text(c.id(row))
	case baseStream:
		return Text(c.text(segment.Stream, row))
	case baseType:
		return Text(c.text(segment.Type, row))
	case baseTime:
		return Value{kind: moment, n: c.int(segment.Time, row)}
	case baseIngested:
		return Value{kind: moment, n: c.int(segment.Ingested, row)}
	case baseSequence:
		return Number(c.int(segment.Sequence, row))
	case baseTags:
		if tags := c.tags(row); len(tags) > 0 {
			return Value{kind: array, s: string(appendList(nil, tags, appendQuoted))}
		}
	}
	return Value{}
}

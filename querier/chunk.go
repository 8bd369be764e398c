package querier

import (
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// unit is a row group of a data file or of a commit: what is scanned at once.
type unit struct {
	group *segment.Group
	shard int
	file  bool // of a data file; else of a commit, which is in memory
	kept  *chunk
}

// chunk is a unit with the columns that were read of it so far. It is for one
// goroutine.
type chunk struct {
	*unit
	stats *counters
	have  segment.Columns
	parts [segment.Metadata + 1]*segment.Batch // by column
}

// keep spares the columns of c a second reading for the page, as far as memory
// set aside for that goes.
func (r *run) keep(c *chunk) {
	var size int64
	for _, col := range c.have.List() {
		size += int64(c.parts[col].Column(col).Data().SizeInBytes())
	}
	if r.kept.Add(size) <= keptBytes {
		c.unit.kept = c
	}
}

// load reads those of the columns that are not there yet.
func (c *chunk) load(cols segment.Columns) error {
	cols &^= c.have
	if cols == 0 {
		return nil
	}
	b, err := c.group.Read(cols)
	if err != nil {
		return err
	}
	for _, col := range cols.List() {
		c.parts[col] = b
	}
	c.have |= cols
	if c.file {
		c.stats.bytesRead.Add(c.group.Bytes(cols))
	}
	return nil
}

func (c *chunk) ints(col segment.Column) []int64 { return c.parts[col].Ints(col) }

func (c *chunk) text(col segment.Column, row int32) string { return c.parts[col].Text(col, int(row)) }

// document returns the text of Payload or Metadata; that of no text at all is {}.
func (c *chunk) document(col segment.Column, row int32) string {
	if s := c.text(col, row); s != "" {
		return s
	}
	return "{}"
}

func (c *chunk) place(row int32) event.Place {
	return event.Place{Shard: c.shard, Position: c.ints(segment.Position)[row],
		Ordinal: c.parts[segment.Ordinal].Ordinals()[row]}
}

// id returns the id that clients see.
func (c *chunk) id(row int32) string {
	if s := c.text(segment.ID, row); s != "" {
		return s
	}
	return c.place(row).String()
}

func (c *chunk) tags(row int32) []string { return c.parts[segment.Tags].TagsAt(int(row)) }

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
		return Value{kind: moment, n: c.ints(segment.Time)[row]}
	case baseIngested:
		return Value{kind: moment, n: c.ints(segment.Ingested)[row]}
	case baseSequence:
		return Number(c.ints(segment.Sequence)[row])
	case baseTags:
		if tags := c.tags(row); len(tags) > 0 {
			return Value{kind: array, s: string(appendList(nil, tags, appendQuoted))}
		}
	}
	return Value{}
}

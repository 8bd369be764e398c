package querier

import (
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// projection is a list of fields to be read of rows together, so that each
// JSON document is walked once. It does not change once it is made.
type projection struct {
	instance string
	fields   []Field
	cols     segment.Columns
	tries    [2]*trie // of payload and metadata; nil where no field needs it
	slots    []int    // of each field within JSON: where a walk puts it
}

// documents are the columns of JSON, in the order of projection.tries.
var documents = [2]segment.Column{segment.Payload, segment.Metadata}

func newProjection(instance string, fields []Field) *projection {
	p := &projection{instance: instance, fields: fields, slots: make([]int, len(fields))}
	for i := range fields {
		f := &fields[i]
		p.cols |= f.columns()
		if !f.isJSON() {
			continue
		}
		d := 0
		if f.base == baseMetadata {
			d = 1
		}
		if p.tries[d] == nil {
			p.tries[d] = newTrie()
		}
		p.slots[i] = p.tries[d].add(f.path, i)
	}
	return p
}

// rowReader reads a projection's fields from the rows of a chunk, whose columns
// must be loaded. It is for one goroutine.
type rowReader struct {
	*projection
	c      *chunk
	walker walker
	found  []string
}

func (p *projection) reader(c *chunk) *rowReader {
	return &rowReader{projection: p, c: c, found: make([]string, len(p.fields))}
}

// read puts the fields' values into out. They share the chunk's memory.
func (r *rowReader) read(row int32, out []Value) error {
	if err := r.walk(row); err != nil {
		return err
	}
	for i := range r.fields {
		switch f := &r.fields[i]; {
		case f.isJSON():
			out[i] = parseValue(r.found[r.slots[i]])
		case f.base == baseInstance:
			out[i] = Text(r.instance)
		default:
			out[i] = r.c.value(f.base, row)
		}
	}
	return nil
}

// walk finds the fields within JSON and leaves their texts in found.
func (r *rowReader) walk(row int32) error {
	for d, t := range r.tries {
		if t == nil {
			continue
		}
		if err := r.walker.walk(t, r.c.document(documents[d], row), r.found); err != nil {
			return fault.New(fault.Corrupt, "the %s of an event in shard %d is not JSON: %w", documents[d], r.c.shard, err)
		}
	}
	return nil
}

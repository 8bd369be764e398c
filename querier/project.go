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
	needs    []need   // by field: what a column must tell to stand for the JSON
}

// documents are the columns of JSON, in the order of projection.tries.
var documents = [2]segment.Column{segment.Payload, segment.Metadata}

func newProjection(instance string, fields []Field) *projection {
	p := &projection{instance: instance, fields: fields, slots: make([]int, len(fields)), needs: make([]need, len(fields))}
	for i := range fields {
		p.needs[i] = needNull | needSpelling
		f := &fields[i]
		p.cols |= f.columns()
		if !f.isJSON() {
			continue
		}
		d := f.documentIndex()
		if p.tries[d] == nil {
			p.tries[d] = newTrie()
		}
		p.slots[i] = p.tries[d].add(f.path, i)
	}
	return p
}

// documentIndex returns which of documents a field is within.
func (f *Field) documentIndex() int {
	if f.base == baseMetadata {
		return 1
	}
	return 0
}

// ask sets what is needed of all fields.
func (p *projection) ask(n need) *projection {
	for i := range p.needs {
		p.needs[i] = n
	}
	return p
}

// sources returns what the fields are read from in a unit: columns of events,
// and the paths of shredded fields.
func (p *projection) sources(u *unit) (cols segment.Columns, paths []string) {
	for i := range p.fields {
		f := &p.fields[i]
		if u.shredded(f, p.needs[i]) {
			paths = append(paths, f.canonical())
		} else {
			cols |= f.columns()
		}
	}
	return cols, paths
}

// open loads what the fields are read from and returns their reader.
func (p *projection) open(c *chunk) (*rowReader, error) {
	cols, paths := p.sources(c.unit)
	if err := c.load(cols, paths...); err != nil {
		return nil, err
	}
	return p.reader(c), nil
}

// rowReader reads a projection's fields from the rows of a chunk, whose columns
// must be loaded. It is for one goroutine.
type rowReader struct {
	*projection
	c       *chunk
	vectors []*vector // by field; nil for one that is read otherwise
	tries   [2]*trie  // the projection's, or those of the fields that have no vector
	walker  walker
	found   []string
}

func (p *projection) reader(c *chunk) *rowReader {
	r := &rowReader{projection: p, c: c, tries: p.tries, vectors: make([]*vector, len(p.fields)), found: make([]string, len(p.fields))}
	shredded := false
	for i := range p.fields {
		r.vectors[i] = c.vector(&p.fields[i], p.needs[i])
		shredded = shredded || r.vectors[i] != nil && p.fields[i].isJSON()
	}
	if shredded {
		r.tries = r.unshredded()
	}
	return r
}

// unshredded returns tries of the fields within JSON that have no vector. Their
// slots are those of the projection.
func (r *rowReader) unshredded() (tries [2]*trie) {
	for i := range r.fields {
		f := &r.fields[i]
		if !f.isJSON() || r.vectors[i] != nil {
			continue
		}
		d := f.documentIndex()
		if tries[d] == nil {
			tries[d] = newTrie()
		}
		tries[d].add(f.path, r.slots[i])
	}
	return tries
}

// read puts the fields' values into out. They share the chunk's memory.
func (r *rowReader) read(row int32, out []Value) error {
	if err := r.walk(row); err != nil {
		return err
	}
	for i := range r.fields {
		switch f := &r.fields[i]; {
		case r.vectors[i] != nil:
			out[i] = r.vectors[i].value(row)
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

package segment

import (
	"bytes"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/event"
)

// shredder fills the columns of a file's fields, a chunk of rows at a time.
type shredder struct {
	docs   [2]scanner // of payload and metadata
	fields []*shredded
	hashed []*hashed
	texts  []byte // strings of the chunk that stand in no document, for their escapes
}

// shredded is a field being written.
type shredded struct {
	FieldInfo
	leaf   int             // of its column
	rows   []parquet.Value // of the chunk; null where nothing is set
	inPage int             // values since the last page ended
}

// newShredder makes a shredder of the fields and filters of a plan, whose columns are
// in schema.
func newShredder(p *Plan, schema *parquet.Schema) *shredder {
	s := &shredder{}
	for d := range s.docs {
		s.docs[d].root = &node{}
	}
	for _, f := range p.Filters {
		h := &hashed{FieldInfo: FieldInfo{Field: f}, leaf: leafOf(schema, f.filterPath())}
		s.node(&f).hashed = h
		s.hashed = append(s.hashed, h)
	}
	for _, f := range p.Fields {
		n := s.node(&f)
		n.field = &shredded{FieldInfo: FieldInfo{Field: f}, leaf: leafOf(schema, f.columnPath()), rows: make([]parquet.Value, chunkRows)}
		s.fields = append(s.fields, n.field)
	}
	return s
}

// node returns the place of a path in documents.
func (s *shredder) node(f *Field) *node {
	names := f.Names()
	n := s.docs[0].root
	if names[0] == Metadata.String() {
		n = s.docs[1].root
	}
	for _, name := range names[1:] {
		m := n.members[name]
		if m == nil {
			m = n.add(name)
		}
		n = m
	}
	return n
}

// reset forgets the chunk.
func (s *shredder) reset() {
	for _, f := range s.fields {
		clear(f.rows)
	}
	s.texts = s.texts[:0]
}

// shred takes in an event as a row of the chunk. It keeps the event's memory
// until the next reset.
func (s *shredder) shred(row int, e *event.Event) {
	for d, doc := range [2][]byte{e.Payload, e.Metadata} {
		sc := &s.docs[d]
		if sc.root.members == nil || len(doc) == 0 {
			continue
		}
		if !sc.scan(doc) {
			s.unreadable(sc.root)
			continue
		}
		for _, n := range sc.touched {
			switch {
			case n.field != nil && n.valid():
				s.set(n.field, row, n)
			case n.hashed != nil && n.valid():
				s.take(n.hashed, n)
			}
		}
	}
}

// unreadable counts what is no JSON against all fields below n, so that it is
// found when the JSON is read.
func (s *shredder) unreadable(n *node) {
	if n.field != nil {
		n.field.Residual++
	}
	if n.hashed != nil {
		n.hashed.Residual++
		n.hashed.blind = true
	}
	for _, m := range n.members {
		s.unreadable(m)
	}
}

// set puts the value of a path into the row, or counts why it cannot.
func (s *shredder) set(f *shredded, row int, n *node) {
	var v parquet.Value
	ok := false
	switch {
	case n.kind == 'n':
		f.Nulls++
		return
	case n.kind == '0' && f.Type == Int64:
		v, ok = f.int(n.raw)
	case n.kind == '0' && f.Type == Double:
		v, ok = f.double(n.raw)
	case n.kind == '"' && f.Type == String:
		v, ok = s.text(f, n.raw)
	case (n.kind == 't' || n.kind == 'f') && f.Type == Boolean:
		v, ok = parquet.BooleanValue(n.kind == 't'), true
	}
	if !ok {
		f.Residual++
		return
	}
	f.Values++
	f.inPage++
	f.rows[row] = v.Level(0, 1, f.leaf)
}

func (f *shredded) int(raw []byte) (parquet.Value, bool) {
	v := readNumber(raw)
	if v.whole {
		addTo(&f.Ints, v.n)
	}
	return parquet.Int64Value(v.n), v.whole
}

func (f *shredded) double(raw []byte) (parquet.Value, bool) {
	v := readNumber(raw)
	switch ok := true; {
	case v.overflow:
		return parquet.Value{}, false
	case v.whole:
		if v.f, ok = asFloat(v.n); !ok {
			return parquet.Value{}, false
		}
	case !spelled(raw, v.f):
		f.Respelled++
	}
	addTo(&f.Floats, v.f)
	return parquet.DoubleValue(v.f), true
}

func (s *shredder) text(f *shredded, raw []byte) (parquet.Value, bool) {
	raw = s.plain(raw)
	if len(raw) > MaxFieldText {
		return parquet.Value{}, false
	}
	f.Length += int64(len(raw))
	f.texts.add(raw)
	return parquet.ByteArrayValue(raw), true
}

// plain returns the text that a string stands for.
func (s *shredder) plain(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	start := len(s.texts)
	s.texts = unquote(s.texts, raw)
	return s.texts[start:]
}

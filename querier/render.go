package querier

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// shown are the members of an event in the order in which they appear.
var shown = []base{baseID, baseInstance, baseStream, baseType, basePayload, baseMetadata, baseTime, baseSequence, baseTags, baseIngested}

// selection is what to show of events. It does not change once it is made.
type selection struct {
	instance []byte            // as JSON
	whole    [basePlace]bool   // by base: shown as it is
	paths    *projection       // what is shown in part
	names    [basePlace][]byte // members' names as JSON, with the colon
	cols     segment.Columns
}

func newSelection(q *Query) *selection {
	s := &selection{instance: appendQuoted(nil, q.Instance)}
	for _, b := range shown {
		s.names[b] = append(appendQuoted(nil, baseNames[b]), ':')
		s.whole[b] = len(q.Select) == 0
	}
	for _, f := range q.Select {
		if f.path == "" {
			s.whole[f.base] = true
		}
	}
	var parts []Field
	for _, f := range q.Select {
		if !s.whole[f.base] {
			parts = append(parts, f)
		}
	}
	s.paths = newProjection(q.Instance, parts).ask(needJSON)
	s.cols = s.paths.cols
	for _, b := range shown {
		if s.whole[b] {
			s.cols |= baseColumns[b]
		}
	}
	return s
}

// renderer writes the events of a chunk, whose columns must be loaded. It is
// for one goroutine.
type renderer struct {
	*selection
	*rowReader
}

func (s *selection) renderer(c *chunk) *renderer { return &renderer{s, s.paths.reader(c)} }

// event returns a row as a JSON object.
func (r *renderer) event(row int32) (jsontext.Value, error) {
	if err := r.walk(row); err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for _, base := range shown {
		before := len(b)
		b = append(b, r.names[base]...)
		named := len(b)
		if r.whole[base] {
			b = r.append(b, base, row)
		} else if base == basePayload || base == baseMetadata {
			b = r.appendParts(b, base)
		}
		if len(b) == named { // nothing to show
			b = b[:before]
			continue
		}
		b = append(b, ',')
	}
	if len(b) > 1 {
		b = b[:len(b)-1]
	}
	return append(b, '}'), nil
}

// append appends a member's value, or nothing if the event does not have it.
func (r *renderer) append(b []byte, base base, row int32) []byte {
	switch base {
	case baseInstance:
		return append(b, r.selection.instance...)
	case basePayload:
		return append(b, r.c.document(segment.Payload, row)...)
	case baseMetadata:
		return append(b, r.c.document(segment.Metadata, row)...)
	case baseTime:
		return appendTime(b, event.Micros(r.c.int(segment.Time, row)))
	case baseIngested:
		return appendTime(b, event.Micros(r.c.int(segment.Ingested, row)))
	case baseSequence:
		return strconv.AppendInt(b, r.c.int(segment.Sequence, row), 10)
	case baseTags:
		if tags := r.c.tags(row); len(tags) > 0 {
			return appendList(b, tags, appendQuoted)
		}
		return b
	case baseID:
		return appendQuoted(b, r.c.id(row))
	case baseStream:
		return appendQuoted(b, r.c.text(segment.Stream, row))
	}
	return appendQuoted(b, r.c.text(segment.Type, row))
}

// appendParts appends what was found of a document that is shown in part.
func (r *renderer) appendParts(b []byte, base base) []byte {
	f := Field{base: base}
	t := r.tries[f.documentIndex()]
	if t == nil {
		return b
	}
	return t.appendFound(b, r.found)
}

// appendFound appends what a walk found below t in the shape of the document,
// or nothing if that is nothing.
func (t *trie) appendFound(b []byte, found []string) []byte {
	if t.slot >= 0 {
		return append(b, found[t.slot]...)
	}
	start := len(b)
	b = append(b, '{')
	for i, c := range t.children {
		before := len(b)
		b = append(appendQuoted(b, t.names[i]), ':')
		named := len(b)
		if b = c.appendFound(b, found); len(b) == named {
			b = b[:before]
			continue
		}
		b = append(b, ',')
	}
	if len(b) == start+1 {
		return b[:start]
	}
	b[len(b)-1] = '}'
	return b
}

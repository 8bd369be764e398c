package main

import (
	"container/heap"
	"context"
	"io"
)

// ordered gives sortable events in their order, then io.EOF. Each is good until the
// next.
type ordered interface {
	next() ([]byte, error)
	close()
}

// heldSource gives events in memory.
type heldSource struct {
	held   []byte
	starts []int
}

func (h *heldSource) next() ([]byte, error) {
	if len(h.starts) == 0 {
		return nil, io.EOF
	}
	text := h.held[h.starts[0]:]
	h.starts = h.starts[1:]
	return text[:sortableLength(text)], nil
}

func (*heldSource) close() {}

// merge gives the events of several sources, until its context ends.
type merge struct {
	ctx    context.Context
	fronts fronts
	given  int // events, of which the last one's source must go on
}

func newMerge(ctx context.Context) *merge { return &merge{ctx: ctx} }

// add takes a source, before the first event is asked for.
func (m *merge) add(s ordered) error {
	text, err := s.next()
	if err == nil {
		heap.Push(&m.fronts, &sourceFront{s, text})
		return nil
	}
	s.close()
	if err == io.EOF {
		return nil
	}
	return err
}

func (m *merge) next() ([]byte, error) {
	if m.given%1024 == 0 && m.ctx.Err() != nil {
		return nil, errInterrupted
	}
	if m.given > 0 {
		if err := m.advance(); err != nil {
			return nil, err
		}
	}
	if len(m.fronts) == 0 {
		return nil, io.EOF
	}
	m.given++
	return m.fronts[0].text, nil
}

// advance takes the next event from the source whose event was given last.
func (m *merge) advance() (err error) {
	first := m.fronts[0]
	switch first.text, err = first.next(); err {
	case nil:
		heap.Fix(&m.fronts, 0)
	case io.EOF:
		heap.Pop(&m.fronts)
		first.close()
	default:
		return err
	}
	return nil
}

func (m *merge) close() {
	for _, s := range m.fronts {
		s.close()
	}
}

// sourceFront is a source with its next event.
type sourceFront struct {
	ordered
	text []byte
}

// fronts is a heap of sources, that with the first event at its root.
type fronts []*sourceFront

func (f fronts) Len() int           { return len(f) }
func (f fronts) Less(i, j int) bool { return compareSortable(f[i].text, f[j].text) < 0 }
func (f fronts) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *fronts) Push(x any)        { *f = append(*f, x.(*sourceFront)) }
func (f *fronts) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

package querier

import (
	"container/heap"
	"context"
	"slices"
	"sync/atomic"
)

// top keeps the first n events of an order that come behind an entry.
type top struct {
	order   order
	n       int
	after   *entry // nil for none: the last event of the page before
	entries worstFirst
	memory  *budget
	// bar is the last of n entries, nil while there are fewer: what comes behind
	// it need not be offered. It may be read by any goroutine.
	bar atomic.Pointer[entry]
}

func newTop(o order, n int, after *entry, memory *budget) *top {
	return &top{order: o, n: n, after: after, memory: memory, entries: worstFirst{order: o}}
}

// wants reports whether e would be kept as things are. Any goroutine may ask.
func (t *top) wants(e *entry) bool {
	if t.after != nil && t.order.compare(e, t.after) <= 0 {
		return false
	}
	bar := t.bar.Load()
	return bar == nil || t.order.compare(e, bar) < 0
}

// excludes reports whether no event of an extent would be kept as things are.
func (t *top) excludes(e extent) bool {
	return t.n == 0 || t.order.outside(e, t.bar.Load(), false) || t.order.outside(e, t.after, true)
}

// offer keeps e if it belongs to the first n, apart from the memory of its row
// group.
func (t *top) offer(e entry) error {
	if !t.wants(&e) {
		return nil
	}
	e.keys = slices.Clone(e.keys)
	for i := range e.keys {
		e.keys[i] = e.keys[i].clone()
	}
	heap.Push(&t.entries, &e)
	grown := e.size()
	if len(t.entries.list) > t.n {
		grown -= heap.Pop(&t.entries).(*entry).size()
	}
	if len(t.entries.list) == t.n {
		t.bar.Store(t.entries.list[0])
	}
	return t.memory.take(grown, "order by a shorter field, or ask for fewer events with limit and offset")
}

// bestOf gathers from one unit the entries that may belong to a top, which it
// leaves as it is. The entries share the memory of their row group. It is for one
// goroutine.
type bestOf struct {
	firsts[entry]
	top *top
}

func (t *top) best() bestOf {
	return bestOf{firsts[entry]{n: t.n, compare: func(a, b entry) int { return t.order.compare(&a, &b) }}, t}
}

func (b *bestOf) offer(e *entry) {
	if b.late(*e) || !b.top.wants(e) {
		return
	}
	kept := *e
	kept.keys = slices.Clone(e.keys)
	b.firsts.offer(kept)
}

// sorted returns the entries in their order.
func (t *top) sorted(ctx context.Context) ([]*entry, error) {
	err := sortUnder(ctx, t.entries.list, t.order.compare)
	return t.entries.list, err
}

// size is about what a kept entry takes, in bytes.
func (e *entry) size() int {
	n := 80
	for i := range e.keys {
		n += e.keys[i].size()
	}
	return n
}

// worstFirst is a heap whose first entry is the last of the order.
type worstFirst struct {
	order order
	list  []*entry
}

func (h *worstFirst) Len() int           { return len(h.list) }
func (h *worstFirst) Less(i, j int) bool { return h.order.compare(h.list[i], h.list[j]) > 0 }
func (h *worstFirst) Swap(i, j int)      { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *worstFirst) Push(x any)         { h.list = append(h.list, x.(*entry)) }
func (h *worstFirst) Pop() any {
	last := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return last
}

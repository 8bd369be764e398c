package segment

import (
	"strings"
	"unicode"

	"github.com/firnlog/firn/layout/event"
)

// How a [Chooser] looks at events.
const (
	sampleRows  = 16_384 // of more events it looks at so many,
	sampleBlock = 512    // in blocks, since neighbours tell how often values come again
	maxNodes    = 8_192  // places in documents that are remembered at once
)

// Chooser sees the events that are to be written to a file, or the files that
// are to be merged into it, and chooses its fields. It remembers a bounded
// number of paths: if documents have very many different names, those of the
// most frequent. The zero value is ready.
type Chooser struct {
	docs   [2]scanner // of payload and metadata
	weight int64      // rows that the event being looked at stands for
	nodes  int

	rows    int64
	ids     int64 // rows with an id of their own
	bytes   int64 // of JSON
	repeats [len(choices)]repeats
}

// documents are the columns of JSON, and so the first parts of paths.
var documents = [2]Column{Payload, Metadata}

// tally counts what a place in documents holds, in rows.
type tally struct {
	whole, big, broken int64 // numbers: big ones are whole but no float64, broken ones not whole
	booleans, texts    int64
	nested, nulls      int64 // nested are arrays and objects; of the latter:
	objects            int64
	length             int64 // of the texts, in bytes
	sketched           int64 // texts that the sketch was shown
	sketch             sketch
}

// Add looks at events, best all those of a file in its order: at each of some
// thousands, and else at blocks that are spread evenly. It keeps nothing of them.
func (c *Chooser) Add(events []event.Event) {
	c.add(len(events), func(i int) *event.Event { return &events[i] })
}

// AddSorted is Add for events that do not lie in the order of the file.
func (c *Chooser) AddSorted(events []*event.Event) {
	c.add(len(events), func(i int) *event.Event { return events[i] })
}

func (c *Chooser) add(n int, at func(int) *event.Event) {
	c.weight = max(1, int64(n/sampleRows))
	step := int(c.weight) * sampleBlock
	for first := 0; first < n; first += step {
		for i := first; i < min(first+sampleBlock, n); i++ {
			c.look(at(i))
		}
	}
}

func (c *Chooser) look(e *event.Event) {
	c.start()
	c.rows += c.weight
	c.bytes += c.weight * int64(len(e.Payload)+len(e.Metadata))
	if e.ID != "" {
		c.ids += c.weight
	}
	c.seeAll(e)
	c.scan(&c.docs[0], e.Payload)
	c.scan(&c.docs[1], e.Metadata)
	if c.nodes > maxNodes {
		c.forget()
	}
}

func (c *Chooser) start() {
	if c.docs[0].root == nil {
		for d := range c.docs {
			c.docs[d] = scanner{root: &node{tally: &tally{}}, grow: c.grow}
		}
	}
}

func (c *Chooser) scan(s *scanner, doc []byte) {
	if !s.scan(doc) {
		return
	}
	for _, n := range s.touched {
		if n.valid() {
			n.tally.value(n, c.weight)
		}
	}
}

// grow remembers a member that was not seen before, if it can become a field.
func (c *Chooser) grow(n *node, name []byte) *node {
	if c.nodes >= 2*maxNodes || !columnName(name) { // the former within one document
		return nil
	}
	deep := 0
	for p := n; p != nil; p = p.parent {
		deep++
	}
	if deep > maxFieldDeep {
		return nil
	}
	c.nodes++
	m := n.add(string(name))
	m.tally = &tally{}
	return m
}

// columnName reports whether a member's name can be part of a field's path.
// Names of digits cannot: in paths they also mean elements of arrays.
func columnName(name []byte) bool {
	if len(name) == 0 || len(name) > MaxFieldPath {
		return false
	}
	digits := true
	for _, r := range string(name) {
		if r == '.' || !unicode.IsPrint(r) {
			return false
		}
		digits = digits && r >= '0' && r <= '9'
	}
	return !digits
}

// forget drops the places that fewest rows have, until at most half as many are
// left as may be. What is frequent comes back, and loses little.
func (c *Chooser) forget() {
	for floor := max(1, c.rows/minShare); c.nodes > maxNodes/2; floor *= 2 {
		for d := range c.docs {
			c.prune(c.docs[d].root, floor)
		}
	}
}

// prune drops the members below n that no more rows have.
func (c *Chooser) prune(n *node, rows int64) {
	n.first, n.next = nil, nil
	for name, m := range n.members {
		c.prune(m, rows)
		if len(m.members) == 0 && m.tally.rows() <= rows {
			delete(n.members, name)
			c.nodes--
		}
	}
}

// AddFile looks at a file that is to be merged. Of a large one it is enough what
// its footer says of its fields; of others, events are read. Errors are those
// of reading.
func (c *Chooser) AddFile(f *File) error {
	if f.Rows() < sampleRows || len(f.fields) == 0 {
		return c.sample(f)
	}
	c.start()
	c.rows += f.Rows()
	for _, g := range f.groups {
		c.ids += int64(g.rows) - g.chunk(f.leaf[ID]).NullCount()
		c.bytes += g.meta(f.leaf[Payload]).TotalUncompressedSize
		c.seeGroup(g)
	}
	for _, infos := range [][]FieldInfo{f.fields, f.filtered} {
		for i := range infos {
			c.info(&infos[i])
		}
	}
	return nil
}

// sample looks at the first events of a file.
func (c *Chooser) sample(f *File) error {
	for _, g := range f.groups[:min(len(f.groups), 1+sampleRows/GroupRows)] {
		b, err := g.Read(Set(ID, Payload) | Set(choices[:]...))
		if err != nil {
			return err
		}
		events := make([]event.Event, b.rows)
		for i := range events {
			events[i] = b.Event(i, 0)
		}
		c.Add(events)
	}
	return nil
}

// info takes in what a footer says of a field.
func (c *Chooser) info(i *FieldInfo) {
	var n *node
	for depth, name := range i.Names() {
		switch {
		case depth > 0:
			m := n.members[name]
			if m == nil {
				if m = c.grow(n, []byte(name)); m == nil {
					return
				}
			}
			n.tally.objects += i.Values // so that it is taken for the object that it mostly is
			n = m
		case name == Payload.String():
			n = c.docs[0].root
		default:
			n = c.docs[1].root
		}
	}
	n.tally.info(i)
}

// rows returns how many rows have a value.
func (t *tally) rows() int64 {
	return t.whole + t.broken + t.booleans + t.texts + t.nested + t.nulls
}

// value counts the value of n.
func (t *tally) value(n *node, weight int64) {
	switch n.kind {
	case '{':
		t.objects += weight
		t.nested += weight
	case '[':
		t.nested += weight
	case '"':
		t.text(n.raw, weight)
	case 't', 'f':
		t.booleans += weight
	case 'n':
		t.nulls += weight
	default:
		v := readNumber(n.raw)
		if !v.whole {
			t.broken += weight
			return
		}
		t.whole += weight
		if _, exact := asFloat(v.n); !exact {
			t.big += weight
		}
	}
}

func (t *tally) text(raw []byte, weight int64) {
	t.texts += weight
	t.length += weight * int64(len(raw))
	t.sketched++
	t.sketch.add(raw)
}

// info counts what a footer says of a field.
func (t *tally) info(i *FieldInfo) {
	t.nulls += i.Nulls
	t.nested += i.Residual // of whatever type, it speaks against the column
	switch i.Type {
	case Int64:
		t.whole += i.Values
	case Double:
		t.broken += i.Values
	case Boolean:
		t.booleans += i.Values
	case String:
		t.texts += i.Values
		t.length += i.Length
		t.sketched += i.Values
		t.sketch.merge(&i.texts)
	}
}

// path returns the path of n within a document.
func (n *node) path() string {
	var names []string
	for ; n.parent != nil; n = n.parent {
		names = append([]string{n.name}, names...)
	}
	return strings.Join(names, ".")
}

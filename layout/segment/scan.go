package segment

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// maxIdle bounds the nodes that a scanner keeps of what is not wanted.
const maxIdle = 1_024

// node is a place in documents: the document itself, or a member of the object
// at the parent.
type node struct {
	name    string
	parent  *node
	members map[string]*node
	first   *node // the member that came first in the object seen last
	next    *node // the sibling that came behind this one when it was seen last

	// What the scanner met last. A node that is met twice in a document, since
	// an object has a name twice, holds the later value: see [node.valid].
	doc   uint64 // number of the document
	visit uint64 // number of the visit
	under uint64 // the parent's visit at that time
	kind  byte   // of the value: { [ " 0 t f n
	raw   []byte // the scalar's text; of a string what is between the quotes

	idle   bool      // nothing is wanted of the value
	field  *shredded // the shredder's: nil where no column is
	hashed *hashed   // and where no filters are
	tally  *tally    // the chooser's
}

func (n *node) add(name string) *node {
	c := &node{name: name, parent: n}
	if n.members == nil {
		n.members = map[string]*node{}
	}
	n.members[name] = c
	return c
}

// find returns the member of a name, nil for none. Objects tend to have the
// same members in the same order, so that it guesses by the one before.
func (n *node) find(name []byte, before *node) *node {
	guess := &n.first
	if before != nil {
		guess = &before.next
	}
	if g := *guess; g != nil && g.name == string(name) {
		return g
	}
	c := n.members[string(name)]
	if c != nil {
		*guess = c
	}
	return c
}

// valid reports whether what n holds is in the document: neither it nor an
// object around it was replaced by a later member of the same name.
func (n *node) valid() bool {
	for ; n.parent != nil; n = n.parent {
		if n.under != n.parent.visit {
			return false
		}
	}
	return true
}

// scanner goes once through a document and leaves the values of the paths of a
// tree in their nodes. It takes documents that were validated when they came
// in; others it may misread, but never reads beyond. The zero value with a root
// is ready.
type scanner struct {
	root    *node
	grow    func(n *node, name []byte) *node // makes a node for an unknown member, or nil; nil for a fixed tree
	touched []*node                          // the nodes that the document has; to be checked for being valid
	idle    int                              // nodes of members of which nothing is wanted
	docs    uint64
	visits  uint64
	data    []byte
	at      int
	name    []byte // scratch for a name with escapes
}

// scan goes through a document. It returns false if that is not JSON.
func (s *scanner) scan(doc []byte) bool {
	s.data, s.at = doc, 0
	s.docs++
	s.touched = s.touched[:0]
	return s.value(s.root)
}

// value consumes the value at n.
func (s *scanner) value(n *node) bool {
	kind := s.peek()
	s.visits++
	n.visit, n.kind, n.raw = s.visits, kind, nil
	if n.doc != s.docs {
		n.doc = s.docs
		s.touched = append(s.touched, n)
	}
	switch kind {
	case '{':
		if n.members == nil && s.grow == nil {
			return s.skip()
		}
		s.at++
		return s.object(n)
	case '"':
		raw, _, ok := s.text()
		n.raw = raw
		return ok
	case '[':
		return s.skip()
	}
	if kind == '-' || kind >= '0' && kind <= '9' {
		n.kind = '0'
	}
	start := s.at
	ok := s.skip()
	n.raw = s.data[start:s.at]
	return ok
}

// object consumes the members of the object at n, behind its brace.
func (s *scanner) object(n *node) bool {
	var before *node
	for s.peek() == '"' {
		name, escaped, ok := s.text()
		if !ok || s.peek() != ':' {
			return false
		}
		s.at++
		if escaped {
			s.name = unquote(s.name[:0], name)
			name = s.name
		}
		m := n.find(name, before)
		if m == nil {
			m = s.unknown(n, name)
		}
		if m != nil {
			before = m
		}
		if m == nil || m.idle {
			ok = s.skip()
		} else {
			m.under = n.visit
			ok = s.value(m)
		}
		if !ok {
			return false
		}
		if s.peek() == ',' {
			s.at++
		}
	}
	ok := s.peek() == '}'
	s.at++
	return ok
}

// unknown returns a node for a member that n does not have, or nil. Also of the
// members that a fixed tree is not about it keeps some, for [node.find] to guess
// by.
func (s *scanner) unknown(n *node, name []byte) *node {
	if s.grow != nil {
		return s.grow(n, name)
	}
	if s.idle == maxIdle {
		return nil
	}
	s.idle++
	m := n.add(string(name))
	m.idle = true
	return m
}

// peek moves to what comes behind white space and returns its first byte, 0 at
// the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		if c := s.data[s.at]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// text consumes a string and returns what is between its quotes.
func (s *scanner) text() (raw []byte, escaped, ok bool) {
	start := s.at + 1
	for end := start; end < len(s.data); end++ {
		n := bytes.IndexByte(s.data[end:], '"')
		if n < 0 {
			return nil, false, false
		}
		escapes := 0 // at the end of the text so far: an odd number escapes the quote
		for end += n; end-1-escapes >= start && s.data[end-1-escapes] == '\\'; {
			escapes++
		}
		if escapes%2 == 0 {
			s.at = end + 1
			raw = s.data[start:end]
			return raw, bytes.IndexByte(raw, '\\') >= 0, true
		}
	}
	return nil, false, false
}

// skip consumes a value of any kind.
func (s *scanner) skip() bool {
	switch s.peek() {
	case '"':
		_, _, ok := s.text()
		return ok
	case '{', '[':
		return s.skipNested()
	}
	start := s.at
	for s.at < len(s.data) && !ends[s.data[s.at]] {
		s.at++
	}
	return s.at > start
}

// ends are the bytes that end a number or a literal.
var ends = [256]bool{',': true, ']': true, '}': true, ' ': true, '\n': true, '\t': true, '\r': true}

func (s *scanner) skipNested() bool {
	for depth := 0; s.at < len(s.data); {
		switch s.data[s.at] {
		case '"':
			if _, _, ok := s.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if s.at++; depth == 0 {
			return true
		}
	}
	return false
}

// unquote appends the text that a string with escapes stands for.
func unquote(dst, raw []byte) []byte {
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	dst, _ = jsontext.AppendUnquote(dst, quoted) // raw was validated
	return dst
}

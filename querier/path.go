package querier

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// trie holds the paths that are wanted out of one JSON document, so that one
// walk finds them all and skips the rest. It never changes once it is in use.
type trie struct {
	slot     int // where the value of this path goes, -1 for nowhere
	names    []string
	children []*trie
}

func newTrie() *trie { return &trie{slot: -1} }

// add asks for the value at a dotted path, "" for the whole document, and
// returns its slot: the one given, or that of an earlier request for the same.
func (t *trie) add(path string, slot int) int {
	if path != "" {
		for part := range strings.SplitSeq(path, ".") {
			t = t.child(part)
		}
	}
	if t.slot < 0 {
		t.slot = slot
	}
	return t.slot
}

func (t *trie) child(name string) *trie {
	for i, n := range t.names {
		if n == name {
			return t.children[i]
		}
	}
	c := newTrie()
	t.names, t.children = append(t.names, name), append(t.children, c)
	return c
}

func (t *trie) find(name []byte) *trie {
	for i, n := range t.names {
		if n == string(name) {
			return t.children[i]
		}
	}
	return nil
}

// clear forgets what was found below t.
func (t *trie) clear(found []string) {
	if t.slot >= 0 {
		found[t.slot] = ""
	}
	for _, c := range t.children {
		c.clear(found)
	}
}

// walker finds the paths of tries in documents. It is for one goroutine.
type walker struct {
	dec  jsontext.Decoder
	buf  bytes.Buffer
	text string
	name []byte // scratch for names with escapes
}

// walk puts the JSON text of each wanted path into its slot of found, "" where
// the document does not have it. What it finds shares the document's memory. Of
// members that occur twice in an object the last one counts. An error says that
// the document is not JSON.
func (w *walker) walk(t *trie, doc string, found []string) error {
	t.clear(found)
	// The decoder reads from a bytes.Buffer in place and never writes to it.
	w.buf = *bytes.NewBuffer(unsafe.Slice(unsafe.StringData(doc), len(doc)))
	w.dec.Reset(&w.buf, jsontext.AllowDuplicateNames(true))
	w.text = doc
	return w.value(t, found)
}

func (w *walker) value(t *trie, found []string) error {
	from := w.dec.InputOffset()
	err := w.inside(t, found)
	if err == nil && t.slot >= 0 {
		// What stands between two values is white space, a colon or a comma.
		found[t.slot] = strings.TrimLeft(w.text[from:w.dec.InputOffset()], " \t\r\n:,")
	}
	return err
}

// inside consumes a value, going into it where paths lead there.
func (w *walker) inside(t *trie, found []string) error {
	kind := w.dec.PeekKind()
	if len(t.children) == 0 || kind != '{' && kind != '[' {
		_, err := w.dec.ReadValue()
		return err
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	if kind == '{' {
		return w.object(t, found)
	}
	return w.array(t, found)
}

func (w *walker) object(t *trie, found []string) error {
	for w.dec.PeekKind() == '"' {
		raw, err := w.dec.ReadValue()
		if err != nil {
			return err
		}
		name := []byte(raw[1 : len(raw)-1])
		if bytes.IndexByte(name, '\\') >= 0 {
			w.name, _ = jsontext.AppendUnquote(w.name[:0], raw)
			name = w.name
		}
		if err := w.member(t.find(name), found); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *walker) array(t *trie, found []string) error {
	var digits [20]byte
	for i := int64(0); w.dec.PeekKind() != ']'; i++ {
		if err := w.member(t.find(strconv.AppendInt(digits[:0], i, 10)), found); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

// member consumes a member of an object or array; t is nil if no path leads there.
func (w *walker) member(t *trie, found []string) error {
	if t == nil {
		_, err := w.dec.ReadValue()
		return err
	}
	t.clear(found) // what an earlier member of this name held
	return w.value(t, found)
}

package front_test

import (
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// TestForgedCursors: whatever was changed in a cursor, of a page or of a tail, or
// given out for another instance, is refused.
func TestForgedCursors(t *testing.T) {
	s := store.NewMemory()
	p := open(s)
	p.create(t, catalog.Instance{ID: "i"})
	p.create(t, catalog.Instance{ID: "j"})
	p.append(t, batch("a", "a", "a")...)
	page := func(on *process, cursor string) (*querier.Result, error) {
		q := querier.New("i")
		q.Limit, q.Cursor = 1, cursor
		return on.Query(everything, q)
	}
	first, err := page(p, "")
	if err != nil || first.Cursor == "" {
		t.Fatal(first, err)
	}
	second, err := page(open(s), first.Cursor) // another process knows the secret, too
	if err != nil || len(second.Events) != 1 || !strings.Contains(string(second.Events[0]), `"sequence_number":2`) {
		t.Fatal(second, err)
	}
	sub := p.tail(t, front.TailRequest{After: querier.FromStart})
	_, tailed := next(t, sub, 1)
	got, _ := next(t, open(s).tail(t, front.TailRequest{After: tailed}), 1)
	wants(t, got, "a/2")
	foreign, err := p.Tail(everything, front.TailRequest{Instance: "j"})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()

	const mac = 22 // characters
	refused := func(name, cursor string) {
		t.Helper()
		if _, err := page(p, cursor); cursor != "" && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s, of a page: %v", name, err)
		}
		if _, err := p.Tail(everything, front.TailRequest{Instance: "i", After: cursor}); cursor != "" && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s, of a tail: %v", name, err)
		}
	}
	refused("foreign", foreign.Cursor())
	for _, good := range []string{first.Cursor, tailed} {
		refused("without signature", good[mac:])
		refused("cut", good[:len(good)-1])
		refused("longer", good+"A")
		refused("twice", good[:mac]+good)
		for at := range good {
			other := byte('A')
			if good[at] == other {
				other = 'B'
			}
			refused("changed", good[:at]+string(other)+good[at+1:])
		}
	}
}

package front_test

import (
	"net/http"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// TestTailsOfACaller: one caller cannot take the tails of all.
func TestTailsOfACaller(t *testing.T) {
	s := store.NewMemory()
	log := commitlog.Open(s)
	letIn := func(*http.Request) (front.Caller, error) { return front.Anyone, nil }
	p := front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Authenticate: letIn, Limits: front.Limits{CallerTails: 2}})
	if _, err := p.CreateInstance(everything, catalog.Instance{ID: "i"}); err != nil {
		t.Fatal(err)
	}
	open := func(name string) (*front.Subscription, error) {
		ctx := front.WithCaller(t.Context(), front.Caller{Name: name, Grants: front.Anyone.Grants})
		return p.Tail(ctx, front.TailRequest{Instance: "i"})
	}
	var subs []*front.Subscription
	for _, name := range []string{"a", "a", "b"} {
		sub, err := open(name)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	if _, err := open("a"); !fault.Is(err, fault.Overload) {
		t.Errorf("a third tail: %v", err)
	}
	subs[0].Close()
	subs[0].Close() // counts once
	if sub, err := open("a"); err != nil {
		t.Error(err)
	} else {
		subs = append(subs, sub)
	}
	if _, err := open("a"); !fault.Is(err, fault.Overload) {
		t.Errorf("a third tail again: %v", err)
	}
	for _, sub := range subs {
		sub.Close()
	}
	if n := p.Tails(); n != 0 {
		t.Errorf("%d tails are left", n)
	}
}

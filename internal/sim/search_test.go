package sim

import (
	"errors"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/event"
)

// A search that comes to its bound says so, and never that all is well.
func TestSearchIsBounded(t *testing.T) {
	m := &model{}
	a, b := &op{id: "a", events: []event.Event{{Stream: "s", ID: "a/0"}}}, &op{id: "b", events: []event.Event{{Stream: "s", ID: "b/0"}}}
	m.add(a)
	m.add(b)
	read := func(seen string) porcupine.Operation {
		return porcupine.Operation{Input: &op{action: reads}, Output: result{generation: 1, seen: seen}, Call: 0, Return: 9}
	}
	wrote := func(o *op, r result, end int64) porcupine.Operation {
		return porcupine.Operation{Input: o, Output: r, Call: 1, Return: end}
	}
	all := []effect{{"a", 3}, {"b", 4}}
	for name, c := range map[string]struct {
		effects []effect
		history []porcupine.Operation
		most    int
		want    error
	}{
		"an order": {all, []porcupine.Operation{wrote(a, result{numbers: "1 "}, 5), wrote(b, result{kind: unknown}, never), read("a/0=s:1 "), read("a/0=s:1 b/0=s:2 ")},
			100, nil},
		"none, since the read shows another": {all, []porcupine.Operation{wrote(a, result{numbers: "1 "}, 5), wrote(b, result{kind: unknown}, never), read("b/0=s:1 ")},
			100, errUnexplained},
		"none, since no commit holds what was acknowledged": {all[:1], []porcupine.Operation{wrote(a, result{numbers: "1 "}, 5), wrote(b, result{numbers: "2 "}, 6)},
			100, errUnexplained},
		"none, since what was called unwritten is there": {all, []porcupine.Operation{wrote(a, result{kind: failed}, 5), wrote(b, result{numbers: "2 "}, 6)},
			100, errUnexplained},
		"the bound": {all, []porcupine.Operation{wrote(a, result{numbers: "1 "}, 5), wrote(b, result{kind: unknown}, never), read("a/0=s:1 "), read("a/0=s:1 b/0=s:2 ")},
			3, errUndecided},
	} {
		s := &search{model: m, effects: map[int64][]effect{1: c.effects}, most: c.most}
		if err := s.run(s.settled(c.history)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

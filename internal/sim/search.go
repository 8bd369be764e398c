package sim

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

// Whether some order of all operations explains what the clients were told is a
// search that may take exponential time: an append without an answer fits nearly
// everywhere, and where no order fits, all are tried. So the search is told what
// became of each append: the commits that were stored are kept here, beyond the
// reach of sweepers. It tries only orders in which the appends stand as the commits
// do, in which one without an answer took effect when its commit was stored, and
// never without one. Firn promises that very order, so a log that keeps its
// promises has one among them, and orders that are left out can only make a check
// fail that would have passed.
//
// What is left to try are operations that write nothing, and erasures, deletions
// and repetitions without an answer. It is bounded by steps, not by time: a seed
// gives the same result on every machine. A search that comes to the bound found
// neither an order nor that there is none; that is an outcome of its own, and a
// failure.

// mostSteps is the bound of the search in one part of a log. In 2,000 worlds none
// took more than 722, with planted mistakes 80,000.
const mostSteps = 500_000

// errUndecided says that a search came to its bound.
var errUndecided = errors.New("the search for an order of the operations came to its bound")

// errUnexplained says that there is no order.
var errUnexplained = errors.New("no order of the operations explains what the clients were told")

// commit is a commit that was stored.
type commit struct {
	body []byte
	at   time.Time
}

// stored notes what was put into the bucket, if it is the first commit at its
// position: what a sleeper puts there once it is swept has no effect.
func (w *world) stored(key string, body store.Body) {
	if !strings.Contains(key, "/log/") {
		return
	}
	b, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		panic(err) // it is in memory
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.commits[key]; !ok {
		w.commits[key] = commit{b, time.Now()}
	}
}

// effect is an append that a commit stored in one part of the log.
type effect struct {
	id string // of the request
	at int64
}

// effects returns all that was appended, by part and life, in the log's order. The
// lock is held.
func (w *world) effects() (map[string]map[int64][]effect, error) {
	all := map[string]map[int64][]effect{}
	for _, key := range slices.Sorted(maps.Keys(w.commits)) { // by shard and position
		c := w.commits[key]
		f, err := segment.Open(bytes.NewReader(c.body), int64(len(c.body)))
		if err != nil {
			return nil, err
		}
		if f.Meta("firn.kind") != "events" {
			continue
		}
		life, err := strconv.ParseInt(f.Meta("firn.generation"), 10, 64)
		if err != nil {
			return nil, err
		}
		events, err := eventsOf(f, 0)
		if err != nil {
			return nil, err
		}
		in := map[string][]effect{} // this commit
		for i := range events {
			part := w.part(events[i].Stream)
			id, _, _ := strings.Cut(events[i].ID, "/")
			if n := len(in[part]); n == 0 || in[part][n-1].id != id {
				in[part] = append(in[part], effect{id, int64(c.at.Sub(w.began))})
			}
		}
		for part, more := range in {
			if all[part] == nil {
				all[part] = map[int64][]effect{}
			}
			all[part][life] = append(all[part][life], more...)
		}
	}
	return all, nil
}

// search is the search for an order in one part of the log.
type search struct {
	*model
	effects map[int64][]effect // by life
	most    int                // steps that are left
}

// explain looks for an order of a part's operations. The lock is held.
func (w *world) explain(part string, effects map[int64][]effect) error {
	s := &search{model: &w.history.model, effects: effects, most: mostSteps}
	return s.run(s.settled(w.history.parts[part]))
}

// settled returns a history without what surely changed nothing. An append without
// an answer, which was sent once, took effect when its commit was stored.
func (s *search) settled(history []porcupine.Operation) (left []porcupine.Operation) {
	sent, stored := map[string]int{}, map[string]int64{}
	for _, h := range history {
		sent[h.Input.(*op).id]++
	}
	for _, life := range s.effects {
		for _, e := range life {
			stored[e.id] = e.at
		}
	}
	for _, h := range history {
		o, r := h.Input.(*op), h.Output.(result)
		if o.action == appends && r.kind == unknown {
			at, ok := stored[o.id]
			switch {
			case !ok:
				continue
			case sent[o.id] == 1:
				h.Return, h.Output = at, result{kind: written}
			}
		}
		if r.kind != failed {
			left = append(left, h)
		}
	}
	return left
}

// run searches: nil when there is an order, else errUnexplained or errUndecided.
func (s *search) run(history []porcupine.Operation) error {
	found := porcupine.CheckOperations((&porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{generation: 1}} },
		Step: func(at, input, output any) []any {
			if s.most--; s.most < 0 {
				return nil
			}
			return s.try(at.(state), input.(*op), output.(result))
		},
	}).ToModel(), history)
	switch {
	case found:
		return nil
	case s.most < 0:
		return errUndecided
	}
	return errUnexplained
}

// try returns the states that may follow, less those in which an append stands
// where no commit has it.
func (s *search) try(at state, o *op, r result) []any {
	next := s.step(at, o, r)
	if o.action != appends {
		return next
	}
	n, life := 0, s.effects[at.generation]
	s.walk(at, func(before *op) {
		if before.action == appends {
			n++
		}
	})
	return slices.DeleteFunc(next, func(to any) bool {
		return to != at && (n >= len(life) || life[n].id != o.id)
	})
}

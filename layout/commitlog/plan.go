package commitlog

import (
	"context"
	"time"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// plan is what a group becomes at the log's next position, if that is still
// free.
type plan struct {
	time     event.Micros
	events   []event.Event // of all members, numbered, in append order
	members  []*request    // whose events these are
	first    []int         // index of each member's first event
	keys     []KeyRange
	number   int64   // of the plan, among those of its state
	moved    []*head // of the streams that it moves
	refused  []refusal
	deferred []*request // whose answer depends on whether the plan is stored
}

// refusal is a request that writes nothing, and why.
type refusal struct {
	request *request
	err     error
	replay  *snapshot.Key // stored before: answer as then
}

// plan decides each request of a group in order, and numbers the events of
// those that go ahead. It looks up what the state does not know of them, and
// changes nothing else.
func (st *state) plan(ctx context.Context, group []*request, now time.Time) (*plan, error) {
	if err := st.lookUp(ctx, group); err != nil {
		return nil, err
	}
	events := 0
	for _, r := range group {
		events += len(r.batch.Events)
	}
	st.plans++
	p := &plan{time: max(st.time, event.ToMicros(now)), number: st.plans, events: make([]event.Event, 0, events)}
	if bug.In(bug.OwnTime) {
		p.time = event.ToMicros(now)
	}
	for _, r := range group {
		if chain.Elapsed(r.arrived, now) > requestTime && !bug.In(bug.SleptRequest) {
			p.refused = append(p.refused, refusal{request: r, err: fault.New(fault.Unavailable, "the append was not written within %v", requestTime)})
			continue
		}
		verdict, err := st.judge(p, r)
		switch {
		case err != nil:
			return nil, err
		case verdict == wait:
			p.deferred = append(p.deferred, r)
		case verdict == proceed:
			st.number(p, r)
		}
	}
	return p, nil
}

// verdict is what a plan does with a request.
type verdict int

const (
	proceed verdict = iota
	wait            // until the plan is stored or not
	refuse          // it is among the plan's refused
)

// judge checks a request against the state and what the plan moves already.
func (st *state) judge(p *plan, r *request) (verdict, error) {
	if r.generation <= st.dropped && !bug.In(bug.EarlierLife) {
		err := fault.New(fault.NotFound, "%w", errDropped)
		if r.drop {
			err = nil // dropped already: done
		}
		p.refused = append(p.refused, refusal{request: r, err: err})
		return refuse, nil
	}
	if r.batch.Key != "" {
		if k, used := st.key(r.batch.Key, p.time); used {
			ref := refusal{request: r, replay: &k}
			if k.Hash != r.batch.Hash && !bug.In(bug.OtherBody) {
				ref = refusal{request: r, err: fault.New(fault.Invalid, "%w", ErrKeyReused)}
			}
			p.refused = append(p.refused, ref)
			return refuse, nil
		}
	}
	for stream, want := range r.batch.Expect {
		h, err := st.head(stream)
		if err != nil {
			return 0, err
		}
		moved, at := h.plan == p.number, h.sequence
		if moved {
			at = h.planned
		}
		if want.holds(at) {
			continue
		}
		if moved {
			return wait, nil
		}
		p.refused = append(p.refused, refusal{request: r, err: conflict(stream, want, h.sequence)})
		return refuse, nil
	}
	return proceed, nil
}

// number adds a request's events to the plan. Their heads were looked up for it.
func (st *state) number(p *plan, r *request) {
	first := len(p.events)
	if r.erase != nil {
		p.events, p.members, p.first = r.batch.Events, append(p.members, r), append(p.first, first)
		return
	}
	for i, h := range r.heads {
		if h.plan != p.number {
			h.plan, h.planned = p.number, h.sequence
			p.moved = append(p.moved, h)
		}
		h.planned++
		p.events = append(p.events, r.batch.Events[i])
		e := &p.events[len(p.events)-1]
		e.Sequence, e.Ingested = h.planned, p.time
		e.Place = event.Place{Shard: st.shard, Position: st.end + 1, Ordinal: int32(len(p.events) - 1)}
	}
	p.members = append(p.members, r)
	p.first = append(p.first, first)
	if r.batch.Key != "" {
		p.keys = append(p.keys, KeyRange{Key: r.batch.Key, Hash: r.batch.Hash, First: int32(first), Count: int32(len(r.batch.Events))})
	}
}

// apply takes in a plan that was stored as c.
func (st *state) apply(p *plan, c *Commit) {
	if c.Drop {
		st.dropped, st.void = c.Generation, true
		clear(st.heads)
		clear(st.keys)
	}
	for _, h := range p.moved {
		h.sequence = h.planned
	}
	for _, k := range c.Keys {
		st.keys[k.Key] = snapshot.Key{Key: k.Key, Hash: k.Hash, Position: c.Position, Ordinal: k.First, Count: k.Count, Time: c.Time}
	}
	st.reach(c)
}

package front

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// How many subscriptions there may be where the [Limits] do not say.
const (
	MaxTails           = 4096 // of a service
	DefaultCallerTails = 256  // of one caller
)

// recheckEvery is how often a subscription asks whether its caller may still
// read. With the age that keys may have (MaxAge in package access) it makes the time until a
// revocation ends all streams.
const recheckEvery = 4 * time.Second

// TailRequest asks for the events of an instance from a cursor on.
type TailRequest struct {
	Instance string              // id or unique name
	Stream   string              // only events of this stream; "" for all
	Where    []querier.Predicate // all must hold
	// After is the cursor to go on from. "" begins with what is appended from
	// now on, querier.FromStart with the first event that there is.
	After string
}

// TailItem is an event and the cursor behind it.
type TailItem struct {
	Event  event.Event
	Cursor string
}

// Subscription is one reader of a live tail. It is for one goroutine, but for
// Close.
type Subscription struct {
	Instance string // id
	inst     catalog.Instance
	tail     *querier.Tail
	service  *Service
	request  context.Context // holds what the caller was let in by
	caller   string
	checked  time.Time // when the caller was asked for last
}

// tails are the subscriptions of a service. The zero value has none.
type tails struct {
	mu      sync.Mutex // guards what is below
	open    map[*Subscription]bool
	callers map[string]int // how many are open by caller
	stopped bool
}

// Tail subscribes the caller, who must have the right to query. The caller MUST
// close the subscription. Errors are those of [querier.Engine.Tail], Denied, and
// Overload when there are as many as there may be.
func (s *Service) Tail(ctx context.Context, req TailRequest) (*Subscription, error) {
	inst, err := s.Instance(ctx, req.Instance, CanQuery)
	if err != nil {
		return nil, err
	}
	if req.After != "" && req.After != querier.FromStart {
		var ok bool
		if req.After, ok = openCursor(&inst, req.After); !ok {
			return nil, fault.New(fault.Invalid, "after: it is no cursor of a tail of %q: give the one that came with the last event, or %q, or none", inst.ID, querier.FromStart)
		}
	}
	sub := &Subscription{Instance: inst.ID, inst: inst, service: s, request: context.WithoutCancel(ctx), caller: CallerOf(ctx).Name}
	if err := s.tails.add(sub, s.Limits.Tails, s.callerTails()); err != nil {
		return nil, err
	}
	sub.tail, err = s.Queries.Tail(ctx, querier.TailQuery{Instance: inst.ID, Stream: req.Stream, Where: req.Where, After: req.After})
	if err != nil {
		s.tails.remove(sub)
		return nil, err
	}
	s.tails.opened(sub)
	return sub, nil
}

// Next returns the next event: each one once, in append order within each
// shard. It waits for one as long as ctx lasts, and returns ctx.Err() when that
// ends; it may be called again then. Every other error ends the subscription,
// and another one may go on from its cursor: Gone when the instance was deleted,
// Unavailable when the server is stopping.
// Unauthenticated or Denied within seconds when the caller may not read any more.
func (sub *Subscription) Next(ctx context.Context) (TailItem, error) {
	e, err := sub.next(ctx)
	if err != nil {
		return TailItem{}, err
	}
	return TailItem{Event: e, Cursor: sub.Cursor()}, nil
}

// next waits for an event and asks again for the caller meanwhile.
func (sub *Subscription) next(ctx context.Context) (event.Event, error) {
	if sub.service.Authenticate == nil {
		return sub.tail.Next(ctx)
	}
	for {
		if now := time.Now(); now.Sub(sub.checked) >= recheckEvery {
			sub.checked = now
			if err := sub.service.recheck(sub.request, CanQuery, sub.Instance); err != nil {
				return event.Event{}, err
			}
		}
		if sub.tail.Ready() {
			return sub.tail.Next(ctx)
		}
		wait, cancel := context.WithDeadline(ctx, sub.checked.Add(recheckEvery))
		e, err := sub.tail.Next(wait)
		late := wait.Err() != nil && errors.Is(err, wait.Err())
		cancel()
		if !late || ctx.Err() != nil {
			return e, err
		}
	}
}

// Ready reports whether Next returns at once.
func (sub *Subscription) Ready() bool { return sub.tail.Ready() }

// Cursor returns the cursor behind the event that Next returned last, and
// behind all that was found since and does not match: a subscription that waits
// for rare events can be gone on with from there.
func (sub *Subscription) Cursor() string { return sealCursor(&sub.inst, sub.tail.Cursor()) }

// Recheck returns an error unless whoever sent the request may still read the
// instance. [Subscription.Next] asks the same by itself.
func (sub *Subscription) Recheck(r *http.Request) error {
	return sub.service.recheck(withRequest(r.Context(), r), CanQuery, sub.Instance)
}

// Close ends the subscription; a Next that waits returns. It may be called
// twice, and from any goroutine.
func (sub *Subscription) Close() {
	sub.service.tails.remove(sub)
	sub.tail.Close()
}

// StopTails ends all subscriptions, and refuses new ones: a server that stops
// does not wait for streams that never end. It is for
// [http.Server.RegisterOnShutdown].
func (s *Service) StopTails() {
	for _, sub := range s.tails.stop() {
		sub.tail.Close()
	}
}

// Tails returns the number of subscriptions.
func (s *Service) Tails() int {
	s.tails.mu.Lock()
	defer s.tails.mu.Unlock()
	return len(s.tails.open)
}

// callerTails bounds the subscriptions of one caller. Where no keys are asked for
// all callers are one.
func (s *Service) callerTails() int64 {
	if s.Authenticate == nil {
		return s.Limits.Tails
	}
	return s.Limits.CallerTails
}

// add takes a place for sub, which has no tail yet.
func (t *tails) add(sub *Subscription, most, perCaller int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case int64(len(t.open)) >= most:
		return fault.New(fault.Overload, "%d tails are open here, and there can be no more: try again later", most)
	case int64(t.callers[sub.caller]) >= perCaller && sub.caller != Anyone.Name:
		return fault.New(fault.Overload, "%d tails are open with these credentials, and there can be no more: close one first", perCaller)
	}
	if t.open == nil {
		t.open, t.callers = map[*Subscription]bool{}, map[string]int{}
	}
	t.open[sub] = false
	t.callers[sub.caller]++
	return nil
}

// opened notes that sub has its tail, which ends at once where the service has
// been stopped meanwhile.
func (t *tails) opened(sub *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[sub] = true
	if t.stopped {
		sub.tail.Close()
	}
}

func (t *tails) remove(sub *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.open[sub]; !ok {
		return
	}
	delete(t.open, sub)
	if t.callers[sub.caller]--; t.callers[sub.caller] == 0 {
		delete(t.callers, sub.caller)
	}
}

// stop returns the subscriptions that there are; those to come end by themselves.
func (t *tails) stop() []*Subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	var all []*Subscription
	for sub, opened := range t.open {
		if opened {
			all = append(all, sub)
		}
	}
	return all
}

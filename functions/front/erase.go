package front

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// Erasure is an order to forget events, and how far it has come.
type Erasure struct {
	commitlog.ErasureState
	// Events is how many events a redaction concerns; 0 for a stream, and where an
	// erasure is looked up.
	Events int
	// Versioned says that the bucket keeps former versions of objects, which Firn
	// does not see: what is gone from the bucket may still lie in these.
	Versioned bool
}

// State returns how far the erasure has come, in one word: pending, rewritten or
// gone.
func (e Erasure) State() string {
	switch {
	case e.Gone != 0:
		return "gone"
	case e.Rewritten != 0:
		return "rewritten"
	}
	return "pending"
}

// EraseStream orders that all events of a stream that are there now are forgotten,
// and records that, without the stream's name. See [commitlog.Log.EraseStream].
func (s *Service) EraseStream(ctx context.Context, ref, stream string) (Erasure, error) {
	inst, err := s.Instance(ctx, ref, CanAdmin)
	if err = cmp.Or(err, notOwn(inst.ID)); err != nil {
		return Erasure{}, err
	}
	if err := event.CheckName("the stream", stream); err != nil {
		return Erasure{}, err
	}
	e := Erasure{ErasureState: commitlog.ErasureState{Hash: commitlog.StreamHash(stream), Shards: 1}}
	if e.ID, err = s.Log.EraseStream(ctx, inst.ID, stream); err != nil {
		return e, err
	}
	return s.ordered(ctx, inst.ID, e)
}

// Redact orders that the payloads and metadata of the events that match a query's
// instance, stream and conditions are forgotten, and payload (nil for that of
// [commitlog.Redacted]) shown in their place, and records that. Limit when more
// than [commitlog.MaxRedacted] match; NotFound when none does.
func (s *Service) Redact(ctx context.Context, q *querier.Query, payload json.RawMessage) (Erasure, error) {
	inst, err := s.Instance(ctx, q.Instance, CanAdmin)
	if err = cmp.Or(err, notOwn(inst.ID)); err != nil {
		return Erasure{}, err
	}
	q.Instance = inst.ID
	release, err := s.queries.take(ctx)
	if err != nil {
		return Erasure{}, err
	}
	events, err := s.Queries.Find(ctx, q, commitlog.MaxRedacted)
	release()
	if err != nil {
		return Erasure{}, err
	}
	if len(events) == 0 {
		return Erasure{}, fault.New(fault.NotFound, "no event matches: nothing is to be redacted")
	}
	shards := map[int]bool{}
	for _, e := range events {
		shards[e.Place.Shard] = true
	}
	e := Erasure{Events: len(events), ErasureState: commitlog.ErasureState{Shards: len(shards)}}
	if e.ID, err = s.Log.Redact(ctx, inst.ID, events, payload); err != nil {
		return e, err
	}
	return s.ordered(ctx, inst.ID, e)
}

// ordered completes what is said of an erasure that was just ordered, and records
// it.
func (s *Service) ordered(ctx context.Context, instance string, e Erasure) (Erasure, error) {
	e.Ordered = event.ToMicros(s.Now())
	e.Versioned = s.versioned(ctx)
	value := map[string]any{"instance": instance, "id": e.ID}
	if e.Hash != "" {
		value["streamSha256"] = e.Hash
	} else {
		value["events"] = e.Events
	}
	return e, s.Record(ctx, "erase", "erasures", e.ID, value)
}

// Erasures returns the erasures of an instance that are under way, and those of
// the last weeks, the oldest first.
func (s *Service) Erasures(ctx context.Context, ref string) ([]Erasure, error) {
	inst, err := s.Instance(ctx, ref, CanAdmin)
	if err != nil {
		return nil, err
	}
	states, err := s.Log.Erasures(ctx, inst.ID)
	if err != nil {
		return nil, err
	}
	versioned := len(states) > 0 && s.versioned(ctx)
	list := make([]Erasure, 0, len(states))
	for _, st := range states {
		list = append(list, Erasure{ErasureState: st, Versioned: versioned})
	}
	return list, nil
}

// Erasure returns one of an instance's erasures. NotFound also for one that was
// carried out long ago.
func (s *Service) Erasure(ctx context.Context, ref, id string) (Erasure, error) {
	list, err := s.Erasures(ctx, ref)
	for _, e := range list {
		if e.ID == id {
			return e, nil
		}
	}
	return Erasure{}, cmp.Or(err, fault.New(fault.NotFound, "instance %q has no erasure %q that is under way or was carried out within the last weeks", shorten(ref), shorten(id)))
}

// versioned reports whether the bucket keeps former versions. Where it does not
// say, the answer about an erasure has to do without.
func (s *Service) versioned(ctx context.Context) bool {
	rules, ok := store.RulesOf(s.Store)
	if !ok {
		return false
	}
	kept, err := rules.Versioned(ctx)
	if err != nil {
		s.Logger.Warn("whether the bucket keeps versions is not known", "error", err)
	}
	return kept
}

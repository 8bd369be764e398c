package commitlog

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Erasure is what an erasure commit orders.
type Erasure struct {
	ID string `json:"id"` // the same in every shard that it concerns
	// Stream is the stream whose events are to be gone; empty for a redaction.
	Stream string `json:"stream,omitempty"`
	// Payload is what stands in the place of redacted payloads. Redacted
	// metadata become {}.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// MaxRedacted bounds the events that one redaction names.
const MaxRedacted = groupEvents

// Redacted is the payload of redacted events where no other was given.
var Redacted = json.RawMessage(`{"redacted":true}`)

// EraseStream orders that all events of a stream that were appended until now
// are forgotten. When it returns they are in no answer any more; compactors
// rewrite the files that hold them. The stream's sequence numbers go on. It
// returns the erasure's id. Unknown when nobody can tell whether it was ordered:
// to order it again does no harm.
func (l *Log) EraseStream(ctx context.Context, instance, stream string) (string, error) {
	inst, err := l.freshInstance(ctx, instance)
	if err != nil {
		return "", err
	}
	e := &Erasure{ID: uuid.NewString(), Stream: stream}
	return e.ID, l.erase(ctx, inst, ShardFor(stream, inst.Shards), e, nil)
}

// Redact orders that the payloads and metadata of events, which need their
// stream, sequence number and place, are forgotten, and replaced by payload (nil
// means [Redacted]) and {}. See [Log.EraseStream]. Of several shards some may have
// taken their part beside an error.
func (l *Log) Redact(ctx context.Context, instance string, events []event.Event, payload json.RawMessage) (string, error) {
	inst, err := l.freshInstance(ctx, instance)
	if err != nil {
		return "", err
	}
	if len(events) > MaxRedacted {
		return "", fault.New(fault.Limit, "one redaction names at most %d events, not %d", MaxRedacted, len(events))
	}
	if payload == nil {
		payload = Redacted
	}
	byShard := map[int][]event.Event{}
	for _, e := range events {
		name := event.Event{Stream: e.Stream, Sequence: e.Sequence, Place: e.Place, Payload: []byte("null"), Metadata: []byte("{}")}
		byShard[e.Place.Shard] = append(byShard[e.Place.Shard], name)
	}
	id := uuid.NewString()
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for shard, names := range byShard {
		group.Go(func() error { return l.erase(gctx, inst, shard, &Erasure{ID: id, Payload: payload}, names) })
	}
	return id, group.Wait()
}

// erase writes one shard's erasure commit.
func (l *Log) erase(ctx context.Context, inst catalog.Instance, shard int, e *Erasure, names []event.Event) error {
	r := newRequest(Batch{Events: names}, inst.Generation, l.now())
	r.erase = e
	return fault.Wrap(l.writer(inst.ID, shard).submit(ctx, r).err, "erasing events of instance %q", inst.ID)
}

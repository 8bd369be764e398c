package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// stored answers an append of which at least one part is stored.
func (a API) stored(req appendRequest, receipt commitlog.Receipt) (answer, error) {
	count := 0
	var failed error
	for _, p := range receipt.Parts {
		if p.Err == nil {
			count += p.Count
		} else if failed == nil || fault.Is(p.Err, fault.Unknown) {
			failed = p.Err
		}
	}
	b := strconv.AppendInt([]byte(`{"count":`), int64(count), 10)
	if !req.minimal {
		b = appendReceipts(append(b, `,"events":`...), receipt.Events)
	}
	if req.minimal || failed != nil {
		b = append(append(b, `,"parts":`...), a.showParts(receipt.Parts)...)
	}
	if receipt.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	ans := answer{status: http.StatusCreated, data: append(b, '}')}
	if failed == nil {
		return ans, nil
	}
	ans.status = http.StatusMultiStatus
	return ans, fault.Wrap(failed, "only a part of the batch is known to be stored, see data.parts")
}

// appendReceipts appends what became of each event, in the order of the
// request; null stands for one that is not known to be stored.
func appendReceipts(b []byte, events []event.Event) []byte {
	b = append(b, '[')
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		e := &events[i]
		if e.Sequence == 0 {
			b = append(b, "null"...)
			continue
		}
		b = appendText(append(b, `{"id":`...), e.EventID())
		b = appendText(append(b, `,"stream_id":`...), e.Stream)
		b = strconv.AppendInt(append(b, `,"sequence_number":`...), e.Sequence, 10)
		b = appendText(append(b, `,"timestamp":`...), e.Time.String())
		b = append(b, '}')
	}
	return append(b, ']')
}

// partJSON is the outcome of one shard's part.
type partJSON struct {
	Shard    int        `json:"shard"`
	Count    int        `json:"count"` // events of the batch that belong to the shard
	Position int64      `json:"position,omitempty"`
	Error    *partError `json:"error,omitempty"`
}

type partError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (a API) showParts(parts []commitlog.Part) []byte {
	list := make([]partJSON, 0, len(parts))
	for _, p := range parts {
		show := partJSON{Shard: p.Shard, Count: p.Count, Position: p.Position}
		if p.Err != nil {
			show.Error = &partError{fault.KindOf(p.Err).String(), front.PublicText(p.Err)}
		}
		list = append(list, show)
	}
	return encode(list)
}

// conflictJSON says where a stream stands that was expected elsewhere.
type conflictJSON struct {
	Stream   string `json:"stream_id"`
	Expected any    `json:"expected"` // a sequence number, or "exists"
	Actual   int64  `json:"actual"`
}

// conflictDetails names the event that took the expected place, if there is
// one and it can be read soon.
func (a API) conflictDetails(ctx context.Context, ref string, c *commitlog.ConflictError) []byte {
	show := conflictJSON{Stream: c.Stream, Expected: int64(c.Expected), Actual: c.Actual}
	if c.Expected < 0 {
		show.Expected = c.Expected.String()
	}
	details := encode(show)
	if c.Expected < 0 || c.Actual <= int64(c.Expected) {
		return details
	}
	if found := a.eventAt(ctx, ref, c.Stream, int64(c.Expected)+1); found != nil {
		details = append(append(details[:len(details)-1], `,"event":`...), found...)
		details = append(details, '}')
	}
	return details
}

// eventAt reads one event by its sequence number, nil when that does not work.
func (a API) eventAt(ctx context.Context, ref, stream string, sequence int64) []byte {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	q := querier.New(ref)
	q.Stream, q.Limit, q.NoTotal = stream, 1, true
	q.Where = []querier.Predicate{{Field: querier.Sequence, Operator: querier.Eq, Values: []querier.Value{querier.Number(sequence)}}}
	res, err := a.Query(ctx, q)
	if err != nil || len(res.Events) != 1 {
		return nil
	}
	return res.Events[0]
}

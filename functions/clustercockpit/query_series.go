package clustercockpit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// list reads the events of one query and type-id.
func (rd *reading) list(ctx context.Context, q *eventsQuery, typeID string) (series, error) {
	out := rd.empty()
	inst, err := rd.instance(ctx, rd.req.Cluster, q.kind(), front.CanQuery)
	if fault.Is(err, fault.NotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	ask := querier.New(inst.ID)
	ask.Stream = q.Host
	if ask.Where, err = q.conditions(typeID); err != nil {
		return out, err
	}
	rd.between(ask)
	ask.OrderBy = []querier.Order{{Field: querier.Timestamp, Desc: q.Order == "desc"}, {Field: querier.Place, Desc: q.Order == "desc"}}
	out.More, err = rd.read(ctx, ask, q.Limit, func(e storedEvent) {
		out.Data = append(out.Data, e.show(q.kind(), rd.req.WithTags))
	})
	return out, err
}

// between adds the time asked for.
func (rd *reading) between(ask *querier.Query) {
	if rd.req.From != nil {
		ask.Where = append(ask.Where, text(querier.Timestamp, querier.Gte, second(*rd.req.From).String()))
	}
	if rd.req.To != nil {
		end := min(second(*rd.req.To)+999_999, event.MaxTime)
		ask.Where = append(ask.Where, text(querier.Timestamp, querier.Lte, end.String()))
	}
}

// conditions returns what the query asks of an event's name, tags and text.
func (q *eventsQuery) conditions(typeID string) ([]querier.Predicate, error) {
	var where []querier.Predicate
	if q.Event != "" {
		where = append(where, text(querier.Type, querier.Eq, q.Event))
	}
	if q.Host == event.DefaultStream {
		// What has no host is in that stream as well.
		where = append(where, text(metadata(hostTag), querier.Eq, q.Host))
	}
	for _, t := range []tag{{"type", q.Type}, {"type-id", typeID}, {"stype", q.SubType}} {
		if t.value != "" {
			where = append(where, text(metadata(t.key), querier.Eq, t.value))
		}
	}
	if len(q.SubTypeIDs) > 0 {
		where = append(where, text(metadata("stype-id"), querier.In, q.SubTypeIDs...))
	}
	for _, key := range slices.Sorted(maps.Keys(q.Tags)) {
		if key == "" || strings.Contains(key, ".") { // no path of the query language
			where = append(where, text(querier.Tags, querier.Contains, key+":"+q.Tags[key]))
			continue
		}
		where = append(where, text(metadata(key), querier.Eq, q.Tags[key]))
	}
	if q.Contains != "" {
		field, err := querier.ParseField("payload." + q.kind().member())
		if err != nil {
			return nil, err
		}
		where = append(where, text(field, querier.Contains, q.Contains))
	}
	return where, nil
}

// metadata returns the field of a tag whose key is not empty and has no dot.
func metadata(key string) querier.Field {
	f, err := querier.ParseField("metadata." + key)
	if err != nil { // longer than a field can be: no event has it
		return querier.Metadata
	}
	return f
}

// text returns a condition on strings.
func text(f querier.Field, op querier.Operator, values ...string) querier.Predicate {
	p := querier.Predicate{Field: f, Operator: op}
	for _, v := range values {
		p.Values = append(p.Values, querier.Text(v))
	}
	return p
}

// read runs a query page by page, up to limit events if that is not 0, and
// reports whether there are more.
func (rd *reading) read(ctx context.Context, ask *querier.Query, limit int, each func(storedEvent)) (more bool, err error) {
	ask.NoTotal = true
	ask.Select = []querier.Field{querier.Timestamp, querier.Payload, querier.Stream, querier.Type, querier.Metadata}
	for left := limit; ; {
		ask.Limit = querier.MaxLimit
		if limit > 0 {
			ask.Limit = min(left, querier.MaxLimit)
		}
		res, err := rd.Query(ctx, ask)
		if err != nil {
			return false, err
		}
		size := 0
		for _, raw := range res.Events {
			size += len(raw)
		}
		if err := rd.hold(ctx, len(res.Events), size); err != nil {
			return false, err
		}
		for _, raw := range res.Events {
			e, err := parseStored(raw)
			if err != nil {
				return false, err
			}
			each(e)
		}
		left -= len(res.Events)
		if res.Cursor == "" || limit > 0 && left == 0 {
			return res.Cursor != "", nil
		}
		ask.Cursor = res.Cursor
	}
}

// storedEvent is an event as the query engine shows it.
type storedEvent struct {
	Stream   string         `json:"stream_id"`
	Type     string         `json:"event_type"`
	Time     time.Time      `json:"timestamp"`
	Payload  jsontext.Value `json:"payload"`
	Metadata jsontext.Value `json:"metadata"`
}

func parseStored(raw jsontext.Value) (storedEvent, error) {
	var e storedEvent
	err := json.Unmarshal(raw, &e, jsontext.AllowDuplicateNames(true))
	return e, err
}

// show returns the event as answers have it. One that came through another door,
// without a text of its kind, shows its whole payload.
func (e *storedEvent) show(k kind, tags bool) shownEvent {
	out := shownEvent{Event: string(e.Payload), Timestamp: e.Time.Unix()}
	var payload struct {
		Event any `json:"event"` // a string, but in events from another door
		Log   any `json:"log"`
	}
	if e.Payload.Kind() == '{' && json.Unmarshal(e.Payload, &payload, jsontext.AllowDuplicateNames(true)) == nil {
		text, ok := payload.Event.(string)
		if k == logKind {
			text, ok = payload.Log.(string)
		}
		if ok {
			out.Event = text
		}
	}
	if tags {
		out.Name, out.Host, out.Tags = e.Type, e.Stream, []byte(e.Metadata)
	}
	return out
}

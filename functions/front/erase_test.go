package front_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// ask answers a query in JSON, whose instance is i, with its events or aggregation.
func (p *process) ask(t testing.TB, query string) *querier.Result {
	t.Helper()
	q, err := querier.Parse([]byte(`{"from":{"instance":"i"},` + query[1:]))
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Query(everything, q)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// shows is the page or aggregation of a query, and its total.
func (p *process) shows(t testing.TB, query string) string {
	t.Helper()
	res := p.ask(t, query)
	return fmt.Sprintf("%s%s %d", res.Events, res.Aggregation, res.Total)
}

// person is an event about somebody.
func person(stream, name string, age int) event.Event {
	return event.Event{Stream: stream, Type: "seen." + stream, Time: event.ToMicros(time.Now()),
		Payload: fmt.Appendf(nil, `{"name":%q,"age":%d}`, name, age), Metadata: fmt.Appendf(nil, `{"by":%q}`, name)}
}

// erasedQueries are questions whose answers must know nothing of what was erased.
var erasedQueries = []string{
	`{"orderBy":{"field":"$place"},"select":["stream_id","sequence_number","payload","metadata"]}`,
	`{"limit":0}`,
	`{"limit":0,"where":[{"field":"payload.name","operator":"eq","value":"alice"}]}`,
	`{"limit":0,"where":[{"field":"payload.name","operator":"eq","value":"carol"}]}`,
	`{"limit":0,"where":[{"field":"metadata.by","operator":"eq","value":"carol"}]}`,
	`{"limit":0,"where":[{"field":"payload.name","operator":"neq","value":"carol"}]}`,
	`{"limit":0,"where":[{"field":"payload.redacted","operator":"eq","value":true}]}`,
	`{"limit":0,"where":[{"field":"payload.age","operator":"gt","value":30}]}`,
	`{"limit":0,"where":[{"field":"event_type","operator":"eq","value":"seen.erased"}]}`,
	`{"reduce":{"type":"count"}}`,
	`{"reduce":{"type":"count","groupBy":["event_type"]}}`,
	`{"reduce":{"type":"count","groupBy":["stream_id"]}}`,
	`{"reduce":{"type":"count","groupBy":["payload.name"]}}`,
	`{"reduce":{"type":"sum","field":"payload.age"}}`,
	`{"reduce":{"type":"max","field":"payload.age","groupBy":["stream_id"]}}`,
	`{"reduce":{"type":"collect","field":"payload.name"}}`,
}

// TestErasedAtOnceAndEverywhere: from the order on, every answer is that of an
// instance in which what was erased never was, in the tail, in files that are not
// rewritten yet, in files that are, and in instances that took it in between.
func TestErasedAtOnceAndEverywhere(t *testing.T) {
	f := func(name string, foldBefore, foldAfter bool) {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				s := store.NewMemory()
				p := open(s)
				p.create(t, catalog.Instance{ID: "i"})
				for n := range 60 { // enough for columns of fields
					p.append(t, person("erased", "alice", 90+n), person("kept", "bob", n%7), person("named", "carol", 50))
				}
				if foldBefore {
					compact(t, s)
				}
				first := p.ask(t, `{"limit":5,"orderBy":{"field":"$place"}}`)
				erasure, err := p.EraseStream(everything, "i", "erased")
				if err != nil || erasure.State() != "pending" {
					t.Fatal(erasure, err)
				}
				q := querier.New("i")
				q.Where = []querier.Predicate{{Field: querier.Stream, Operator: querier.Eq, Values: []querier.Value{querier.Text("named")}}}
				redaction, err := p.Redact(everything, q, nil)
				if err != nil || redaction.Events != 60 {
					t.Fatal(redaction, err)
				}
				p.append(t, person("erased", "dave", 1))
				if foldAfter {
					compact(t, s)
				}

				other := open(store.NewMemory()) // in which it never was
				other.create(t, catalog.Instance{ID: "i"})
				for n := range 60 {
					redacted := person("named", "", 0)
					redacted.Payload, redacted.Metadata = commitlog.Redacted, []byte(`{}`)
					other.append(t, person("kept", "bob", n%7), redacted)
				}
				other.append(t, person("erased", "dave", 1))
				for _, query := range erasedQueries {
					want := strings.ReplaceAll(other.shows(t, query), `"stream_id":"erased","payload":{"name":"dave","age":1},"metadata":{"by":"dave"},"sequence_number":1`,
						`"stream_id":"erased","payload":{"name":"dave","age":1},"metadata":{"by":"dave"},"sequence_number":61`)
					for who, p := range map[string]*process{"the process": p, "another process": open(s)} {
						if got := p.shows(t, query); got != want {
							t.Errorf("%s: %s:\n got %.300s\nwant %.300s", who, query, got, want)
						}
					}
				}
				// A page of before: the next ones know nothing either.
				for cursor := first.Cursor; cursor != ""; {
					page := p.ask(t, `{"limit":50,"orderBy":{"field":"$place"},"cursor":"`+cursor+`"}`)
					text := fmt.Sprintf("%s", page.Events)
					if strings.Contains(text, "alice") || strings.Contains(text, "carol") {
						t.Fatalf("a page of before shows %.300s", text)
					}
					cursor = page.Cursor
				}
			})
		})
	}
	f("in the log", false, false)
	f("in files", true, false)
	f("in files that were rewritten", true, true)
	f("folded after the order", false, true)
}

// TestTailOfErased: a tail with a condition on what was redacted does not tell
// which events had it, in the log and in a replay.
func TestTailOfErased(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		p := open(s)
		p.create(t, catalog.Instance{ID: "i"})
		p.append(t, person("named", "carol", 50), person("kept", "carol", 50))
		q := querier.New("i")
		q.Stream = "named"
		q.Where = []querier.Predicate{{Field: querier.Sequence, Operator: querier.Eq, Values: []querier.Value{querier.Number(1)}}}
		if _, err := p.Redact(everything, q, nil); err != nil {
			t.Fatal(err)
		}
		carol, err := querier.ParseField("payload.name")
		if err != nil {
			t.Fatal(err)
		}
		for _, folded := range []bool{false, true} {
			if folded {
				compact(t, s)
			}
			tail, err := open(s).Queries.Tail(t.Context(), querier.TailQuery{Instance: "i", After: querier.FromStart,
				Where: []querier.Predicate{{Field: carol, Operator: querier.Eq, Values: []querier.Value{querier.Text("carol")}}}})
			if err != nil {
				t.Fatal(err)
			}
			e, err := tail.Next(t.Context())
			if err != nil || e.Stream != "kept" {
				t.Errorf("folded %v: the first is of stream %q, %v", folded, e.Stream, err)
			}
			tail.Close()
		}
	})
}

// TestErasureTakesItsCourse: pending, rewritten, gone, and what is recorded of it.
func TestErasureTakesItsCourse(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		p := open(s)
		p.create(t, catalog.Instance{ID: "i", Shards: 3})
		p.append(t, person("secret-name", "alice", 90), person("a", "x", 1), person("b", "x", 2), person("c", "x", 3))
		compact(t, s)
		ordered, err := p.EraseStream(everything, "i", "secret-name")
		if err != nil {
			t.Fatal(err)
		}
		q := querier.New("i")
		q.Where = []querier.Predicate{{Field: querier.Type, Operator: querier.Neq, Values: []querier.Value{querier.Text("")}}}
		redacted, err := p.Redact(everything, q, json.RawMessage(`"nothing"`))
		if err != nil || redacted.Events != 3 {
			t.Fatal(redacted, err)
		}
		for _, want := range []struct {
			after time.Duration
			state string
		}{{0, "pending"}, {time.Minute, "rewritten"}, {20 * time.Hour, "rewritten"}, {6 * time.Hour, "rewritten"}, {2 * time.Hour, "gone"}} {
			if want.after > 0 {
				time.Sleep(want.after)
				compact(t, s)
			}
			for _, id := range []string{ordered.ID, redacted.ID} {
				e, err := p.Service.Erasure(everything, "i", id)
				if err != nil || e.State() != want.state && !(want.after == 6*time.Hour && e.State() == "gone") {
					t.Errorf("after %v: %s (%+v), %v; want %s", want.after, e.State(), e, err, want.state)
				}
			}
		}
		q = querier.New(front.Own)
		audit, err := p.Query(everything, q)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s", audit.Events)
		if !strings.Contains(text, ordered.ID) || !strings.Contains(text, redacted.ID) || !strings.Contains(text, commitlog.StreamHash("secret-name")) ||
			strings.Contains(text, "secret-name") || strings.Contains(text, "nothing") {
			t.Errorf("recorded is %s", text)
		}
	})
}

func TestWhoMayErase(t *testing.T) {
	p := open(store.NewMemory())
	p.create(t, catalog.Instance{ID: "i"})
	p.append(t, person("a", "x", 1))
	reader := front.WithCaller(context.Background(), front.Caller{Name: "reader", Grants: []front.Grant{{Instances: "*", Rights: front.CanAppend | front.CanQuery}}})
	q := querier.New("i")
	_, err1 := p.EraseStream(reader, "i", "a")
	_, err2 := p.Redact(reader, q, nil)
	_, err3 := p.Erasures(reader, "i")
	for _, err := range []error{err1, err2, err3} {
		if !fault.Is(err, fault.Denied) {
			t.Errorf("without the right to: %v", err)
		}
	}
	if _, err := p.EraseStream(everything, front.Own, "a"); !fault.Is(err, fault.Denied) {
		t.Errorf("erasing what was recorded: %v", err)
	}
	if got := p.ask(t, `{"limit":1}`); got.Total != 1 {
		t.Errorf("%d events are left", got.Total)
	}
}

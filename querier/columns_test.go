package querier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// manyEvents returns events of one shard and day whose payloads have paths of all
// kinds that columns have, and of some that columns cannot hold.
func manyEvents(n int) []event.Event {
	rng := rand.New(rand.NewPCG(3, 5))
	sequence := map[string]int64{}
	events := make([]event.Event, n)
	long := strings.Repeat("a text that is too long for a column ", 12)
	for i := range events {
		stream := fmt.Sprintf("s%03d", rng.IntN(300))
		sequence[stream]++
		payload := fmt.Sprintf(`{"n":%d,"f":%.3f,"ok":%t,"user":"u%d","key":"%016x%x","mixed":%s`,
			rng.IntN(1000), rng.Float64()*10-5, rng.IntN(2) == 0, rng.IntN(50), rng.Uint64(), i, []string{`1`, `"1"`, `[1]`}[rng.IntN(3)])
		if rng.IntN(3) == 0 {
			payload += fmt.Sprintf(`,"some":%s`, []string{`7`, `8`, `null`}[rng.IntN(3)])
		}
		if rng.IntN(3) == 0 {
			payload += fmt.Sprintf(`,"word":"w%d"`, rng.IntN(5))
		}
		payload += `,"text":"` + long + `"`
		events[i] = event.Event{Stream: stream, Type: fmt.Sprintf("t%d", rng.IntN(4)), Sequence: sequence[stream],
			Place: event.Place{Position: 1 + int64(i)/50, Ordinal: int32(i % 50)}, Time: event.Micros(i) * 3_000_000, Ingested: event.Micros(i),
			Payload: []byte(payload + "}"), Metadata: []byte(fmt.Sprintf(`{"source":"m%d"}`, i%3))}
		if i%10 == 0 {
			events[i].ID = fmt.Sprintf("id%d", i)
		}
	}
	return events
}

// TestColumnsAgainstJSON compares answers from shredded columns, and from parts of
// row groups, with those from the JSON of the same events.
func TestColumnsAgainstJSON(t *testing.T) {
	events := manyEvents(20_000)
	plain := &memory{id: "log", hidden: event.MinTime, now: 99}
	plain.addFile(t, events, 3_000)
	shredded := &memory{id: "log", hidden: event.MinTime, now: 99, shred: true}
	shredded.addFile(t, events, 20_000)
	key := refGet(events[777], "payload.key").raw
	for _, query := range []string{
		`"where":[{"field":"stream_id","operator":"eq","value":"s123"}]}`,
		`"where":[{"field":"stream_id","operator":"eq","value":"s123"},{"field":"sequence_number","operator":"between","value":[20,30]}],"select":["payload.n","id","tags"]}`,
		`"where":[{"field":"sequence_number","operator":"lt","value":3}],"orderBy":[{"field":"payload.n","direction":"desc"},{"field":"payload.some"}],"limit":50}`,
		`"where":[{"field":"payload.key","operator":"eq","value":` + key + `}]}`,
		`"where":[{"field":"payload.key","operator":"in","value":["no",` + key + `]}]}`,
		`"where":[{"field":"payload.key","operator":"eq","value":"no"}]}`,
		`"where":[{"field":"id","operator":"in","value":["id70","id71","0.1.20"]}]}`,
		`"where":[{"field":"payload.f","operator":"gt","value":4.99}],"limit":20}`,
		`"where":[{"field":"payload.f","operator":"lte","value":-5}]}`,
		`"where":[{"field":"payload.some","operator":"eq","value":null}],"reduce":{"type":"count"}}`,
		`"where":[{"field":"payload.some","operator":"neq","value":7}],"reduce":{"type":"count","groupBy":["payload.some"]}}`,
		`"where":[{"field":"payload.some","operator":"exists","value":false}],"reduce":{"type":"count"}}`,
		`"where":[{"field":"payload.word","operator":"startsWith","value":"w1"}],"limit":3}`,
		`"where":[{"field":"payload.word","operator":"endsWith","value":"4"},{"field":"payload.user","operator":"matches","value":"^u1.$"}],"reduce":{"type":"count","groupBy":["payload.user","payload.word"]}}`,
		`"where":[{"or":[{"field":"payload.n","operator":"gt","value":990},{"field":"payload.mixed","operator":"eq","value":"1"}]}],"reduce":{"type":"count","groupBy":["payload.ok"]}}`,
		`"where":[{"field":"payload.mixed","operator":"eq","value":1},{"field":"payload.n","operator":"lt","value":100}],"reduce":{"type":"sum","field":"payload.n"}}`,
		`"where":[{"field":"payload.ok","operator":"eq","value":true},{"field":"metadata.source","operator":"neq","value":"m1"}],"reduce":{"type":"avg","field":"payload.n","groupBy":["event_type","metadata.source"]}}`,
		`"reduce":{"type":"count","groupBy":["payload.word"]}}`,
		`"reduce":{"type":"countDistinct","field":"stream_id","groupBy":["payload.user"]}}`,
		`"reduce":{"type":"countDistinct","field":"payload.key","groupBy":["event_type"]}}`,
		`"reduce":{"type":"count","groupBy":[{"field":"timestamp","bucket":"1h"},"event_type"]}}`,
		`"reduce":{"type":"count","groupBy":["payload.n"],"orderBy":[{"field":"count","direction":"desc"}],"limit":5}}`,
		`"reduce":{"type":"min","field":"timestamp","groupBy":["stream_id"],"limit":3}}`,
		`"reduce":{"values":{"s":{"type":"sum","field":"payload.n"},"a":{"type":"avg","field":"payload.n"},"lo":{"type":"min","field":"payload.n"},"hi":{"type":"max","field":"payload.n"},"some":{"type":"count","field":"payload.some"},"all":{"type":"count"}}}}`,
		`"reduce":{"values":{"p":{"type":"p99","field":"payload.n"},"s":{"type":"sum","field":"payload.f"},"first":{"type":"first","field":"payload.user"},"top":{"type":"topK","field":"payload.user","k":3},"hi":{"type":"max","field":"payload.f"}}}}`,
		`"where":[{"field":"payload.n","operator":"eq","value":1000}],"reduce":{"type":"max","field":"payload.word"}}`,
	} {
		want, got := plain.run(t, fromLog+query), shredded.run(t, fromLog+query)
		if got.Total != want.Total || !sameJSON(t, answer(got), answer(want)) {
			t.Errorf("%s\nby columns: %d, %.300s\nby JSON:    %d, %.300s", query, got.Total, answer(got), want.Total, answer(want))
		}
	}
}

func answer(r *Result) string {
	if r.Aggregation != nil {
		return string(r.Aggregation)
	}
	return string(appendList(nil, r.Events, func(b []byte, e jsontext.Value) []byte { return append(b, e...) }))
}

// TestPruning checks what is left unread.
func TestPruning(t *testing.T) {
	events := manyEvents(20_000)
	m := &memory{id: "log", hidden: event.MinTime, now: 99, shred: true}
	m.addFile(t, events, 20_000)
	key := refGet(events[777], "payload.key").raw
	all := m.run(t, fromLog+`"where":[{"field":"payload.mixed","operator":"eq","value":"x"}]}`).Stats
	for _, c := range []struct {
		query   string
		scanned int64 // rows at most
		bytes   int64 // at most this part of what a scan of all reads
	}{
		{`"where":[{"field":"stream_id","operator":"eq","value":"s123"}],"select":["sequence_number"]}`, 8_192, 10},
		{`"where":[{"field":"payload.key","operator":"eq","value":"no"}]}`, 0, all.BytesRead},
		{`"where":[{"field":"payload.n","operator":"gt","value":1000}]}`, 0, all.BytesRead},
		{`"where":[{"field":"payload.key","operator":"eq","value":` + key + `}],"select":["id"]}`, 20_000, 1},
		{`"reduce":{"type":"sum","field":"payload.n"}}`, 0, all.BytesRead},
		{`"reduce":{"type":"p50","field":"payload.f"}}`, 20_000, 4},
		{`"reduce":{"type":"sum","field":"payload.f","groupBy":["payload.user"]}}`, 20_000, 1}, // with what lies between, rather than by two requests
	} {
		s := m.run(t, fromLog+c.query).Stats
		if s.RowsScanned > c.scanned || s.BytesRead*c.bytes > all.BytesRead {
			t.Errorf("%s scanned %d rows and read %d bytes, where reading everything takes %d", c.query, s.RowsScanned, s.BytesRead, all.BytesRead)
		}
	}
}

// TestNeedleByFilter reads of a path that has no column, but filters, the pages of the
// document that may hold the text, also within other conditions.
func TestNeedleByFilter(t *testing.T) {
	events := manyEvents(20_000)
	m := &memory{id: "log", hidden: event.MinTime, now: 99, filter: []string{"payload.key"}}
	m.addFile(t, events, 20_000)
	key := refGet(events[777], "payload.key").raw
	all := m.run(t, fromLog+`"where":[{"field":"payload.mixed","operator":"eq","value":"x"}]}`).Stats
	for _, c := range []struct {
		where             string
		total, rows, part int64 // of the bytes, at most this part
	}{
		{`{"field":"payload.key","operator":"eq","value":` + key + `}`, 1, 8192, 2},
		{`{"field":"key","operator":"in","value":["no",` + key + `]}`, 1, 8192, 2},
		{`{"or":[{"field":"key","operator":"eq","value":` + key + `},{"and":[{"field":"key","operator":"eq","value":"none"},{"field":"n","operator":"gt","value":1}]}]}`, 1, 8192, 2},
		{`{"field":"payload.key","operator":"eq","value":"none"}`, 0, 0, 10},
		{`{"not":{"field":"payload.key","operator":"eq","value":` + key + `}}`, 19_999, 20_000, 1},
		{`{"field":"payload.key","operator":"in","value":[7,` + key + `]}`, 1, 20_000, 1},
		{`{"field":"payload.key","operator":"eq","value":` + strings.ToUpper(key) + `,"ignoreCase":true}`, 1, 20_000, 1},
	} {
		res := m.run(t, fromLog+`"where":[`+c.where+`],"select":["id"],"explain":true}`)
		s := res.Stats
		if res.Total != c.total || s.RowsScanned > c.rows || s.BytesRead*c.part > all.BytesRead*21/20 {
			t.Errorf("%s: total %d, scanned %d rows and read %d bytes of %d", c.where, res.Total, s.RowsScanned, s.BytesRead, all.BytesRead)
		}
		if used := s.Detail.ByFilter > 0; used != (c.part > 1) {
			t.Errorf("%s: %d conditions by filters", c.where, s.Detail.ByFilter)
		}
	}
}

// TestCancelled counts the files that are opened behind the client's leaving.
func TestCancelled(t *testing.T) {
	m := &memory{id: "log", hidden: event.MinTime, now: 99}
	for range 200 {
		m.addFile(t, manyEvents(20), 20)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.onOpen = func() { cancel() }
	q, err := Parse([]byte(fromLog + `"where":[{"field":"payload.n","operator":"gt","value":1}],"reduce":{"type":"count"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(m).Run(ctx, q); err != context.Canceled {
		t.Fatalf("%v, want that it was cancelled", err)
	}
	if n := m.opened.Load(); n > wave { // those that were under way
		t.Errorf("%d files were opened behind it", n)
	}
}

func TestLimits(t *testing.T) {
	m := &memory{id: "log", hidden: event.MinTime, now: 99}
	m.addFile(t, manyEvents(500), 100)
	q, err := Parse([]byte(fromLog + `"where":[{"field":"payload.n","operator":"gt","value":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]Limits{"rows": {Rows: 499}, "bytes": {Bytes: 1}, "memory": {Memory: 1}, "time": {Time: 1}} {
		if _, err := newEngine(m).WithLimits(l).Run(context.Background(), q); !fault.Is(err, fault.Limit) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "memory" {
			continue // a stream holds nothing
		}
		if _, err := newEngine(m).WithLimits(l).Stream(context.Background(), q, -1, func(*Batch) error { return nil }); !fault.Is(err, fault.Limit) {
			t.Errorf("a stream, %s: %v", name, err)
		}
	}
	if _, err := newEngine(m).WithLimits(Limits{Rows: 500, Time: time.Hour}).Run(context.Background(), q); err != nil {
		t.Error(err)
	}
}

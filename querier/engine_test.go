package querier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// byDay makes a log of n days with 50 events each, all in data files.
func byDay(t testing.TB, n int) *memory {
	t.Helper()
	m := &memory{id: "log", hidden: event.MinTime, now: 99}
	for d := range n {
		var events []event.Event
		for i := range 50 {
			seq := int64(d*50 + i)
			events = append(events, event.Event{Stream: fmt.Sprintf("s%02d", i%10), Type: fmt.Sprintf("t%d", i%3),
				Time: event.Micros(d)*dayMicros + event.Micros(i), ID: fmt.Sprintf("e%d", seq), Payload: []byte(fmt.Sprintf(`{"n":%d}`, seq)),
				Metadata: []byte("{}"), Sequence: seq/10 + 1, Place: event.Place{Position: seq + 1}})
		}
		m.addFile(t, events, 10)
	}
	return m
}

// TestReadsNoMoreThanNeeded pins which files and row groups queries read.
func TestReadsNoMoreThanNeeded(t *testing.T) {
	m := byDay(t, 40)
	for _, c := range []struct {
		name, query                     string
		total, considered, files, group int64
	}{
		{"a day", `"where":[{"field":"timestamp","operator":"between","value":["1970-01-03T00:00:00Z","1970-01-03T23:59:59Z"]}]}`, 50, 1, 1, 5},
		{"before all", `"where":[{"field":"timestamp","operator":"lt","value":"1970-01-01T00:00:00Z"}]}`, 0, 0, 0, 0},
		{"a stream", `"where":[{"field":"timestamp","operator":"lt","value":"1970-01-02T00:00:00Z"},{"field":"stream_id","operator":"eq","value":"s04"}]}`, 5, 1, 1, 1},
		{"streams far apart", `"where":[{"field":"timestamp","operator":"lt","value":"1970-01-02T00:00:00Z"},{"field":"stream_id","operator":"in","value":["s00","s09"]}]}`, 10, 1, 1, 2},
		{"a stream that is not there", `"where":[{"field":"stream_id","operator":"eq","value":"t"}]}`, 0, 40, 0, 0},
		{"a type that is not there", `"where":[{"field":"event_type","operator":"contains","value":"x"}]}`, 0, 40, 0, 0},
		{"a sequence", `"where":[{"field":"sequence_number","operator":"eq","value":7}]}`, 10, 40, 1, 5},
		{"another instance", `"where":[{"field":"instanceId","operator":"eq","value":"other"}]}`, 0, 0, 0, 0},
		{"contradiction of ranges", `"where":[{"field":"sequence_number","operator":"gt","value":7},{"field":"sequence_number","operator":"lte","value":7}]}`, 0, 0, 0, 0},
		{"contradiction of values", `"where":[{"field":"event_type","operator":"eq","value":"t0"},{"field":"eventType","operator":"in","value":["t1","t2"]}]}`, 0, 0, 0, 0},
		{"contradiction of types", `"where":[{"field":"n","operator":"gt","value":7},{"field":"payload.n","operator":"lt","value":"z"}]}`, 0, 0, 0, 0},
		{"a type that a column never has", `"where":[{"field":"stream_id","operator":"eq","value":7}]}`, 0, 0, 0, 0},
		{"in nothing", `"where":[{"field":"n","operator":"in","value":[]}]}`, 0, 0, 0, 0},
		{"a total without events", `"limit":0}`, 2000, 40, 0, 0},
		{"a count", `"reduce":{"type":"count"}}`, 2000, 40, 0, 0},
		{"a count of a field that all have", `"reduce":{"type":"count","field":"id"}}`, 2000, 40, 0, 0},
		{"a count by type", `"reduce":{"type":"count","groupBy":["event_type"]}}`, 2000, 40, 0, 0},
		{"a count of types", `"where":[{"field":"event_type","operator":"neq","value":"t0"}],"reduce":{"type":"count"}}`, 1320, 40, 0, 0},
		{"a count of whole days", `"where":[{"field":"timestamp","operator":"gte","value":"1970-01-03T00:00:00Z"}],"reduce":{"type":"count"}}`, 1900, 38, 0, 0},
		{"a count with part of a day", `"where":[{"field":"timestamp","operator":"gte","value":"1970-01-03T00:00:00.00001Z"}],"reduce":{"type":"count"}}`, 1890, 38, 1, 5},
		{"a count by stream", `"reduce":{"type":"count","groupBy":["stream_id"]}}`, 2000, 40, 40, 200},
		{"the newest", `"orderBy":{"field":"timestamp","direction":"desc"},"limit":3}`, 2000, 40, wave, 5 * wave},
		{"the last appended", `"orderBy":{"field":"$place","direction":"desc"},"limit":3}`, 2000, 40, wave, 5 * wave},
		{"the first", `"limit":3}`, 2000, 40, wave, 5 * wave},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.opened.Store(0)
			res := m.run(t, fromLog+c.query)
			s := res.Stats
			if res.Total != c.total || s.FilesConsidered != c.considered || s.FilesRead != c.files || m.opened.Load() != c.files || s.GroupsRead > c.group {
				t.Errorf("total %d, files %d of %d (opened %d), groups %d; want %d, %d of %d, at most %d", res.Total, s.FilesRead, s.FilesConsidered,
					m.opened.Load(), s.GroupsRead, c.total, c.files, c.considered, c.group)
			}
			if s.RowsMatched != c.total || s.RowsScanned > 10*s.GroupsRead || (s.GroupsRead > 0) != (s.BytesRead > 0) {
				t.Errorf("stats do not add up: %+v", s)
			}
		})
	}
}

// TestStatisticsEqualScan compares answers from statistics with those of a scan,
// which a condition on a path forces.
func TestStatisticsEqualScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, hidden := range []event.Micros{event.MinTime, 1_795_300_000_000_000} {
		events := randomLog(rng, 900, 2)
		for i := range events {
			events[i].Type = fmt.Sprintf("t%d", i%4) // few enough for statistics
		}
		m := store(t, rng, events, 0.8, hidden)
		for _, where := range []string{``, `{"field":"event_type","operator":"in","value":["t0","t2"]},`, `{"field":"timestamp","operator":"gt","value":"2026-11-22T00:00:00Z"},`} {
			for _, what := range []string{`"limit":0`, `"reduce":{"type":"count"}`, `"reduce":{"type":"count","groupBy":["event_type"]}`} {
				fast := m.run(t, fromLog+`"where":[`+strings.TrimSuffix(where, ",")+`],`+what+`}`)
				slow := m.run(t, fromLog+`"where":[`+where+`{"field":"nothing","operator":"neq","value":1}],`+what+`}`)
				if fast.Total != slow.Total || string(fast.Aggregation) != string(slow.Aggregation) {
					t.Errorf("%s %s: %d %s by statistics, %d %s by scan", where, what, fast.Total, fast.Aggregation, slow.Total, slow.Aggregation)
				}
				if fast.Stats.FilesRead >= slow.Stats.FilesRead {
					t.Errorf("%s %s: %d files read, %d by scan", where, what, fast.Stats.FilesRead, slow.Stats.FilesRead)
				}
			}
		}
	}
}

// TestSameAnswerForAnySchedule wants the same bytes whatever runs at once.
func TestSameAnswerForAnySchedule(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	m := store(t, rng, randomLog(rng, 1500, 3), 0.5, event.MinTime)
	for _, query := range []string{
		`"reduce":{"type":"sum","field":"f","groupBy":["event_type"]}}`, `"reduce":{"type":"avg","field":"f"}}`,
		`"reduce":{"type":"min","field":"a","groupBy":["payload.b"]}}`, `"reduce":{"type":"collect","field":"a"}}`,
		`"orderBy":{"field":"timestamp","direction":"desc"},"limit":20}`,
	} {
		q, err := Parse([]byte(fromLog + query))
		if err != nil {
			t.Fatal(err)
		}
		first := ""
		for round := range 20 {
			e := newEngine(m)
			e.workers = 1 + round%8
			res, err := e.Run(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			res.Stats = Stats{}
			if got := string(res.AppendJSON(nil)); first == "" {
				first = got
			} else if got != first {
				t.Fatalf("%s\nonce  %s\nagain %s", query, first, got)
			}
		}
	}
}

func TestCancel(t *testing.T) {
	m := byDay(t, 100)
	ctx, cancel := context.WithCancel(context.Background())
	m.onOpen = cancel
	q := New("log")
	q.OrderBy = []Order{{Field: Sequence}}
	_, err := newEngine(m).Run(ctx, q)
	if !errors.Is(err, context.Canceled) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("cancelled, and %v", err)
	}
	if n := m.opened.Load(); n == 0 || n > wave {
		t.Errorf("%d files were opened", n)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	m := byDay(t, 3)
	m.bodies["f1"] = []byte("PAR1 but no more")
	if _, err := newEngine(m).Run(context.Background(), New("log")); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a damaged file gives %v", err)
	}
	if _, err := newEngine(m).Run(context.Background(), New("other")); !fault.Is(err, fault.NotFound) {
		t.Errorf("no instance gives %v", err)
	}
	bad := New("log")
	bad.Where = []Predicate{{Field: Type, Operator: "like", Values: []Value{Text("x")}}}
	if _, err := newEngine(m).Run(context.Background(), bad); !fault.Is(err, fault.Invalid) {
		t.Errorf("a query made wrongly gives %v", err)
	}
}

// TestQueryMadeInGo builds what an HTTP listing asks for.
func TestQueryMadeInGo(t *testing.T) {
	m := byDay(t, 2)
	q := New("log")
	q.Stream = "s03"
	q.Where = []Predicate{
		{Field: Type, Operator: Eq, Values: []Value{Text("t1")}},
		{Field: Timestamp, Operator: Lt, Values: []Value{Text("1970-01-02T00:00:00Z")}},
		{Field: Sequence, Operator: Gt, Values: []Value{Number(1)}},
	}
	q.OrderBy = []Order{{Field: Place, Desc: true}}
	res, err := newEngine(m).Run(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(res); got != "e43 e13" {
		t.Errorf("found %s", got)
	}
	again, err := Parse([]byte(q.String()))
	if err != nil || again.String() != q.String() {
		t.Errorf("its JSON %s reads as %v, %v", q, again, err)
	}
}

func TestResultJSON(t *testing.T) {
	m := payloads(t, `{"a": 1}`, `{}`)
	res := m.run(t, fromLog+`"select":["a"],"limit":1}`)
	cursor := res.Cursor
	res.Stats = Stats{FilesRead: 1, Duration: 1500}
	want := `{"events":[{"payload":{"a":1}}],"limit":1,"offset":0,"total":2,"cursor":"` + cursor + `","stats":{"files_considered":0,"files_read":1,` +
		`"groups_considered":0,"groups_read":0,"pages_considered":0,"pages_read":0,"rows_scanned":0,"rows_matched":0,"bytes_read":0,"requests":0,"tail_commits":0,"milliseconds":0.001}}`
	if got := string(res.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	res = m.run(t, fromLog+`"reduce":{"type":"count"}}`)
	if got := string(res.AppendJSON(nil)); !strings.HasPrefix(got, `{"aggregation":2,"total":2,"stats":{`) {
		t.Errorf("got %s", got)
	}
}

// TestExplain looks at the stages and at what was considered, ruled out or not.
func TestExplain(t *testing.T) {
	m := byDay(t, 3)
	d := m.run(t, fromLog+`"where":[{"field":"sequence_number","operator":"eq","value":7}],"reduce":{"type":"countDistinct","field":"id"},"explain":true}`).Stats.Detail
	var bytes int64
	for _, f := range m.files {
		bytes += f.Bytes
	}
	if d.BytesConsidered != bytes || bytes == 0 {
		t.Errorf("%d bytes are considered, want %d", d.BytesConsidered, bytes)
	}
	if d.Open <= 0 || d.Scan <= 0 || d.Merge <= 0 {
		t.Errorf("stages were not measured: %+v", d)
	}
}

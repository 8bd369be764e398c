package querier

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	arrays "github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// streamed returns what a writer made of a stream.
func (m *memory) streamed(t *testing.T, query string, most int64, to func(*bytes.Buffer) BatchWriter) (string, error) {
	t.Helper()
	q, err := Parse([]byte(fromLog + query))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var buf bytes.Buffer
	w := to(&buf)
	if _, err := newEngine(m).Stream(context.Background(), q, most, w.Write); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), nil
}

func asNDJSON(b *bytes.Buffer) BatchWriter { return NewNDJSON(b) }
func asCSV(b *bytes.Buffer) BatchWriter    { return NewCSV(b) }
func asArrow(b *bytes.Buffer) BatchWriter  { return NewArrow(b) }

// TestStreamAgainstRun compares streams with the pages of the same queries:
// unordered ones as sets, in full and in part.
func TestStreamAgainstRun(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	events := randomLog(rng, 700, 2)
	m := store(t, rng, events, 0.7, event.MinTime)
	m.addFile(t, manyEvents(9_000), 9_000)
	for _, c := range []struct {
		where string
		order string
	}{{``, ``}, {`"where":[{"field":"n","operator":"lt","value":300}],`, ``}, {`"where":[{"field":"n","operator":"lt","value":300}],"select":["id","n","b.a"],`, ``},
		{`"where":[{"field":"n","operator":"lt","value":300}],`, `"orderBy":[{"field":"timestamp","direction":"desc"}],`},
		{`"where":[{"field":"stream_id","operator":"eq","value":"none"}],`, ``}} {
		query := c.where + c.order + `"offset":5,"limit":10000}`
		want := m.run(t, fromLog+query)
		most := int64(-1)
		if c.order != "" {
			most = MaxLimit
		}
		text, err := m.streamed(t, query, most, asNDJSON)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		got := strings.Fields(strings.ReplaceAll(text, " ", "_"))
		if c.order == "" { // which ones are skipped is open, how many is not
			if len(got) != len(want.Events) {
				t.Errorf("%s: %d events, want %d", query, len(got), len(want.Events))
			}
			all := m.run(t, fromLog+strings.Replace(query, `"offset":5,`, "", 1))
			want = all
			text, _ = m.streamed(t, strings.Replace(query, `"offset":5,`, "", 1), -1, asNDJSON)
			got = strings.Fields(strings.ReplaceAll(text, " ", "_"))
		}
		var lines []string
		for _, e := range want.Events {
			e = e.Clone()
			if err := e.Compact(compactly...); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.Fields(strings.ReplaceAll(string(e), " ", "_"))...)
		}
		if c.order == "" {
			slices.Sort(lines)
			slices.Sort(got)
		}
		if !slices.Equal(got, lines) {
			t.Errorf("%s: the stream has %d lines that differ from the page's %d", query, len(got), len(lines))
		}
		few, err := m.streamed(t, query, 3, asNDJSON)
		if err != nil || strings.Count(few, "\n") != min(3, len(want.Events)) {
			t.Errorf("%s: three events are %s, %v", query, few, err)
		}
	}
}

func TestStreamFormats(t *testing.T) {
	m := &memory{id: "log", hidden: event.MinTime, now: 99, shred: true}
	m.addFile(t, manyEvents(1_000), 1_000)
	query := `"select":["timestamp","sequence_number","payload.some","payload.user"],"where":[{"field":"stream_id","operator":"eq","value":"s123"}],"orderBy":{"field":"sequence_number"}}`
	text, err := m.streamed(t, query, 100, asCSV)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(lines) < 2 || strings.Join(lines[0], "|") != "timestamp|sequence_number|payload.some|payload.user" {
		t.Fatalf("CSV %v, %v", lines, err)
	}
	body, err := m.streamed(t, query, 100, asArrow)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ipc.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	row := 1
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			sequence := rec.Column(1).(*arrays.Int64).Value(i)
			if fmt.Sprint(sequence) != lines[row][1] || rec.Column(3).(*arrays.String).Value(i) != lines[row][3] {
				t.Errorf("row %d: Arrow %v, CSV %v", row, rec, lines[row])
			}
			row++
		}
	}
	if r.Err() != nil || row != len(lines) {
		t.Errorf("%d rows as Arrow, %d as CSV, %v", row, len(lines), r.Err())
	}
	text, err = m.streamed(t, `"reduce":{"values":{"n":{"type":"count"},"a":{"type":"avg","field":"payload.n"}},"groupBy":["payload.ok"]}}`, -1, asCSV)
	if err != nil || !strings.HasPrefix(text, "payload.ok,n,a\nfalse,") || strings.Count(text, "\n") != 3 {
		t.Errorf("groups are %q, %v", text, err)
	}
	if _, err := m.streamed(t, `"orderBy":{"field":"n"}}`, -1, asCSV); !fault.Is(err, fault.Limit) {
		t.Errorf("an order without a limit: %v", err)
	}
}

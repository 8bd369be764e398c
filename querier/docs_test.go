package querier

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
)

// fences returns the blocks of a kind in a page of Markdown.
func fences(page, kind string) []string {
	var out []string
	for _, block := range strings.Split(page, "\n```"+kind+"\n")[1:] {
		body, _, _ := strings.Cut(block, "\n```")
		out = append(out, body)
	}
	return out
}

// documented returns the log of the page's events.
func documented(t *testing.T, page string) *memory {
	t.Helper()
	var events []event.Event
	for i, line := range strings.Split(fences(page, "events")[0], "\n") {
		var e struct {
			Stream  string          `json:"stream_id"`
			Type    string          `json:"event_type"`
			Time    time.Time       `json:"timestamp"`
			Payload json.RawMessage `json:"payload"`
			Tags    []string        `json:"tags"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, event.Event{Stream: e.Stream, Type: e.Type, Time: event.ToMicros(e.Time), Payload: e.Payload, Tags: e.Tags,
			Metadata: []byte("{}"), Sequence: int64(i) + 1, Ingested: event.ToMicros(e.Time), Place: event.Place{Position: int64(i) + 1}})
	}
	m := store(t, rand.New(rand.NewPCG(1, 1)), events, 0.5, event.MinTime)
	m.now = event.ToMicros(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	return m
}

// TestDocumentation runs the examples of docs/query.md.
func TestDocumentation(t *testing.T) {
	body, err := os.ReadFile("../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	m := documented(t, page)
	examples := 0
	for _, block := range fences(page, "firn") {
		query := ""
		for _, line := range strings.Split(block, "\n") {
			want, isAnswer := strings.CutPrefix(line, "=> ")
			if !isAnswer {
				query = line
				continue
			}
			examples++
			q, err := ParseText("from log " + query)
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			res := m.run(t, q.String())
			got := string(res.Aggregation)
			if q.Reduce == nil {
				all, _ := json.Marshal(res.Events)
				got = string(all)
			}
			if !sameJSON(t, got, want) {
				t.Errorf("%s\nanswers %s\nnot     %s", query, got, want)
			}
		}
	}
	for _, query := range fences(page, "json") {
		examples++
		m.id = "shop"
		if q, err := Parse([]byte(query)); err != nil {
			t.Errorf("%s: %v", query, err)
		} else if res := m.run(t, q.String()); res.Total == 0 {
			t.Errorf("%s finds nothing", query)
		}
	}
	if examples < 25 {
		t.Errorf("only %d examples were found", examples)
	}
}

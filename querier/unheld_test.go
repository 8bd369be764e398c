package querier_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// TestTailBeyondMemory compares queries over a tail that a view does not hold with
// those over one that it does, and pins what reading it costs: a request for each
// commit that statistics do not rule out.
func TestTailBeyondMemory(t *testing.T) {
	const commits, guessed = 60, 16
	s := store.NewCounted(store.NewMemory())
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "log", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range commits {
		var b commitlog.Batch
		for j := range 20 {
			n := 20*i + j
			b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", n%7), Type: fmt.Sprint("t", n%3), Metadata: []byte("{}"),
				Time: event.ToMicros(day.Add(time.Duration(n) * time.Minute)), Payload: fmt.Appendf(nil, `{"n":%d,"k":"%x"}`, n, n*n*7919)})
		}
		if _, err := log.Append(t.Context(), "log", b); err != nil {
			t.Fatal(err)
		}
	}
	other := commitlog.Open(s)
	other.HoldTail(0)
	held, unheld := querier.NewEngine(log), querier.NewEngine(other)
	run := func(e *querier.Engine, text string) *querier.Result {
		t.Helper()
		q, err := querier.ParseText("from log " + text)
		if err != nil {
			t.Fatal(err)
		}
		res, err := e.Run(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return res
	}
	run(unheld, "| count") // the first look keeps those that it guesses
	const far, uncounted = commits - guessed, -1
	for _, c := range []struct {
		text     string
		requests int64
	}{
		{`| count by type`, far},
		{`n > 100 | count, countDistinct stream, sum n by type`, far},
		{`stream = s3 | sort n desc | limit 7`, uncounted},
		{`k contains "7" | sort timestamp | limit 1000`, uncounted},
		{`since 2026-11-01T18:00:00Z until 2026-11-01T18:50:00Z | count by stream`, 3},
		{`since 2026-12-01 | count`, 0},
	} {
		want, got := run(held, c.text), run(unheld, c.text)
		if want.Stats.RowsMatched != got.Stats.RowsMatched || !bytes.Equal(want.Aggregation, got.Aggregation) || len(want.Events) != len(got.Events) || want.Total != got.Total {
			t.Errorf("%s: %d of %d and %s, want %d of %d and %s", c.text, len(got.Events), got.Total, got.Aggregation, len(want.Events), want.Total, want.Aggregation)
		}
		for i := range want.Events {
			if !bytes.Equal(want.Events[i], got.Events[i]) {
				t.Errorf("%s: event %d is %s, want %s", c.text, i, got.Events[i], want.Events[i])
			}
		}
		if c.requests != uncounted && got.Stats.Requests != c.requests || want.Stats.Requests > 0 {
			t.Errorf("%s: %d requests, want %d", c.text, got.Stats.Requests, c.requests)
		}
	}
}

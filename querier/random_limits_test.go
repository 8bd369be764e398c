package querier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// checkStats wants what a query cost to add up: nothing is read that was not
// considered, and what matched is the total, where that was counted.
func checkStats(t *testing.T, query string, res *Result) {
	t.Helper()
	s := &res.Stats
	d := s.Detail
	if (d != nil) != strings.Contains(query, `"explain":true`) {
		t.Fatalf("%s\nexplained: %+v", query, d)
	}
	bad := s.FilesRead > s.FilesConsidered || s.GroupsRead > s.GroupsConsidered || s.PagesRead > s.PagesConsidered ||
		res.Total >= 0 && s.RowsMatched != res.Total && res.Cursor == ""
	if d != nil {
		bad = bad || d.Requests < s.Requests || d.RowsConsidered < s.RowsScanned || s.Shares == 0 && d.RowsCounted+s.RowsScanned < s.RowsMatched ||
			d.BytesConsidered > 0 != (s.FilesConsidered > 0) || d.ByFilter > d.ByJSON+s.GroupsConsidered*MaxConditions
	}
	if bad {
		t.Fatalf("%s\nstats do not add up: %+v\n%+v", query, *s, d)
	}
}

// randomLimits returns the limits that a query asks for: some that it cannot come to,
// and some that it may.
func randomLimits(rng *rand.Rand, events int) (text string, l Limits, partial bool) {
	l.Time = time.Hour
	text = `"seconds":3600`
	if rng.IntN(2) == 0 {
		l.Rows = int64(pick(rng, []int{1, 20, 200, events, 2 * events}))
		text += fmt.Sprintf(`,"rows":%d`, l.Rows)
	}
	if rng.IntN(4) == 0 {
		l.Bytes = int64(pick(rng, []int{1, 3_000, 50_000, 1 << 30}))
		text += fmt.Sprintf(`,"bytes":%d`, l.Bytes)
	}
	if rng.IntN(4) == 0 {
		l.Groups = pick(rng, []int{1, 3, 30, 3000})
		text += fmt.Sprintf(`,"groups":%d`, l.Groups)
	}
	if rng.IntN(6) == 0 {
		l.Memory = int64(pick(rng, []int{200, 5_000, 1 << 28}))
		text += fmt.Sprintf(`,"memory":%d`, l.Memory)
	}
	if partial = rng.IntN(2) == 0; partial {
		text += `,"partial":true`
	}
	return text, l, partial
}

// TestLimitsAgainstReference asks random queries with limits. An answer that is not
// marked as partial is the whole one; a partial one has nothing that is not in it,
// and says which limit it came to; an error names a limit that the query can have
// come to.
func TestLimitsAgainstReference(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 9))
	logs, queries := 4, 150
	if testing.Short() {
		logs, queries = 2, 60
	}
	came := map[string]int{}
	for i := range logs {
		events := randomLog(rng, 200+rng.IntN(400), 1+i%3)
		m := store(t, rng, events, []float64{0.9, 0.5, 1, 0}[i%4], event.MinTime)
		m.now = pick(rng, events).Time
		for range queries {
			text, l, partial := randomLimits(rng, len(events))
			query := randomQuery(rng, events)
			asked := fmt.Sprintf(`{"limits":{%s},"explain":%t,%s`, text, rng.IntN(2) == 0, query[1:])
			came[compareLimited(t, m, events, query, asked, l, partial)]++
		}
	}
	t.Logf("%v", came)
	if came["whole"] == 0 || came["partial"] == 0 || came["error"] == 0 {
		t.Error("something never happened")
	}
}

// compareLimited compares the answer to a query, asked with limits, with the
// reference, and returns what came.
func compareLimited(t *testing.T, m *memory, events []event.Event, query, asked string, l Limits, partial bool) string {
	t.Helper()
	q, err := Parse([]byte(asked))
	if err != nil {
		t.Fatalf("%s: %v", asked, err)
	}
	want := refRun(events, m.hidden, m.now, query)
	res, err := newEngine(m).Run(context.Background(), q)
	if err != nil {
		var cut *reached
		if !fault.Is(err, fault.Limit) || partial && errors.As(err, &cut) {
			t.Fatalf("%s: %v", asked, err)
		}
		mustHaveCome(t, asked, err.Error(), l, len(events))
		return "error"
	}
	checkStats(t, asked, res)
	if res.Partial == nil {
		sameAnswer(t, asked, res, want)
		return "whole"
	}
	if !partial || len(res.Partial) != 1 || res.Cursor != "" || res.Total > int64(want.total) || !strings.Contains(string(res.AppendJSON(nil)), `"partial":["the query `) {
		t.Fatalf("%s\nis cut: %q, total %d of %d, cursor %q", asked, res.Partial, res.Total, want.total, res.Cursor)
	}
	mustHaveCome(t, asked, res.Partial[0], l, len(events))
	all := map[string]bool{}
	for _, e := range refRun(events, m.hidden, m.now, endless(t, query)).events {
		all[canonical(t, e)] = true
	}
	for _, e := range res.Events {
		if !all[canonical(t, string(e))] {
			t.Fatalf("%s\nthe partial answer has %s, which does not match", asked, e)
		}
	}
	return "partial"
}

// mustHaveCome wants a message to name a limit that a query over so many events can
// have come to.
func mustHaveCome(t *testing.T, asked, message string, l Limits, events int) {
	t.Helper()
	switch {
	case strings.Contains(message, "scans more than") && l.Rows > 0 && l.Rows < int64(events):
	case strings.Contains(message, "reads more than") && l.Bytes > 0 && l.Bytes < 1<<30:
	case strings.Contains(message, "groups") && l.Groups > 0 && l.Groups < events:
	case strings.Contains(message, "bytes of memory") && l.Memory > 0 && l.Memory < 1<<28:
	default:
		t.Fatalf("%s\nwith %+v over %d events: %s", asked, l, events, message)
	}
}

// endless returns a query for all events that match.
func endless(t *testing.T, query string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(query), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "offset")
	members["limit"] = json.RawMessage("10000")
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// canonical returns JSON with its members in one order and without blanks.
func canonical(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

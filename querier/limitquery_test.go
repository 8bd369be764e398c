package querier

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// TestQueriesAskForLowerLimits wants each limit that a query can ask for to hold,
// in both forms of the language, and the operator's to hold where it is lower.
func TestQueriesAskForLowerLimits(t *testing.T) {
	m := byDay(t, 8)
	for text, message := range map[string]string{
		`n >= 0 | count | within rows 40`:               "scans more than 40 events",
		`n >= 0 | count | within bytes 10`:              "reads more than 10 bytes",
		`| count by n | within groups 399`:              "more than 399 groups",
		`| count by n | within memory 2000`:             "needs more than 2000 bytes",
		`n >= 0 | count | within rows 400, groups 1`:    "",
		`n >= 0 | count | within seconds 60, rows 9999`: "scans more than 300 events",
		`| sort n | limit 50 | within memory 300`:       "needs more than 300 bytes",
	} {
		e := newEngine(m)
		if strings.Contains(text, "9999") {
			e = e.WithLimits(Limits{Rows: 300})
		}
		byText, err := ParseText("from log " + text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		byJSON, err := Parse([]byte(byText.String()))
		if err != nil || byJSON.Text() != byText.Text() {
			t.Fatalf("%s: %v\n%s", text, err, byText)
		}
		for _, q := range []*Query{byText, byJSON} {
			_, err := e.Run(context.Background(), q)
			if (err != nil) != (message != "") || err != nil && (!fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), message)) {
				t.Errorf("%s: %v, want %q", text, err, message)
			}
		}
	}
}

// TestPartialAnswers wants what was found until a limit, marked as such, and whole
// answers unmarked.
func TestPartialAnswers(t *testing.T) {
	m := byDay(t, 8)
	ask := func(text string) *Result {
		t.Helper()
		q, err := ParseText("from log " + text)
		if err != nil {
			t.Fatal(err)
		}
		res, err := newEngine(m).Run(context.Background(), q)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return res
	}
	for _, text := range []string{`n >= 0 | count | within rows 95, partial`, `n >= 0 | limit 1000 | within rows 95, partial`, `n >= 0 | count | within bytes 2000, partial`} {
		res := ask(text)
		if len(res.Partial) != 1 || !strings.Contains(string(res.AppendJSON(nil)), `"partial":["the query `) || res.Total >= 400 || res.Cursor != "" {
			t.Errorf("%s: %v, total %d, cursor %q", text, res.Partial, res.Total, res.Cursor)
		}
	}
	if res := ask(`n >= 0 | limit 3 | within rows 400, partial`); res.Partial != nil || res.Total != 400 || res.Cursor == "" {
		t.Errorf("all of it: %v, total %d", res.Partial, res.Total)
	}
	q, _ := ParseText("from log n >= 0 | count | within seconds 60, partial")
	late := &run{plan: &plan{q: q}, began: time.Now().Add(-time.Hour), limits: q.Limits}
	if err := late.cut(late.check()); err != nil || len(late.partial) != 1 || !strings.Contains(late.partial[0], "longer than 1m0s") {
		t.Errorf("too late: %v, %v", err, late.partial)
	}
	if _, err := newEngine(m).Stream(context.Background(), q, -1, func(*Batch) error { return nil }); !fault.Is(err, fault.Invalid) {
		t.Errorf("a stream: %v", err)
	}
}

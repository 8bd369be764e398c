package main

import (
	"os"
	"regexp"
	"testing"
)

// Firn and DuckDB answer every question alike; the figures do not matter here.
func TestAnswersAgree(t *testing.T) {
	b := &bench{Events: 20_000, Runs: 1, Dir: t.TempDir()}
	if err := b.queries(t.Context(), generated(b.Events)); err != nil {
		t.Fatal(err)
	}
	if len(b.report.Rows) != 13 { // two sizes, how fast that was compacted, two beside a tenth of the events, and eight warm ones
		t.Errorf("%d rows are reported, want 13", len(b.report.Rows))
	}
}

// Answers that differ are noticed.
func TestAnswersDiffer(t *testing.T) {
	s := &shape{columns: []column{{"name", exact}, {"p", within}}}
	a := answer{{"x", 100.0}}
	for _, c := range []struct {
		b    answer
		want string
	}{
		{answer{{"x", 100.9}}, ""},
		{answer{{"x", 102.0}}, "row 0, p: 102, not 100"},
		{answer{{"y", 100.0}}, `row 0, name: "y", not "x"`},
		{answer{}, "0 rows, not 1"},
	} {
		if got := s.differs(a, c.b); got != c.want {
			t.Errorf("%v: %q, want %q", c.b, got, c.want)
		}
	}
}

// A report has the same rows in JSON and in Markdown.
func TestReport(t *testing.T) {
	r := report{Command: "bench"}
	r.add(row{Work: "w", Unit: "ms", Firn: figureRef(2), Peers: map[string]figure{"Peer": figureOf(3, 1, 4)}})
	prefix := t.TempDir() + "/r"
	if err := r.save(prefix); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{".md": `\| w \| ms \| 2 \| Peer 3 \| 0\.67 \|`, ".json": `"median": 3,\s+"min": 1,\s+"max": 4`} {
		body, err := os.ReadFile(prefix + name)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(want).Match(body) {
			t.Errorf("%s does not match %s:\n%s", name, want, body)
		}
	}
}

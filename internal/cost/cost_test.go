package cost

import (
	"flag"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/firnlog/firn/infra"
)

var update = flag.Bool("update", false, "write the tables into docs/cost.md")

// The page has the very tables that this package makes.
func TestPage(t *testing.T) {
	const page = "../../docs/cost.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tables := Tables()
	want := regexp.MustCompile(`(?s)(<!-- table (\w+) -->\n).*?(<!-- end -->)`).ReplaceAllStringFunc(string(text), func(part string) string {
		m := regexp.MustCompile(`<!-- table (\w+) -->`).FindStringSubmatch(part)
		table := tables[m[1]]
		if table == "" {
			t.Errorf("there is no table %q, or it stands twice", m[1])
		}
		delete(tables, m[1])
		return m[0] + "\n" + table + "<!-- end -->"
	})
	if len(tables) > 0 {
		t.Errorf("the page lacks tables: %v", tables)
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("docs/cost.md has other tables: go test ./internal/cost -update writes them")
	}
}

// The memory that is reckoned with is what the template gives.
func TestMemory(t *testing.T) {
	template, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	functions, err := template.Functions()
	if err != nil {
		t.Fatal(err)
	}
	for name, gb := range map[string]float64{"ingest": ingestGB, "query": queryGB, "compact": compactGB} {
		if got := float64(functions[name].MemorySize) / 1024; got != gb {
			t.Errorf("%s has %v GB, and the bill reckons with %v", name, got, gb)
		}
	}
}

// one is a bill of one position at prices of 1, all else being nothing.
func TestArithmetic(t *testing.T) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9*max(1, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	f := DefaultFigures
	f.Events, f.Batch, f.Shards, f.StreamsOfBatch = 1000, 10, 4, 2
	near("commits to two of four shards", f.commits(), 200)
	f.StreamsOfBatch = 9
	near("commits to all four", f.commits(), 400)
	f.Way = "queue"
	near("gathered", f.commits(), 100.0/500*4)
	f.Gather = 50
	near("gathered by fifties", f.commits(), 100.0/50*4)
	f.RetentionDays = 73
	near("months", f.months(), 2.4)
	near("stored", f.storage(&Prices{Storage: 1}).Dollars, 1000*500/1e9*0.2*2.4)
	near("requests", (&Prices{Put: 5, Get: 1}).requests(1000, Requests{Put: 1, List: 2, Get: 3}), 18)
	near("invocations", (&Prices{Invocation: 1e6, Compute: 1}).invocations(2, 3, 4), 2+24)
	f = DefaultFigures
	f.Events, f.Way, f.Queries = 0, "server", 0
	b := Reckon(f, Prices{Put: 1000, Get: 1000})
	runs := hours * 60 / 5
	near("a month of nothing: looks of the writer, and of the compactor", b.Total, hours*3+runs*23)
	near("nothing for a million of no events", b.PerMillion, 0)
}

// More of anything never costs less.
func TestGrows(t *testing.T) {
	for name, more := range map[string]func(f *Figures){
		"events": func(f *Figures) { f.Events *= 2 }, "bytes": func(f *Figures) { f.EventBytes *= 2 }, "batch": func(f *Figures) { f.Batch /= 2 },
		"streams": func(f *Figures) { f.StreamsOfBatch *= 2 }, "instances": func(f *Figures) { f.Instances *= 2 }, "shards": func(f *Figures) { f.Shards *= 2 },
		"retention": func(f *Figures) { f.RetentionDays = 500 }, "queries": func(f *Figures) { f.Queries *= 2 }, "gets": func(f *Figures) { f.QueryGets *= 2 },
		"runs": func(f *Figures) { f.CompactMinutes /= 2 }, "time": func(f *Figures) { f.AppendMS, f.QueryMS = 100, 300 }, "slowness": func(f *Figures) { f.CompactMB /= 2 },
	} {
		for _, way := range []string{"direct", "queue", "server"} {
			f := DefaultFigures
			f.Way, f.Shards, f.StreamsOfBatch = way, 4, 2
			before := Reckon(f, DefaultPrices).Total
			more(&f)
			after := Reckon(f, DefaultPrices).Total
			if after < before || after == before && !(way != "direct" && name == "time") {
				t.Errorf("%s, more %s: %v after %v", way, name, after, before)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	f := func(want string, change func(f *Figures)) {
		t.Helper()
		figures := DefaultFigures
		change(&figures)
		if err := figures.Check(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f("", func(*Figures) {})
	f("batch 0", func(f *Figures) { f.Batch = 0 })
	f("events -1", func(f *Figures) { f.Events = -1 })
	f("shards NaN", func(f *Figures) { f.Shards = math.NaN() })
	f("events +Inf", func(f *Figures) { f.Events = math.Inf(1) })
}

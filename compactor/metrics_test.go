package compactor

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// What is told of tables is what their newest snapshots name.
func TestMetricsOfTables(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(commitlog.Open(store.NewMemory()), registry)
	f := func(id string, days []snapshot.Day, files, dayFiles, runs float64) {
		t.Helper()
		m.committed(id, &snapshot.Snapshot{Days: days, Shards: []snapshot.Shard{{Heads: make([]snapshot.Run, 2), Keys: make([]snapshot.Run, 1)}}})
		told, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{"firn_compactor_files": files, "firn_compactor_day_files": dayFiles, "firn_compactor_runs": runs}
		for _, family := range told {
			name := family.GetName()
			if n, ok := want[name]; ok && family.Metric[0].GetGauge().GetValue() != n {
				t.Errorf("%s is %v, want %v", name, family.Metric[0].GetGauge().GetValue(), n)
			}
			delete(want, name)
		}
		if len(want) > 0 {
			t.Errorf("%v is not told", want)
		}
	}
	f("a", []snapshot.Day{{Day: "2026-10", Count: 90}, {Day: "2026-11-21", Count: 3}, {Day: "2026-11-22", Count: 7}}, 100, 7, 3)
	f("b", []snapshot.Day{{Day: "2026-11-22", Count: 5}}, 105, 7, 6)
	f("a", []snapshot.Day{{Day: "2026-11-22", Count: 1}}, 6, 5, 6)
}

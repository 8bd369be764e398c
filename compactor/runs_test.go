package compactor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// lookUpHead returns where a stream stands by the runs, in which the newest entry counts.
func lookUpHead(t *testing.T, s store.Store, runs []snapshot.Run, stream string) int64 {
	t.Helper()
	for _, r := range runs {
		part := snapshot.PartOf(stream, r.Count())
		heads, err := snapshot.ReadRun[snapshot.Head](t.Context(), s, r, part)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heads {
			if h.Stream == stream {
				return h.Sequence
			}
		}
	}
	return 0
}

// However runs are merged and cut, each stream stands where it was put last, and
// the runs are few.
func TestRunsKeepEveryStream(t *testing.T) {
	s, rng := store.NewMemory(), rand.New(rand.NewPCG(3, 4))
	want := map[string]int64{}
	var runs []snapshot.Run
	most := 0
	for round := range 12 {
		last := map[string]int64{}
		for range []int{1, 300, 9_000, 30_000}[rng.IntN(4)] {
			stream := fmt.Sprint("stream-", rng.IntN(40_000))
			want[stream]++
			last[stream] = want[stream]
		}
		var entries []snapshot.Head
		for stream, n := range last {
			entries = append(entries, snapshot.Head{Stream: stream, Sequence: n})
		}
		var err error
		if runs, err = foldRun(t.Context(), s, layout.NewHeads("i", 0), runs, entries, event.Micros(round), nil); err != nil {
			t.Fatal(err)
		}
		for i, r := range runs {
			most = max(most, r.Count())
			if i > 0 && r.Rows < runGrowth*runs[i-1].Rows {
				t.Errorf("round %d: a run of %d entries stands behind one of %d", round, r.Rows, runs[i-1].Rows)
			}
		}
		checked := 0
		for stream, n := range want {
			if got := lookUpHead(t, s, runs, stream); got != n {
				t.Fatalf("round %d: %s stands at %d, not %d", round, stream, got, n)
			}
			if checked++; checked == 50 { // in a random order
				break
			}
		}
	}
	if most < 4 {
		t.Errorf("the largest run had %d parts: the test is void", most)
	}
}

// A run is cut by what its merge takes in; much of that may be replaced, so that
// the next run has fewer parts than one that it takes in.
func TestRunsInFewerPartsKeepEveryStream(t *testing.T) {
	s := store.NewMemory()
	var runs []snapshot.Run
	for round, streams := range []int{5_400, 2_800, 2_750} {
		entries := make([]snapshot.Head, streams)
		for i := range entries {
			entries[i] = snapshot.Head{Stream: fmt.Sprint("stream-", i), Sequence: int64(round + 1)}
		}
		var err error
		if runs, err = foldRun(t.Context(), s, layout.NewHeads("i", 0), runs, entries, event.Micros(round), nil); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 2, 1}[round]; len(runs) != 1 || runs[0].Count() != want || runs[0].Rows != 5_400 {
			t.Fatalf("round %d: %+v, want one run of 5,400 in %d parts", round, runs, want)
		}
	}
	for i := range 5_400 {
		want := int64(1)
		if i < 2_800 {
			want = 2
		}
		if i < 2_750 {
			want = 3
		}
		if i%50 == 0 || i >= 2_740 && i < 2_810 {
			if got := lookUpHead(t, s, runs, fmt.Sprint("stream-", i)); got != want {
				t.Fatalf("stream-%d stands at %d, not %d", i, got, want)
			}
		}
	}
}

// readMeter counts what is read of heads.
type readMeter struct {
	store.Store
	gets, bytes atomic.Int64
}

func (m *readMeter) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	o, err := m.Store.Get(ctx, key, r)
	if err == nil && strings.Contains(key, "/heads/") {
		m.gets.Add(1)
		m.bytes.Add(o.Size)
	}
	return o, err
}

// A million streams in a shard: the size of their heads, what folds write of
// them, and what it costs a process that knows nothing to append to one stream,
// or to a thousand.
func BenchmarkHeads(b *testing.B) {
	const streams, fold = 1_000_000, 20_000 // distinct streams in each fold
	for b.Loop() {
		s := &metered{Store: store.NewMemory()}
		l := newLog(b, s, 1)
		rng := rand.New(rand.NewPCG(5, 6))
		var runs []snapshot.Run
		var err error
		folds := 0
		for n := 0; n < 2*streams; n += fold { // first new streams only, then known ones
			entries := make([]snapshot.Head, fold)
			for i := range entries {
				stream := n + i
				if n >= streams {
					stream = i*(streams/fold) + rng.IntN(streams/fold)
				}
				entries[i] = snapshot.Head{Stream: gen.Account(stream), Sequence: int64(n + 1)}
			}
			if runs, err = foldRun(b.Context(), s, layout.NewHeads("i", 0), runs, entries, event.Micros(n), nil); err != nil {
				b.Fatal(err)
			}
			folds++
		}
		var rows, bytes, parts int64
		for _, r := range runs {
			rows, bytes, parts = rows+r.Rows, bytes+r.Bytes, parts+int64(r.Count())
		}
		b.ReportMetric(float64(bytes)/float64(rows), "B/entry")
		b.ReportMetric(float64(bytes)/(1<<20), "MB")
		b.ReportMetric(float64(len(runs)), "runs")
		b.ReportMetric(float64(parts), "objects")
		b.ReportMetric(float64(s.kinds[3].Load())/float64(folds)/1024, "KB/fold")
		b.ReportMetric(float64(s.puts.Load())/float64(folds), "puts/fold")
		commitRuns(b, l, runs)
		for _, k := range []int{1, 1_000} {
			m := &readMeter{Store: s.Store}
			var batch commitlog.Batch
			for i := range k {
				batch.Events = append(batch.Events, event.Event{Stream: gen.Account(i), Type: "t", Payload: []byte("1"), Metadata: []byte("{}"), Time: 1})
			}
			if _, err := commitlog.Open(m).Append(b.Context(), "i", batch); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(m.gets.Load()), fmt.Sprintf("gets/append%d", k))
			b.ReportMetric(float64(m.bytes.Load())/1024, fmt.Sprintf("KB/append%d", k))
		}
	}
}

// commitRuns makes a snapshot that names runs of heads, as if what they are of
// was folded at position 1.
func commitRuns(b *testing.B, l *commitlog.Log, runs []snapshot.Run) {
	b.Helper()
	table := l.Table("i")
	seen, err := table.Look(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	e := snapshot.Edit{Shards: []snapshot.ShardEdit{{To: snapshot.Shard{Folded: 1, Heads: runs}}}}
	next, ok, err := table.Apply(b.Context(), &snapshot.Snapshot{}, e)
	if err != nil || !ok {
		b.Fatal(ok, err)
	}
	if _, err := table.Commit(b.Context(), seen, next); err != nil {
		b.Fatal(err)
	}
}

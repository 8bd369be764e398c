package querier_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// spoiling is a store that damages what it reads of data files, while told so.
type spoiling struct {
	store.Store
	on bool
}

func (s *spoiling) Get(ctx context.Context, key string, r store.Range) (*store.Object, error) {
	o, err := s.Store.Get(ctx, key, r)
	if err == nil && s.on && strings.Contains(key, "/data/") {
		o.Body = struct {
			*strings.Reader
			nothing
		}{strings.NewReader(strings.Repeat("x", int(r.Length))), nothing{}}
	}
	return o, err
}

type nothing struct{}

func (nothing) Close() error { return nil }

// compacted returns a log of three days of events in one data file each, with so
// many random letters in each event, and counts what its store is asked.
func compacted(t *testing.T, letters int) (*commitlog.Log, *store.Counted, *spoiling) {
	t.Helper()
	bad := &spoiling{Store: store.NewMemory()}
	counted := store.NewCounted(bad)
	log := commitlog.Open(counted)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "log", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		noise := make([]byte, letters)
		for j := range noise {
			noise[j] = 'a' + byte(rng.IntN(26))
		}
		at, _ := event.ParseTime(fmt.Sprintf("2026-11-0%dT10:00:00Z", 1+i%3))
		events = append(events, event.Event{Stream: fmt.Sprint("s", i%7), Type: "t", Time: at, Metadata: []byte("{}"),
			Payload: fmt.Appendf(nil, `{"n":%d,"key":"%x","noise":["%s"]}`, i, i*i*7919, noise)})
	}
	if _, err := log.Append(t.Context(), "log", commitlog.Batch{Events: events}); err != nil {
		t.Fatal(err)
	}
	if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), "log"); err != nil {
		t.Fatal(err)
	}
	return log, counted, bad
}

// noisy makes pages so large that they are not kept with a file's end.
const noisy = 2_000

// TestLittleFilesAreKept pins that files whose pages are little beside their ends
// are read once, however they are asked: each by one request.
func TestLittleFilesAreKept(t *testing.T) {
	_, counted, _ := compacted(t, 0)
	engine := querier.NewEngine(commitlog.Open(counted))
	for i, want := range []int64{3, 0, 0} {
		q, err := querier.ParseText([]string{`from log stream=s3 | sum n`, `from log n >= 0 | countDistinct stream`, `from log n >= 299`}[i])
		if err != nil {
			t.Fatal(err)
		}
		res, err := engine.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if res.Stats.Requests != want || (res.Stats.BytesRead > 0) != (want > 0) || res.Stats.RowsMatched == 0 {
			t.Errorf("query %d: %+v, want %d requests", i, res.Stats, want)
		}
	}
}

// TestWhatQueriesCost pins the requests of queries over three data files in a
// process that knows their footers, and of the first one, which does not.
func TestWhatQueriesCost(t *testing.T) {
	_, counted, bad := compacted(t, noisy)
	log := commitlog.Open(counted)
	engine := querier.NewEngine(log)
	ask := func(text string) (querier.Stats, int64) {
		t.Helper()
		q, err := querier.ParseText("from log " + text)
		if err != nil {
			t.Fatal(err)
		}
		before := counted.Counts()
		res, err := engine.Run(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return res.Stats, counted.Counts().Get - before.Get
	}
	if _, err := log.Pin(t.Context(), "log"); err != nil { // settings and snapshot
		t.Fatal(err)
	}
	const scan = `n >= 0 | countDistinct stream`
	for i, c := range []struct {
		text string
		gets int64 // of data files
	}{
		{scan, 3}, // the first one reads three small files whole
		{scan, 3},
		{`| count by type`, 0},
		{`| count`, 0},
		{`| max n`, 0},
		{`n > 1000 | count`, 0}, // by the statistics of row groups
		{`stream=nobody`, 0},
		{`stream=s3 since 2026-11-02 until 2026-11-03 | count`, 1 + 1}, // the stream's bloom filter, and its column
		{`stream=s3 since 2026-11-02 until 2026-11-03 | count`, 1},
	} {
		stats, gets := ask(c.text)
		if gets != c.gets || stats.Requests != c.gets || (stats.BytesRead > 0) != (c.gets > 0) {
			t.Errorf("%d: %s: %d requests, %d by the stats with %d bytes, want %d", i, c.text, gets, stats.Requests, stats.BytesRead, c.gets)
		}
	}
	bad.on = true
	if _, gets := ask(`| count by type`); gets != 0 {
		t.Errorf("%d requests", gets)
	}
}

// TestDamageIsNotKept reads damaged data files, and the same once they are whole
// again: what was damaged was never taken for good.
func TestDamageIsNotKept(t *testing.T) {
	for letters, kept := range map[int]bool{0: true, noisy: false} {
		_, counted, bad := compacted(t, letters)
		engine := querier.NewEngine(commitlog.Open(counted))
		q, err := querier.ParseText("from log n >= 0 | countDistinct key, sum n")
		if err != nil {
			t.Fatal(err)
		}
		for i, damaged := range []bool{true, true, false, true, false} { // the fourth knows the footers, or all of the files
			bad.on = damaged
			res, err := engine.Run(t.Context(), q)
			if fails := damaged && !(kept && i == 3); fails && !fault.Is(err, fault.Corrupt) {
				t.Fatalf("%d letters, damaged: %v", letters, err)
			} else if !fails && (err != nil || string(res.Aggregation) != `{"countDistinct":300,"sum":44850}`) {
				t.Fatalf("%d letters, whole: %v, %v", letters, res, err)
			}
		}
	}
}

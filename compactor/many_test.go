package compactor

import (
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// manyFiles puts entries of files that do not exist into the table of instance i:
// so many, all large enough to be left alone, and of long ago.
func manyFiles(t *testing.T, l *commitlog.Log, n int) {
	t.Helper()
	table := l.Table("i")
	var e snapshot.Edit
	for i := range n {
		at := event.Micros(i%2_000) * microsDay
		e.Add = append(e.Add, snapshot.File{Key: layout.NewData("i", at.Day(), 0), Rows: 1, Bytes: DefaultTarget, MinTime: at, MaxTime: at, MinPosition: 1, MaxPosition: 1})
	}
	e.Shards = []snapshot.ShardEdit{{To: snapshot.Shard{Folded: 1, Time: 1}}}
	seen, err := table.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := table.Apply(t.Context(), &snapshot.Snapshot{}, e)
	if err != nil {
		t.Fatal(err)
	}
	if won, err := table.Commit(t.Context(), seen, next); err != nil || !won {
		t.Fatal(won, err)
	}
}

// mustHaveFiles checks how many files the table names.
func mustHaveFiles(t *testing.T, l *commitlog.Log, want int) {
	t.Helper()
	v, _, err := l.PinNewest(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for _, d := range v.Days() {
		got += d.Count
	}
	if got != want {
		t.Errorf("the table has %d files, want %d", got, want)
	}
}

// mustDropFew checks that no snapshot drops more data files than so many.
func mustDropFew(t *testing.T, l *commitlog.Log, most int) {
	t.Helper()
	for n := int64(1); ; n++ {
		snap, err := l.Table("i").Read(t.Context(), n)
		if fault.Is(err, fault.NotFound) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		dropped := 0
		for _, key := range snap.Dropped {
			if strings.HasPrefix(key, layout.Data("i")) {
				dropped++
			}
		}
		if dropped > most {
			t.Errorf("snapshot %d drops %d files", n, dropped)
		}
	}
}

// A snapshot lists all that it drops, so that steps must be bounded by files, too:
// else what is too much for one could never be dropped.
func TestManyFilesExpire(t *testing.T) {
	l := newLog(t, store.NewMemory(), 1)
	mustAppend(t, l, commitlog.Batch{Events: []event.Event{{Stream: "s", Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte(`1`), Metadata: []byte(`{}`)}}})
	manyFiles(t, l, 12_000)
	days := 1
	if _, err := l.UpdateInstance(t.Context(), "i", commitlog.Update{RetentionDays: &days}); err != nil {
		t.Fatal(err)
	}
	c := &Compactor{Log: l}
	if r := mustRun(t, c); r.FilesExpired != 12_000 {
		t.Errorf("%d files expired", r.FilesExpired)
	}
	mustHaveFiles(t, l, 0)
	mustDropFew(t, l, removesAtOnce)
}

func TestManyFilesAreDeletedWithTheirInstance(t *testing.T) {
	l := newLog(t, store.NewMemory(), 1)
	mustAppend(t, l, commitlog.Batch{Events: []event.Event{{Stream: "s", Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte(`1`), Metadata: []byte(`{}`)}}})
	manyFiles(t, l, 12_000)
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, &Compactor{Log: l})
	mustHaveFiles(t, l, 0)
	mustDropFew(t, l, removesAtOnce)
}

func TestOldErasuresAreForgotten(t *testing.T) {
	var st snapshot.Shard
	for i := range int64(5) {
		st.Erasures = append(st.Erasures, snapshot.Erasure{Position: 10 + i, Rewritten: 1, Gone: 2})
	}
	st.Erasures = append(st.Erasures, snapshot.Erasure{Position: 20})
	to, changed := settled(st, st, 3, 2)
	if !changed || len(to.Erasures) != 3 || to.Erasures[0].Position != 13 || to.ErasedBefore != 12 {
		t.Errorf("%v %+v", changed, to)
	}
}

// TestStepsDropFewFiles merges, and then erases, the files of several days.
func TestStepsDropFewFiles(t *testing.T) {
	defer func(n int) { removesAtOnce = n }(removesAtOnce)
	removesAtOnce = 10
	const days, files = 6, 8
	l := newLog(t, store.NewMemory(), 1)
	c := &Compactor{Log: l}
	for range files {
		var b commitlog.Batch
		for day := range days {
			b.Events = append(b.Events, event.Event{Stream: "s", Type: "t", Time: event.Micros(day) * microsDay, Payload: []byte(`1`), Metadata: []byte(`{}`)})
		}
		mustAppend(t, l, b)
		if err := c.fold(t.Context(), "i", &Report{}); err != nil {
			t.Fatal(err)
		}
	}
	mustHaveFiles(t, l, days*files)
	mustRun(t, c)
	mustHaveFiles(t, l, days)
	removesAtOnce = 2
	if _, err := l.EraseStream(t.Context(), "i", "s"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, c)
	mustHaveFiles(t, l, 0)
	mustDropFew(t, l, 10)
}

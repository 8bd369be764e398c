package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// other is an instance beside [instance] that holds events of the same streams
// and times under the same numbers.
const other = "other"

// Two days of events.
var (
	dayOne = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	dayTwo = dayOne.Add(24 * time.Hour)
)

// wholeBucket fills a bucket in memory with every kind of object, two of each at
// least, in both instances.
func wholeBucket(t *testing.T) store.Store {
	t.Helper()
	s := store.NewMemory()
	for _, id := range []string{instance, other} {
		log := commitlog.Open(s)
		if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: id}); err != nil {
			t.Fatal(err)
		}
		var many []string
		for i := range 20 {
			many = append(many, fmt.Sprintf("s%02d", i))
		}
		for n := range 5 { // more than twice the keys and streams of the next, so that their runs stay
			twoDays(t, log, id, fmt.Sprint("first", n), many...)
		}
		fold(t, log, id)
		twoDays(t, log, id, "second", "a", "b")
		fold(t, log, id)
		moveOut(t, log, id)
		for n := range 4 {
			twoDays(t, log, id, fmt.Sprint("tail", n), "a", "s05")
		}
	}
	about := "so that the catalog's last state matters to neither"
	if _, err := commitlog.Open(s).UpdateInstance(t.Context(), other, commitlog.Update{Description: &about}); err != nil {
		t.Fatal(err)
	}
	return s
}

// twoDays appends an event of each of the two days to each of the streams, with
// the name as the idempotency key.
func twoDays(t *testing.T, log *commitlog.Log, id, name string, streams ...string) {
	t.Helper()
	if _, err := log.Append(t.Context(), id, batchOf(id, name, streams...)); err != nil {
		t.Fatal(err)
	}
}

func batchOf(id, name string, streams ...string) commitlog.Batch {
	b := commitlog.Batch{Key: name, Hash: "h"}
	for i, day := range []time.Time{dayOne, dayTwo} {
		for _, e := range eventsOf(fmt.Sprint(name, ".", i), streams...) {
			e.Time, e.Metadata = event.ToMicros(day), fmt.Appendf(nil, `{"in":%q}`, id)
			b.Events = append(b.Events, e)
		}
	}
	return b
}

func fold(t *testing.T, log *commitlog.Log, id string) {
	t.Helper()
	if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// moveOut commits a snapshot with the first day's files in a manifest, as they
// are where they are many.
func moveOut(t *testing.T, log *commitlog.Log, id string) {
	t.Helper()
	table := log.Table(id)
	seen, err := table.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := newest(t, log, id)
	d := &next.Days[0]
	key := layout.NewManifest(id)
	body, err := json.Marshal(snapshot.Manifest{Format: snapshot.Format, Key: key, Day: d.Day, Files: d.Files, Seal: seal.Blank})
	if err != nil {
		t.Fatal(err)
	}
	seal.Seal(body)
	put(t, log.Store(), key, body)
	d.Manifest, d.Files, next.Dropped = key, nil, nil
	if won, err := table.Commit(t.Context(), seen, next); err != nil || !won {
		t.Fatal(won, err)
	}
}

// newest returns an instance's newest snapshot.
func newest(t *testing.T, log *commitlog.Log, id string) *snapshot.Snapshot {
	t.Helper()
	table := log.Table(id)
	seen, err := table.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := table.Read(t.Context(), seen.Number)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s store.Store, key string, body []byte) {
	t.Helper()
	if _, err := s.Put(context.Background(), key, bytes.NewReader(body), store.Always); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	body, _, err := store.ReadAll(context.Background(), s, key)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(body)
}

// keysUnder returns all keys with a prefix, in their order.
func keysUnder(t *testing.T, s store.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for after, more := "", true; more; {
		page, err := s.List(t.Context(), store.ListOptions{Prefix: prefix, StartAfter: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			keys, after = append(keys, o.Key), o.Key
		}
		more = page.More
	}
	return keys
}

// copyTo copies every object of a bucket.
func copyTo(t *testing.T, to, from store.Store) store.Store {
	t.Helper()
	for _, key := range keysUnder(t, from, "") {
		if !strings.HasPrefix(key, "probe/") {
			put(t, to, key, get(t, from, key))
		}
	}
	return to
}

// object is one object of a bucket, and others of its kind that may be taken for
// it.
type object struct {
	kind string
	key  string
	like []string
}

// objects returns one of each kind that the instance needs now. The data file
// is the one of the first day and the streams a and b.
func objects(t *testing.T, s store.Store) []object {
	t.Helper()
	log := commitlog.Open(s)
	here, there := newest(t, log, instance), newest(t, log, other)
	states := keysUnder(t, s, layout.Catalog)
	snapshots := keysUnder(t, s, layout.Snapshots(instance))
	tail := here.Shards[0].Folded + 2
	file := dataFiles(t, log, instance, here)
	st, like := here.Shards[0], there.Shards[0]
	if len(st.Heads) < 2 || len(st.Keys) < 2 {
		t.Fatalf("%d runs of heads and %d of keys", len(st.Heads), len(st.Keys))
	}
	return []object{
		{"catalog", states[0], states[1:2]},
		{"snapshot", here.Key, []string{snapshots[1], there.Key}},
		{"commit", layout.Commit(instance, 0, tail), []string{layout.Commit(instance, 0, tail+1), layout.Commit(other, 0, tail)}},
		{"manifest", here.Days[0].Manifest, []string{there.Days[0].Manifest}},
		{"heads", st.Heads[1].Key, []string{st.Heads[0].Key, like.Heads[1].Key}},
		{"keys", st.Keys[1].Key, []string{st.Keys[0].Key, like.Keys[1].Key}},
		{"data", file[1], []string{file[0], dataFiles(t, log, other, there)[1]}},
	}
}

// dataFiles returns the keys of the first day's data files, oldest first.
func dataFiles(t *testing.T, log *commitlog.Log, id string, s *snapshot.Snapshot) []string {
	t.Helper()
	files, err := log.Table(id).Files(t.Context(), s.Days[0])
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	slices.SortFunc(files, func(a, b snapshot.File) int { return int(a.MinPosition - b.MinPosition) })
	return []string{files[0].Key, files[1].Key}
}

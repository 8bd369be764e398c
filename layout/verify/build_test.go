package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/verify"
)

// batch returns n random events of the last days, over a few streams.
func batch(rng *rand.Rand, n, days int) commitlog.Batch {
	var b commitlog.Batch
	for range n {
		e := event.Event{
			Stream: fmt.Sprint("stream-", rng.IntN(12)), Type: fmt.Sprint("t", rng.IntN(3)), Metadata: []byte(`{"from":"test"}`),
			Time:    event.ToMicros(time.Now().Add(-time.Duration(rng.Int64N(int64(days) * int64(24*time.Hour))))),
			Payload: fmt.Appendf(nil, `{"n":%d}`, rng.Int()),
		}
		if rng.IntN(4) == 0 {
			e.ID, e.Tags = fmt.Sprint("id", rng.Int()), []string{"x", fmt.Sprint(rng.IntN(5))}
		}
		b.Events = append(b.Events, e)
	}
	if rng.IntN(2) == 0 {
		b.Key, b.Hash = fmt.Sprint("key-", rng.Int()), "h"
	}
	return b
}

// bucket is a bucket under test.
type bucket struct {
	t testing.TB
	s store.Store
}

// ticking is a store in which no two objects are stored at the same time.
type ticking struct{ store.Store }

func (s ticking) Put(ctx context.Context, key string, body store.Body, c store.Condition) (store.Receipt, error) {
	time.Sleep(time.Millisecond)
	return s.Store.Put(ctx, key, body, c)
}

func (b bucket) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b bucket) log() *commitlog.Log { return commitlog.Open(b.s) }

func (b bucket) create(id string, shards, days int) {
	b.t.Helper()
	_, err := b.log().CreateInstance(b.t.Context(), catalog.Instance{ID: id, Shards: shards, RetentionDays: days})
	b.must(err)
}

func (b bucket) append(l *commitlog.Log, id string, batch commitlog.Batch) {
	b.t.Helper()
	_, err := l.Append(b.t.Context(), id, batch)
	b.must(err)
}

func (b bucket) compact(id string) {
	b.t.Helper()
	_, err := (&compactor.Compactor{Log: b.log()}).Run(b.t.Context(), id)
	b.must(err)
}

func (b bucket) verify(opts verify.Options) *verify.Report {
	b.t.Helper()
	r, err := verify.Run(b.t.Context(), b.s, opts)
	b.must(err)
	return r
}

func (b bucket) mustBeClean() *verify.Report {
	b.t.Helper()
	r := b.verify(verify.Options{})
	if !r.OK() {
		b.t.Fatalf("faults:\n%s", text(r))
	}
	return r
}

func text(r *verify.Report) string {
	var out strings.Builder
	r.WriteText(&out)
	return out.String()
}

// fill makes a bucket of all that there is: "plain" keeps events for ever, in
// one shard, with a tail and a manifest; "short" has retention and three
// shards; "again" was deleted and made again; "gone" is deleted; "void" was
// deleted and made again, with the drop not folded yet.
func (b bucket) fill() {
	rng := rand.New(rand.NewPCG(7, 7))
	b.create("plain", 1, 0)
	b.create("short", 3, 1)
	for _, id := range []string{"again", "gone", "void"} {
		b.create(id, 2, 0)
		b.append(b.log(), id, batch(rng, 30, 2))
		b.compact(id)
		_, err := b.log().DeleteInstance(b.t.Context(), id)
		b.must(err)
		if id != "void" {
			b.compact(id)
		}
	}
	b.create("again", 2, 0)
	b.create("void", 2, 0)
	b.append(b.log(), "void", batch(rng, 20, 2))
	l := b.log()
	for round := range 20 {
		for _, id := range []string{"plain", "short", "again"} {
			for range 1 + rng.IntN(3) {
				b.append(l, id, batch(rng, 1+rng.IntN(40), 3))
			}
			if round%5 != 4 {
				b.compact(id)
			}
		}
		time.Sleep(3 * time.Hour)
	}
	for range 3 {
		b.append(l, "plain", batch(rng, 10, 3))
	}
	b.compact("plain")
	time.Sleep(time.Minute)
	for range 5 {
		b.append(l, "plain", batch(rng, 10, 3))
	}
	b.moveOut("plain", 1)
}

// filled returns a copy of the same filled bucket each time.
func filled(t testing.TB) bucket {
	t.Helper()
	if full == nil {
		bubble.Run(t.(*testing.T), func(t *testing.T) {
			b := bucket{t, ticking{store.NewMemory()}}
			b.fill()
			full = b.s.(ticking).Store
		})
	}
	return bucket{t, full}.clone()
}

var full store.Store

// clone copies the bucket in the order in which its objects were stored.
func (b bucket) clone() bucket {
	to := bucket{b.t, store.NewMemory()}
	b.copyTo(to)
	return to
}

func (b bucket) copyTo(to bucket) {
	infos := b.list("")
	slices.SortFunc(infos, func(x, y store.Info) int { return x.Modified.Compare(y.Modified) })
	for _, o := range infos {
		to.put(o.Key, b.get(o.Key))
	}
}

func (b bucket) list(prefix string) []store.Info {
	var all []store.Info
	for after := ""; ; {
		page, err := b.s.List(context.Background(), store.ListOptions{Prefix: prefix, StartAfter: after})
		b.must(err)
		all = append(all, page.Objects...)
		if !page.More {
			return all
		}
		after = page.Objects[len(page.Objects)-1].Key
	}
}

func (b bucket) get(key string) []byte {
	b.t.Helper()
	body, _, err := store.ReadAll(context.Background(), b.s, key)
	b.must(err)
	return slices.Clone(body)
}

func (b bucket) put(key string, body []byte) {
	_, err := b.s.Put(context.Background(), key, bytes.NewReader(body), store.Always)
	b.must(err)
}

func (b bucket) remove(key string) string {
	b.must(b.s.Delete(context.Background(), key))
	return key
}

// newest returns the newest snapshot of an instance.
func (b bucket) newest(id string) (*snapshot.Snapshot, string) {
	b.t.Helper()
	key := b.list(layout.Snapshots(id))[0].Key
	s := &snapshot.Snapshot{}
	b.must(json.Unmarshal(b.get(key), s))
	return s, key
}

// putJSON stores a value whose seal is blank.
func (b bucket) putJSON(key string, v any) string {
	body, err := json.Marshal(v)
	b.must(err)
	seal.Seal(body)
	b.put(key, body)
	return key
}

// editSnapshot changes the newest snapshot and returns its key.
func (b bucket) editSnapshot(id string, edit func(*snapshot.Snapshot)) string {
	s, key := b.newest(id)
	edit(s)
	s.Seal = seal.Blank
	return b.putJSON(key, s)
}

// moveOut moves a day's files into a manifest.
func (b bucket) moveOut(id string, day int) string {
	key := layout.NewManifest(id)
	b.editSnapshot(id, func(s *snapshot.Snapshot) {
		d := &s.Days[day]
		b.putJSON(key, snapshot.Manifest{Format: 1, Key: key, Day: d.Day, Files: d.Files, Seal: seal.Blank})
		d.Manifest, d.Files = key, nil
	})
	return key
}

// aFile returns a data file of the newest snapshot with at least 10 rows.
func (b bucket) aFile(id string) (day, file int, f snapshot.File) {
	b.t.Helper()
	s, _ := b.newest(id)
	for i, d := range s.Days {
		for j, f := range d.Files {
			if f.Rows >= 10 {
				return i, j, f
			}
		}
	}
	b.t.Fatal("no file is large enough")
	return
}

func rows(t testing.TB, f *segment.File, shard int) []event.Event {
	t.Helper()
	var out []event.Event
	for _, g := range f.Groups() {
		batch, err := g.Read(segment.AllColumns)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batch.Rows() {
			out = append(out, batch.Event(i, shard))
		}
	}
	return out
}

// rewrite replaces a data file by one of other events, and all that is said
// of it by what is true of them, and then claims what is not. It returns its key.
func (b bucket) rewrite(id string, edit func([]event.Event) []event.Event, claim func(*snapshot.File)) string {
	b.t.Helper()
	i, j, f := b.aFile(id)
	body := b.get(f.Key)
	file, err := segment.Open(bytes.NewReader(body), int64(len(body)))
	b.must(err)
	entry, body := encode(b.t, f, edit(rows(b.t, file, f.Shard)))
	b.put(f.Key, body)
	claim(&entry)
	b.editSnapshot(id, func(s *snapshot.Snapshot) {
		d := &s.Days[i]
		d.Files[j] = entry
		d.Rows += entry.Rows - f.Rows
		d.Bytes += entry.Bytes - f.Bytes
		for t := range f.Types {
			d.Types[t] -= f.Types[t]
		}
		for t := range entry.Types {
			d.Types[t] += entry.Types[t]
		}
		for t, n := range d.Types {
			if n == 0 {
				delete(d.Types, t)
			}
		}
		d.MinTime, d.MaxTime = event.MaxTime, event.MinTime
		for _, f := range d.Files {
			d.MinTime, d.MaxTime = min(d.MinTime, f.MinTime), max(d.MaxTime, f.MaxTime)
		}
	})
	return f.Key
}

// encode writes a data file in the place of another, with all statistics true.
func encode(t testing.TB, old snapshot.File, events []event.Event) (snapshot.File, []byte) {
	t.Helper()
	var buf bytes.Buffer
	w := segment.NewWriter(&buf, true, map[string]string{"firn.format": "1"})
	if err := w.Write(events); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := snapshot.File{Key: old.Key, Shard: old.Shard, Level: old.Level, Rows: int64(len(events)), Bytes: int64(buf.Len()), Types: map[string]int64{},
		MinTime: event.MaxTime, MaxTime: event.MinTime, MinSequence: 1 << 62, MinPosition: 1 << 62, MinStream: "~"}
	for _, e := range events {
		f.Types[e.Type]++
		f.MinTime, f.MaxTime = min(f.MinTime, e.Time), max(f.MaxTime, e.Time)
		f.MinStream, f.MaxStream = min(f.MinStream, e.Stream), max(f.MaxStream, e.Stream)
		f.MinSequence, f.MaxSequence = min(f.MinSequence, e.Sequence), max(f.MaxSequence, e.Sequence)
		f.MinPosition, f.MaxPosition = min(f.MinPosition, e.Place.Position), max(f.MaxPosition, e.Place.Position)
	}
	file, err := segment.Open(bytes.NewReader(buf.Bytes()), f.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	f.End = file.End()
	f.EndSum, f.Sum = segment.Sum(buf.Bytes()[f.End:]), segment.Sum(buf.Bytes())
	return f, buf.Bytes()
}

// recommit replaces a commit by another that is sealed as it must be.
func (b bucket) recommit(key string, edit func(events []event.Event, meta map[string]string) []event.Event) string {
	b.t.Helper()
	f, err := segment.Decode(b.get(key))
	b.must(err)
	meta := map[string]string{}
	for _, k := range []string{"firn.format", "firn.key", "firn.kind", "firn.id", "firn.time", "firn.generation", "firn.keys"} {
		if v := f.Meta(k); v != "" {
			meta[k] = v
		}
	}
	body, err := segment.Encode(edit(rows(b.t, f, 0), meta), 0, meta)
	b.must(err)
	b.put(key, body)
	return key
}

// tail returns the keys of the commits behind the folded position of shard 0.
func (b bucket) tail(id string) []string {
	s, _ := b.newest(id)
	var keys []string
	for _, o := range b.list(layout.Log(id, 0)) {
		if n, _ := layout.ParseCommit(o.Key); n > s.ShardState(0).Folded {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

package snapshot

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/store"
)

func file(day, n int) File {
	t := event.Micros(day) * 86400_000000
	return File{Key: layout.NewData("i", t.Day(), 0), Rows: int64(n), Bytes: 100, MinTime: t, MaxTime: t + 5, Types: map[string]int64{"t": int64(n)}}
}

// commit applies e to the newest snapshot and commits it.
func commit(t *testing.T, tb Table, e Edit) *Snapshot {
	t.Helper()
	seen, err := tb.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base, err := tb.Read(t.Context(), seen.Number)
	if err != nil {
		t.Fatal(err)
	}
	next, ok, err := tb.Apply(t.Context(), base, e)
	if err != nil || !ok {
		t.Fatalf("the edit does not apply: %v", err)
	}
	if won, err := tb.Commit(t.Context(), seen, next); err != nil || !won {
		t.Fatalf("%v %v", won, err)
	}
	got, err := tb.Read(t.Context(), next.Number)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func filesOf(t *testing.T, tb Table, s *Snapshot) []string {
	t.Helper()
	var keys []string
	for _, d := range s.Days {
		files, err := tb.Files(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		var rows int64
		for _, f := range files {
			rows += f.Rows
			keys = append(keys, f.Key)
		}
		if rows != d.Rows {
			t.Fatalf("day %s counts %d rows, its files %d", d.Day, d.Rows, rows)
		}
	}
	slices.Sort(keys)
	return keys
}

func TestEdits(t *testing.T) {
	tb := Table{Store: store.NewMemory(), Instance: "i"}
	a, b, c := file(1, 3), file(1, 4), file(2, 5)
	s := commit(t, tb, Edit{Add: []File{a, b, c}})
	if s.Number != 1 || len(s.Days) != 2 || s.Days[0].Rows != 7 || s.Days[0].Types["t"] != 7 {
		t.Fatalf("%+v", s)
	}
	d := file(1, 7)
	s = commit(t, tb, Edit{Remove: []File{a, b}, Add: []File{d}})
	want := []string{c.Key, d.Key}
	slices.Sort(want)
	if got := filesOf(t, tb, s); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(s.Dropped, []string{a.Key, b.Key}) {
		t.Fatalf("%v, dropped %v", got, s.Dropped)
	}
	for name, e := range map[string]Edit{
		"gone file":                  {Remove: []File{a}, Add: []File{file(1, 3)}},
		"gone day":                   {Remove: []File{file(9, 1)}},
		"fold from another position": {Shards: []ShardEdit{{From: Shard{Folded: 5}, To: Shard{Folded: 9}}}},
	} {
		if _, ok, err := tb.Apply(t.Context(), s, e); ok || err != nil {
			t.Errorf("%s: applied %v, %v", name, ok, err)
		}
	}
	s = commit(t, tb, Edit{Remove: []File{d}})
	if len(s.Days) != 1 || s.Days[0].Day != "1970-01-03" {
		t.Fatalf("an empty day stays: %+v", s.Days)
	}
	run := Run{Key: "r1", Rows: 1}
	s = commit(t, tb, Edit{Shards: []ShardEdit{{To: Shard{Folded: 4, Heads: []Run{run}}}}})
	s = commit(t, tb, Edit{Shards: []ShardEdit{{From: s.ShardState(0), To: Shard{Folded: 6, Heads: []Run{{Key: "r2"}}}}}})
	if !reflect.DeepEqual(s.Dropped, []string{"r1"}) || s.ShardState(0).Folded != 6 || s.ShardState(1).Folded != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestTheSecondOfTwoCommitsLoses(t *testing.T) {
	tb := Table{Store: store.NewMemory(), Instance: "i"}
	seen, _ := tb.Look(t.Context())
	for i, want := range []bool{true, false} {
		next, _, err := tb.Apply(t.Context(), &Snapshot{}, Edit{Add: []File{file(i, 1)}})
		if err != nil {
			t.Fatal(err)
		}
		if won, err := tb.Commit(t.Context(), seen, next); err != nil || won != want {
			t.Fatalf("commit %d: %v %v", i, won, err)
		}
	}
}

func TestManyFilesMoveIntoManifests(t *testing.T) {
	tb := Table{Store: store.NewMemory(), Instance: "i"}
	var e Edit
	for day := range 30 {
		for range 40 {
			e.Add = append(e.Add, file(day, 1))
		}
	}
	s := commit(t, tb, e)
	body, err := json.Marshal(s)
	if err != nil || len(body) > inlineBytes {
		t.Fatalf("the snapshot has %d bytes, %v", len(body), err)
	}
	manifests := 0
	for _, d := range s.Days {
		if d.Manifest != "" {
			manifests++
		}
	}
	if got := filesOf(t, tb, s); len(got) != 1200 || manifests == 0 {
		t.Fatalf("%d files, %d manifests", len(got), manifests)
	}
	day := s.Days[slices.IndexFunc(s.Days, func(d Day) bool { return d.Manifest != "" })]
	files, _ := tb.Files(t.Context(), day)
	s2 := commit(t, tb, Edit{Remove: files[:39]})
	if !slices.Contains(s2.Dropped, day.Manifest) || len(filesOf(t, tb, s2)) != 1161 {
		t.Fatalf("a replaced manifest is not dropped: %v", s2.Dropped)
	}
}

func TestRunsComeBack(t *testing.T) {
	s := store.NewMemory()
	heads := []Head{{"a", 1}, {"b", 1 << 50}, {strings.Repeat("ü", 200), 3}}
	keys := []Key{{"k", "h", 1, 2, 3, 4}, {"l", "i", 5, 6, 7, 8}}
	put := func(key string, body []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(context.Background(), key, strings.NewReader(string(body)), store.Always); err != nil {
			t.Fatal(err)
		}
	}
	body, err := EncodeRun("heads", heads)
	put("heads", body, err)
	body, err = EncodeRun("keys", keys)
	put("keys", body, err)
	gotHeads, err := ReadRun[Head](t.Context(), s, Run{Key: "heads"}, 0)
	if err != nil || !reflect.DeepEqual(gotHeads, heads) {
		t.Fatalf("%v %v", gotHeads, err)
	}
	gotKeys, err := ReadRun[Key](t.Context(), s, Run{Key: "keys"}, 0)
	if err != nil || !reflect.DeepEqual(gotKeys, keys) {
		t.Fatalf("%v %v", gotKeys, err)
	}
	put("elsewhere", body, nil)
	if _, err := ReadRun[Key](t.Context(), s, Run{Key: "elsewhere"}, 0); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "elsewhere") {
		t.Fatalf("a run in another's place: %v", err)
	}
	body[len(body)/2] ^= 1
	put("broken", body, nil)
	if _, err := ReadRun[Key](t.Context(), s, Run{Key: "broken"}, 0); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "broken") {
		t.Fatal(err)
	}
}

func TestNewerFormatsAreRefused(t *testing.T) {
	s := store.NewMemory()
	body := fmt.Appendf(nil, `{"format":2,"number":1,"id":"x","seal":"%s"}`, seal.Blank)
	seal.Seal(body)
	tb := Table{Store: s, Instance: "i"}
	if _, err := s.Put(t.Context(), layout.Descending(layout.Snapshots("i"), 1), strings.NewReader(string(body)), store.Always); err != nil {
		t.Fatal(err)
	}
	if _, err := tb.Read(t.Context(), 1); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "newer") {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`"format":1,"number":1,"id":"x","days":[{"day":"2020-01-01","files":[{}]}]`)
	f.Fuzz(func(t *testing.T, members string) {
		body := fmt.Appendf(nil, `{%s,"seal":"%s"}`, members, seal.Blank)
		seal.Seal(body) // else none but the seal would ever be looked at
		if s, err := parse(body); err == nil && s.Format > Format {
			t.Errorf("format %d was read", s.Format)
		}
	})
}

// A snapshot that is refused would stop compaction for good: orders to erase, of
// which there may be thousands within a day, must find room.
func TestManyErasuresFindRoom(t *testing.T) {
	tb := Table{Store: store.NewMemory(), Instance: "i"}
	st := Shard{Folded: 3_000}
	for i := range 3_000 {
		st.Erasures = append(st.Erasures, Erasure{ID: uuid.NewString(), Position: int64(i + 1), Stream: fmt.Sprintf("%0512d", i)})
	}
	if got := commit(t, tb, Edit{Shards: []ShardEdit{{To: st}}}).ShardState(0); len(got.Erasures) != 3_000 {
		t.Errorf("%d erasures", len(got.Erasures))
	}
}

package snapshot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

func size(t *testing.T, v any) int {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(body)
}

// mustHold checks that a snapshot names exactly the files given, each in the one
// entry that it belongs in.
func mustHold(t *testing.T, tb Table, s *Snapshot, want map[string]File) {
	t.Helper()
	if got := filesOf(t, tb, s); len(got) != len(want) {
		t.Fatalf("%d files, want %d", len(got), len(want))
	}
	for i, d := range s.Days {
		if i > 0 && (d.Day <= s.Days[i-1].Day || strings.HasPrefix(d.Day, s.Days[i-1].Day)) {
			t.Fatalf("entry %s behind %s", d.Day, s.Days[i-1].Day)
		}
		files, err := tb.Files(t.Context(), d)
		if err != nil || len(files) != d.Count {
			t.Fatalf("%v: %d files, want %d", err, len(files), d.Count)
		}
		for _, f := range files {
			if _, ok := want[f.Key]; !ok || !strings.HasPrefix(f.MinTime.Day(), d.Day) || f.MinTime < d.MinTime || f.MaxTime > d.MaxTime {
				t.Fatalf("%s is in the entry %s", f.Key, d.Day)
			}
		}
	}
}

func TestTwentyYearsStaySmall(t *testing.T) {
	tb := Table{Store: store.NewMemory(), Instance: "i"}
	types := map[string]int64{}
	for i := range 12 {
		types[fmt.Sprint("com.example.some.type.", i)] = 1
	}
	const days = 20 * 365
	want, e := map[string]File{}, Edit{}
	for day := range days {
		f := file(day, 12)
		f.Types = types
		e.Add, want[f.Key] = append(e.Add, f), f
	}
	s := commit(t, tb, e)
	mustHold(t, tb, s, want)
	if n := size(t, s); n > coarseBytes+inlineBytes {
		t.Errorf("the snapshot has %d bytes", n)
	}
	// Days that come later, and late files of old days, change as little.
	for i := range 15 {
		late, next := file(i*450, 1), file(days+i, 1)
		late.Types, next.Types = types, types
		before := s
		s = commit(t, tb, Edit{Add: []File{late, next}})
		want[late.Key], want[next.Key] = late, next
		if n := size(t, s); n > coarseBytes+inlineBytes {
			t.Fatalf("the snapshot has %d bytes after %d more days", n, i)
		}
		kept := 0
		for _, d := range before.Days {
			if slices.ContainsFunc(s.Days, func(o Day) bool { return d.Manifest != "" && o.Manifest == d.Manifest }) {
				kept++
			}
		}
		if kept < len(before.Days)/2 {
			t.Fatalf("day %d: of %d manifests %d stayed", i, len(before.Days), kept)
		}
	}
	mustHold(t, tb, s, want)
	for _, d := range s.Days[len(s.Days)-fineDays:] {
		if len(d.Day) != len("2006-01-02") {
			t.Errorf("%s is one of the newest %d entries", d.Day, fineDays)
		}
	}
	// What lies in an entry of many days can be taken out again.
	gone := e.Add[0]
	s = commit(t, tb, Edit{Remove: []File{gone}})
	delete(want, gone.Key)
	mustHold(t, tb, s, want)
	if !slices.Contains(s.Dropped, gone.Key) {
		t.Error("a removed file is not dropped")
	}
}

func TestEventsOfAllTimesStaySmall(t *testing.T) {
	tb := Table{Store: store.NewMemory(), Instance: "i"}
	want, e := map[string]File{}, Edit{}
	for day := int(event.MinTime / 86400_000000); day < 20_000; day += 200 {
		f := file(day, 1)
		e.Add, want[f.Key] = append(e.Add, f), f
	}
	s := commit(t, tb, e)
	mustHold(t, tb, s, want)
	if n := size(t, s); n > coarseBytes+inlineBytes {
		t.Errorf("the snapshot has %d bytes, for %d files", n, len(want))
	}
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// scattered are events in any order, of few times and streams.
func scattered(n int) []*record {
	rng := rand.New(rand.NewPCG(1, 1))
	names := []string{"a", "a\x00", "a\x00b", "ab", "", strings.Repeat("s", 200), "ü"}
	all := make([]*record, n)
	for i := range all {
		at := event.Micros(rng.IntN(5) - 2).String()
		all[i] = &record{Stream: names[rng.IntN(len(names))], Type: "t", Time: "1970-01-01T00:00:00Z", ID: fmt.Sprint(i), Sequence: int64(i) + 1,
			Ingested: at, Payload: fmt.Appendf(nil, "{\n\"n\": %d}", i)}
		if i%3 == 0 {
			all[i].Tags, all[i].Metadata = []string{"", "x", all[i].Stream}, []byte("{}")
		}
	}
	rng.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func sortAll(t *testing.T, memory int, all []*record, dir string) (got []*record, runs int) {
	t.Helper()
	s := newSorter(memory, spillBeside(filepath.Join(dir, "out")))
	defer s.close()
	for _, e := range all {
		if err := s.add(e); err != nil {
			t.Fatal(err)
		}
	}
	runs = len(s.spill.runs)
	if held := len(s.held) + startBytes*len(s.starts); held > memory && len(s.starts) > 1 {
		t.Errorf("%d bytes are held, and %d may be", held, memory)
	}
	if found, _ := os.ReadDir(dir); runtime.GOOS == "linux" && len(found) > 0 {
		t.Errorf("a crash would leave %v", found)
	}
	if err := s.each(t.Context(), func(e *record) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return got, runs
}

func TestSorter(t *testing.T) {
	all := scattered(1_000)
	want := slices.Clone(all)
	slices.SortFunc(want, func(a, b *record) int {
		at, _ := event.ParseTime(a.Ingested)
		other, _ := event.ParseTime(b.Ingested)
		return cmp.Or(cmp.Compare(at, other), strings.Compare(a.Stream, b.Stream), cmp.Compare(a.Sequence, b.Sequence))
	})
	for _, c := range []struct{ memory, least, most int }{
		{1 << 20, 0, 0}, {60_000, 2, mergeWidth - 1}, {1_500, mergeWidth + 1, 3 * mergeWidth}, {1, len(all) - 1, len(all) - 1},
	} {
		dir := t.TempDir()
		got, runs := sortAll(t, c.memory, all, dir)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("with %d bytes, in %d runs, the events are others or in another order", c.memory, runs)
		}
		if runs < c.least || runs > c.most {
			t.Errorf("with %d bytes: %d runs", c.memory, runs)
		}
		if found, _ := os.ReadDir(dir); len(found) > 0 {
			t.Errorf("%v is left behind", found)
		}
	}
}

func TestSorterIsInterrupted(t *testing.T) {
	s := newSorter(5_000, spillBeside(filepath.Join(t.TempDir(), "out")))
	defer s.close()
	for _, e := range scattered(2_000) {
		if err := s.add(e); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.each(ctx, nil); err != errInterrupted {
		t.Errorf("got %v", err)
	}
}

// A disk that is full, or a directory that is not there, is named, with what it
// was for.
func TestSorterWithoutDisk(t *testing.T) {
	f := func(create func() (*os.File, error), want string) {
		t.Helper()
		s := newSorter(1_000, create)
		defer s.close()
		var err error
		for _, e := range scattered(100) {
			if err = s.add(e); err != nil {
				break
			}
		}
		var told strings.Builder
		if status := report(&told, err); status != exitFailure || !strings.Contains(told.String(), want) || !strings.Contains(told.String(), "needs a temporary file") {
			t.Errorf("status %d: %s", status, told.String())
		}
	}
	f(spillBeside(filepath.Join(t.TempDir(), "none", "out")), "no such file or directory")
	if runtime.GOOS == "linux" {
		full := filepath.Join(t.TempDir(), "full")
		if err := os.Symlink("/dev/full", full); err != nil {
			t.Fatal(err)
		}
		f(func() (*os.File, error) { return os.OpenFile(full, os.O_RDWR, 0) }, "no space left on device")
	}
}

// What comes back changed is no event.
func TestBadSortable(t *testing.T) {
	text := scattered(1)[0].appendSortable(nil, 1)
	for n := lengthBytes + numberBytes; n < len(text); n++ {
		var e record
		if err := e.readSortable(text[:n]); !fault.Is(err, fault.Internal) {
			t.Errorf("of %d bytes: %v", n, err)
		}
	}
}

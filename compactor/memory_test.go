package compactor

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/gen"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// maxMemory is what a process that compacts may take, in bytes, whatever the size
// of the data.
const maxMemory = 512 << 20

// memoryBucket tells a process started by the test below which folder to compact.
const memoryBucket = "FIRN_TEST_MEMORY_BUCKET"

// Processes that compact much more than they would take if they held it keep
// within the bound: many small events, and few large ones.
func TestMemoryIsBounded(t *testing.T) {
	if dir := os.Getenv(memoryBucket); dir != "" {
		compactFolder(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("takes half a minute, and the race detector takes memory of its own")
	}
	for _, set := range []struct {
		name  string
		next  func() event.Event
		bytes int
	}{{"small", smallEvents(), 512 << 20}, {"large", largeEvents(), 256 << 20}} {
		t.Run(set.name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, set.next, set.bytes)
			cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryIsBounded$", "-test.v")
			cmd.Env = append(os.Environ(), memoryBucket+"="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, after, _ := strings.Cut(string(out), "peak ")
			digits, _, _ := strings.Cut(after, " ")
			peak, err := strconv.ParseInt(digits, 10, 64)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
			if peak >= maxMemory {
				t.Errorf("the process took %d MB", peak>>20)
			}
		})
	}
}

func smallEvents() func() event.Event {
	g := gen.New(3, time.Now().Add(-72*time.Hour).Truncate(24*time.Hour), 20*time.Millisecond)
	return g.Next
}

// largeEvents are of 20 to 200 KB, and do not compress well.
func largeEvents() func() event.Event {
	rng := rand.New(rand.NewPCG(9, 9))
	at := event.ToMicros(time.Now().Add(-72 * time.Hour))
	return func() event.Event {
		text := make([]byte, 20_000+rng.IntN(180_000))
		for i := range text {
			text[i] = 'a' + byte(rng.Uint32()%16)
		}
		return event.Event{Stream: fmt.Sprint("s", rng.IntN(50)), Type: "blob", Time: at, Metadata: []byte(`{}`),
			Payload: fmt.Appendf(nil, `{"size":%d,"text":%q}`, len(text), text)}
	}
}

// fill appends so many bytes of events to an instance in a folder.
func fill(t *testing.T, dir string, next func() event.Event, bytes int) {
	t.Helper()
	s, err := store.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, s, 1)
	for bytes > 0 {
		var b commitlog.Batch
		for size := 0; size < 4<<20; {
			e := next()
			size += e.Size()
			b.Events = append(b.Events, e)
		}
		bytes -= 4 << 20
		mustAppend(t, l, b)
	}
}

// compactFolder compacts what is in a folder, merges included, and says what
// memory that took.
func compactFolder(t *testing.T, dir string) {
	s, err := store.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&Compactor{Log: commitlog.Open(s)}).Run(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if r.FilesMerged == 0 {
		t.Error("nothing was merged: the test is void")
	}
	cpu, peak := used()
	fmt.Printf("peak %d bytes, %d MB, %.1f CPU seconds for %+v\n", peak, peak>>20, cpu, r)
}

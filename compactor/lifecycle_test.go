package compactor

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
)

// ruled is a bucket in memory that has a lifecycle rule, which nobody carries out.
type ruled struct {
	store.Store
	works bool
}

func (r ruled) EnsureRule(context.Context) (bool, error) { return r.works, nil }
func (ruled) Versioned(context.Context) (bool, error)    { return false, nil }

// keep is the retention of the instances of these tests, in days.
const keep = 5

// expire leaves in a bucket an instance whose data files retention has dropped, and
// whose grace is over, but for one file of later.
func expire(t testing.TB, s store.Store) *commitlog.Log {
	t.Helper()
	l := commitlog.Open(s)
	if _, err := l.CreateInstance(t.Context(), catalog.Instance{ID: "i", RetentionDays: keep}); err != nil {
		t.Fatal(err)
	}
	c := &Compactor{Log: l}
	mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "old"), secret("bob", "old")}})
	mustRun(t, c)
	time.Sleep((keep + 2) * 24 * time.Hour)
	mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "new")}})
	if _, err := c.compact(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	return l
}

// dataFiles returns the keys of a bucket's data files, and which of them are
// tagged as dropped.
func dataFiles(t testing.TB, s store.Store) (keys, tagged []string) {
	t.Helper()
	page, err := s.List(t.Context(), store.ListOptions{Prefix: "instances/i/data/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range page.Objects {
		keys = append(keys, o.Key)
		tags, err := s.Tags(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		if maps.Equal(tags, map[string]string{"firn-state": "dropped"}) {
			tagged = append(tagged, o.Key)
		}
	}
	return keys, tagged
}

// TestDroppedFilesAreLeftToTheRule: where the bucket has the rule, the sweeper tags
// what retention dropped once its grace is over, not before, and deletes it itself
// where there is none, or where an erasure is to be gone at a known time.
func TestDroppedFilesAreLeftToTheRule(t *testing.T) {
	f := func(name string, works, erasing bool, wantFiles, wantTagged int) {
		t.Helper()
		bubble.Run(t, func(t *testing.T) {
			s := ruled{store.NewMemory(), works}
			l := expire(t, s)
			if keys, tagged := dataFiles(t, s); len(keys) != 2 || len(tagged) != 0 {
				t.Fatalf("%s: in their grace: %v, tagged %v", name, keys, tagged)
			}
			if erasing {
				if _, err := l.EraseStream(t.Context(), "i", "alice"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(25 * time.Hour)
			for range 3 { // later sweeps, also of other processes, leave it as it is
				mustRun(t, &Compactor{Log: commitlog.Open(s)})
				time.Sleep(2 * time.Hour)
			}
			if keys, tagged := dataFiles(t, s); len(keys) != wantFiles || len(tagged) != wantTagged {
				t.Errorf("%s: after it: %v, tagged %v", name, keys, tagged)
			}
		})
	}
	f("a rule", true, false, 2, 1)
	f("no rule", false, false, 1, 0)
	f("a rule and an erasure", true, true, 1, 0) // what the erasure replaced is in its grace
}

// TestMergedFilesAreDeleted: what a merge replaced is there twice, and not left to
// the rule.
func TestMergedFilesAreDeleted(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := ruled{store.NewMemory(), true}
		l := newLog(t, s, 1)
		c := &Compactor{Log: l}
		for range fanIn {
			mustAppend(t, l, commitlog.Batch{Events: []event.Event{secret("alice", "x")}})
			mustRun(t, c)
		}
		time.Sleep(25 * time.Hour)
		mustRun(t, c)
		if keys, tagged := dataFiles(t, s); len(keys) != 1 || len(tagged) != 0 {
			t.Errorf("%v, tagged %v", keys, tagged)
		}
	})
}

// TestRetentionOnMinIO: a bucket as it is when the grace of dropped files is over
// is swept on a server that carries out lifecycle rules, which then deletes the
// data files that retention dropped from its disk, and nothing else.
func TestRetentionOnMinIO(t *testing.T) {
	server := storetest.StartMinIO(t)
	url := server.URL("bucket/events")
	memory := store.NewMemory()
	var ages map[string]time.Duration
	bubble.Run(t, func(t *testing.T) {
		expire(t, memory)
		time.Sleep(25 * time.Hour)
		ages = agesOf(t, memory)
	})
	for key, age := range ages {
		body, _, err := store.ReadAll(t.Context(), memory, key)
		if err != nil {
			t.Fatal(err)
		}
		server.PutAged("bucket", "events/"+key, body, age)
	}
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	all, _ := dataFiles(t, s)
	c := &Compactor{Log: commitlog.Open(s)}
	swept, err := c.Sweep(t.Context(), "i", false)
	if err != nil {
		t.Fatal(err)
	}
	var dropped, kept []string
	for _, key := range all {
		if slices.Contains(swept, key) {
			dropped = append(dropped, key)
		} else {
			kept = append(kept, key)
		}
	}
	if len(dropped) != 1 || len(kept) != 1 {
		t.Fatalf("swept are %v of %v", swept, all)
	}
	if !c.rules.works {
		t.Fatal("the sweeper itself deleted what is the rule's")
	}
	others := slices.DeleteFunc(slices.Collect(maps.Keys(ages)), func(key string) bool { return slices.Contains(swept, key) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for onDisk(server, dropped[0]) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the rule does not delete %s", dropped[0])
		}
	}
	for _, key := range append(others, kept...) {
		if !onDisk(server, key) {
			t.Errorf("%s is gone", key)
		}
	}
}

func onDisk(server *storetest.S3Server, key string) bool {
	_, err := os.Stat(filepath.Join(server.Dir, "bucket", "events", key))
	return !errors.Is(err, fs.ErrNotExist)
}

// agesOf returns how old each object of a bucket is.
func agesOf(t testing.TB, s store.Store) map[string]time.Duration {
	t.Helper()
	page, err := s.List(t.Context(), store.ListOptions{})
	if err != nil || page.More {
		t.Fatal(page.More, err)
	}
	ages := map[string]time.Duration{}
	for _, o := range page.Objects {
		if !strings.HasPrefix(o.Key, ".") {
			ages[o.Key] = page.StoreTime.Sub(o.Modified)
		}
	}
	return ages
}

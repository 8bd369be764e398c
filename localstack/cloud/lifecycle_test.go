//go:build unix

package cloud

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	layout "github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
)

// aged fills a bucket in memory, in virtual time, with an instance of which one
// data file was dropped by retention and is past its grace, and one is not, and
// returns the ages of all objects.
func aged(t *testing.T, s store.Store) (ages map[string]time.Duration) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		log := commitlog.Open(s)
		if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "short", RetentionDays: 5}); err != nil {
			t.Fatal(err)
		}
		for _, pause := range []time.Duration{7 * 24 * time.Hour, 25 * time.Hour} {
			b := commitlog.Batch{Events: []layout.Event{{Stream: "s", Type: "made", Time: layout.ToMicros(time.Now()), Payload: []byte("1"), Metadata: []byte("{}")}}}
			if _, err := log.Append(t.Context(), "short", b); err != nil {
				t.Fatal(err)
			}
			if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), "short"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
		}
		page, err := s.List(t.Context(), store.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ages = map[string]time.Duration{}
		for _, o := range page.Objects {
			ages[o.Key] = page.StoreTime.Sub(o.Modified)
		}
	})
	return ages
}

// The compact function, with its role's rights, tags a file that retention has
// dropped and whose grace is over, and the bucket's rule deletes it, and not the one
// that is dropped now.
func TestLifecycle(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs many processes")
	}
	server, memory := storetest.StartMinIO(t), store.NewMemory()
	bucket := server.URL("firn/events")
	var data []string
	for key, age := range aged(t, memory) {
		body, _, err := store.ReadAll(t.Context(), memory, key)
		if err != nil {
			t.Fatal(err)
		}
		server.PutAged("firn", "events/"+key, body, age)
		if strings.HasPrefix(key, "instances/short/data/") {
			data = append(data, filepath.Join(server.Dir, "firn", "events", key))
		}
	}
	s, err := store.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	rules, _ := store.RulesOf(s)
	if works, err := rules.EnsureRule(t.Context()); !works || err != nil { // the rule of the template
		t.Fatal(works, err)
	}
	w := newWorldOn(t, bucket, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Call(ctx, "compact", map[string]any{"instances": []string{"short"}}, nil); err != nil {
		t.Fatal(err)
	}
	left := func() (n int) {
		for _, path := range data {
			if _, err := os.Stat(path); err == nil {
				n++
			}
		}
		return n
	}
	w.wait(ctx, "the dropped file is gone", func() bool { return left() == len(data)-1 })
}

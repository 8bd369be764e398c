package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
)

// bucket returns one with events in some instances.
func bucket(t *testing.T, instances, events int) store.Store {
	t.Helper()
	s := store.NewMemory()
	log := commitlog.Open(s)
	for i := range instances {
		id := fmt.Sprint("i", i)
		if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: id}); err != nil {
			t.Fatal(err)
		}
		appendTo(t, log, id, events)
	}
	return s
}

// appendTo appends events one by one.
func appendTo(t *testing.T, log *commitlog.Log, id string, events int) {
	t.Helper()
	for range events {
		_, err := log.Append(t.Context(), id, commitlog.Batch{Events: []event.Event{
			{Stream: "s", Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte("1"), Metadata: []byte("{}")}}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func over(s store.Store) *function {
	return newFunction(commitlog.Open(s), slog.New(slog.DiscardHandler), "test")
}

func folded(out report) (n int64) {
	for _, d := range out.Done {
		n += d.Events
	}
	return n
}

// unfolded returns how many commits no data file holds yet.
func unfolded(t *testing.T, s store.Store, id string) int {
	t.Helper()
	v, err := commitlog.Open(s).Pin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return len(v.Tail)
}

func TestRuns(t *testing.T) {
	s := bucket(t, 3, 2)
	out, err := over(s).run(t.Context(), request{Instances: []string{"i1"}})
	if err != nil || folded(out) != 2 || unfolded(t, s, "i1") != 0 || unfolded(t, s, "i0") != 2 {
		t.Errorf("one instance: %+v, %v", out, err)
	}
	if out, err = over(s).run(t.Context(), request{}); err != nil || folded(out) != 4 || len(out.Done) != 3 || out.Unfinished != 0 {
		t.Errorf("all instances: %+v, %v", out, err)
	}
	if _, err := over(s).run(t.Context(), request{Instances: []string{"none"}}); err == nil {
		t.Error("an instance that is not there is compacted")
	}
}

// A schedule may come twice, and runs may overlap.
func TestOverlap(t *testing.T) {
	s := bucket(t, 2, 5)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := over(s).run(context.Background(), request{}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for _, id := range []string{"i0", "i1"} {
		if n := unfolded(t, s, id); n != 0 {
			t.Errorf("%s: %d commits are left", id, n)
		}
	}
}

// A run whose time is over is no failure: the next one goes on.
func TestTimeIsOver(t *testing.T) {
	s := bucket(t, 2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), margin+time.Hour)
	defer cancel()
	stopped := &stopping{Store: s}
	ctx, stopped.stop = context.WithDeadline(ctx, time.Now().Add(time.Hour))
	out, err := over(stopped).run(ctx, request{})
	if err != nil || out.Unfinished != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err = over(s).run(t.Context(), request{}); err != nil || folded(out) != 2 {
		t.Errorf("the next run: %+v, %v", out, err)
	}
}

// stopping is a store at whose first put the time is over.
type stopping struct {
	store.Store
	stop context.CancelFunc
}

func (s *stopping) Put(ctx context.Context, key string, b store.Body, c store.Condition) (store.Receipt, error) {
	s.stop()
	return store.Receipt{}, context.Canceled
}

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// A program that meets an object of a newer format, as an old function does in
// the middle of an upgrade, says so whatever it is asked for, and writes nothing.
func TestOldProgramsRefuseNewFormats(t *testing.T) {
	record := event.Event{Stream: "s", Type: "t", Time: event.ToMicros(time.Now()), Payload: []byte("1"), Metadata: []byte("{}")}
	newer := func(format string) []byte {
		body := fmt.Appendf(nil, format, seal.Blank)
		seal.Seal(body)
		return body
	}
	key := layout.Commit("i", 0, 2)
	commit, err := segment.Encode([]event.Event{record}, 1, map[string]string{"firn.format": "1000", "firn.key": key, "firn.kind": "events", "firn.id": "x", "firn.time": "1", "firn.generation": "1"})
	if err != nil {
		t.Fatal(err)
	}
	for at, body := range map[string][]byte{
		key:                                   commit,
		layout.Descending(layout.Catalog, 99): newer(`{"format":1000,"number":99,"id":"x","instances":[],"seal":"%s"}`),
		layout.Descending(layout.Snapshots("i"), 99): newer(`{"format":1000,"number":99,"id":"x","seal":"%s"}`),
	} {
		s := store.NewCounted(store.NewMemory())
		log := commitlog.Open(s)
		_, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "i"})
		if err == nil {
			_, err = log.Append(t.Context(), "i", commitlog.Batch{Events: []event.Event{record}})
		}
		if err == nil {
			_, err = s.Put(t.Context(), at, bytes.NewReader(body), store.Always)
		}
		if err != nil {
			t.Fatal(err)
		}
		before := s.Counts()
		for what, do := range map[string]func(context.Context, *commitlog.Log) error{
			"append": func(ctx context.Context, l *commitlog.Log) error {
				_, err := l.Append(ctx, "i", commitlog.Batch{Events: []event.Event{record}})
				return err
			},
			"query": func(ctx context.Context, l *commitlog.Log) error {
				_, err := querier.NewEngine(l).Run(ctx, querier.New("i"))
				return err
			},
			"compact": func(ctx context.Context, l *commitlog.Log) error {
				_, err := (&compactor.Compactor{Log: l}).Run(ctx, "i")
				return err
			},
		} {
			if err := do(t.Context(), commitlog.Open(s)); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "newer than this program") {
				t.Errorf("%s with a newer %s: %v", what, at, err)
			}
		}
		if n := s.Counts().Sub(before); n.Put+n.Delete+n.SetTags > 0 {
			t.Errorf("with a newer %s: %+v", at, n)
		}
	}
}

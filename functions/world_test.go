package functions_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/functions"
	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// world is a server with all doors over a bucket with two tenants.
type world struct {
	url     string
	client  *http.Client
	store   store.Store
	events  *front.Service
	ring    *access.Ring
	doors   *functions.Doors
	handler http.Handler
	logs    *buffer
	keys    map[string]key // by who has them
}

type key struct{ id, full string }

// buffer may be written to from several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// marks are in the owner's names, settings and events, and in no request.
var marks = []string{"planted-name", "planted-text", "planted-stream", "planted-type", "planted-tag", "planted-load", "planted-meta", "planted-id", "acme-quiet"}

// planted returns the first of marks that is in a text, "" for none.
func planted(text string) string {
	for _, m := range marks {
		if strings.Contains(text, m) {
			return m
		}
	}
	return ""
}

// newWorld starts a server over a bucket in memory in which the owner has some
// instances, with events of which every text is planted.
func newWorld(t *testing.T, change ...func(*front.Config, *access.Config)) *world {
	t.Helper()
	w := build(t, change...)
	srv := httptest.NewServer(w.handler)
	w.url = srv.URL
	t.Cleanup(func() { // before that of build
		srv.CloseClientConnections()
		srv.Close()
	})
	t.Cleanup(w.stop)
	return w
}

// build returns a world that is not served yet.
func build(t *testing.T, change ...func(*front.Config, *access.Config)) *world {
	t.Helper()
	w := &world{client: http.DefaultClient, store: store.NewMemory(), logs: &buffer{}, keys: map[string]key{}}
	log := commitlog.Open(w.store)
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: w.store, Registry: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	w.ring = access.NewRing(log, cfg.Queries, nil)
	guard := access.Config{Ring: w.ring, Logger: cfg.Logger, Registry: cfg.Registry}
	for _, f := range change {
		f(&cfg, &guard)
	}
	cfg.Authenticate = access.New(guard).Authenticate
	w.events = front.New(cfg)
	w.doors = functions.New(w.events, functions.Config{Keys: w.ring})
	w.handler = w.events.Handler(w.doors.List()...)
	w.plant(t)
	w.letIn(t)
	return w
}

// stop ends all streams and sessions.
func (w *world) stop() {
	w.events.StopTails()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.doors.Codebolt.Shutdown(ended)
}

// plant makes the owner's instances, those that dialects write to among them.
func (w *world) plant(t *testing.T) {
	t.Helper()
	ctx := front.WithCaller(t.Context(), front.Anyone)
	e := event.Event{Stream: "planted-stream", Type: "planted-type", ID: "planted-id", Time: event.ToMicros(time.Now()),
		Payload: []byte(`{"value":"planted-load","event":"planted-load"}`), Metadata: []byte(`{"k":"planted-meta"}`), Tags: []string{"planted-tag:x", "planted-tag"}}
	for _, id := range []string{"acme-log", "vamp", "stackstate", "acme_events", "acme_logs", "acme-quiet"} {
		spec := catalog.Instance{ID: id, Name: id, Description: "planted-text"}
		if strings.Contains(id, "-") {
			spec.Name = "planted-name " + id
		}
		if _, err := w.events.CreateInstance(ctx, spec); err != nil {
			t.Fatal(err)
		}
		if _, err := w.events.Append(ctx, id, commitlog.Batch{Events: []event.Event{e}}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// letIn makes the keys, and waits until their first use is noted, so that no
// later request writes that.
func (w *world) letIn(t *testing.T) {
	t.Helper()
	ctx := front.WithCaller(t.Context(), front.Caller{Name: "tester"})
	for who, grants := range map[string][]string{
		"owner":         {"*:append,query,admin", "_firn:query,admin"},
		"other tenant":  {"beta*:append,query,admin"},
		"a revoked key": {"*:append,query,admin", "_firn:query,admin"},
	} {
		full, k, err := w.ring.Create(ctx, who, grants, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		w.keys[who] = key{k.ID, full}
	}
	w.keys["no key"] = key{}
	w.keys["a wrong key"] = key{full: w.keys["owner"].full[:len(w.keys["owner"].full)-4] + "AAAA"}
	if _, err := w.ring.Revoke(ctx, w.keys["a revoked key"].id); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"owner", "other tenant"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+w.keys[who].full)
		if _, err := w.events.Authenticate(r); err != nil {
			t.Fatal(err)
		}
		w.used(t, w.keys[who].id)
	}
}

// used waits until a key's use is in the bucket.
func (w *world) used(t *testing.T, id string) {
	t.Helper()
	log := commitlog.Open(w.store)
	engine := querier.NewEngine(log)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		q := querier.New(front.Own)
		q.Stream = "keys"
		q.Limit = 100
		res, err := engine.Run(t.Context(), q)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		for _, e := range res.Events {
			if strings.Contains(string(e), `"use"`) && strings.Contains(string(e), id) {
				return
			}
		}
	}
	t.Fatal("the key's first use was not noted")
}

// bucket returns all objects by key.
func (w *world) bucket(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for after := ""; ; {
		page, err := w.store.List(t.Context(), store.ListOptions{StartAfter: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			body, _, err := store.ReadAll(t.Context(), w.store, o.Key)
			if err != nil {
				t.Fatal(err)
			}
			all[o.Key], after = string(body), o.Key
		}
		if !page.More {
			return all
		}
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// corrupt wants an error of kind Corrupt that names a key.
func corrupt(t *testing.T, what string, err error, key string) {
	t.Helper()
	if !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), key) {
		t.Errorf("%s: %v (%v), want one that names %s", what, err, fault.KindOf(err), key)
	}
}

// TestHolesInTheLog removes commits from a tail that is longer than what a writer
// asks for at once. Whoever begins anew must not take the hole for the log's end:
// it would number events again that are behind the hole.
func TestHolesInTheLog(t *testing.T) {
	t.Parallel()
	const tail = 40
	s := store.NewMemory()
	warm := commitlog.Open(s)
	if _, err := warm.CreateInstance(t.Context(), catalog.Instance{ID: instance}); err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	add := func(log *commitlog.Log, name string) error {
		b := commitlog.Batch{Events: eventsOf(name, "a")}
		r, err := log.Append(t.Context(), instance, b)
		if err == nil {
			l.note(t, 1, b, r, err)
		}
		return err
	}
	for n := range tail {
		if err := add(warm, fmt.Sprint("e", n)); err != nil {
			t.Fatal(err)
		}
	}
	for position := int64(1); position < tail; position++ {
		key := layout.Commit(instance, 0, position)
		body := get(t, s, key)
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		cold := commitlog.Open(s)
		corrupt(t, "append", add(cold, "into-a-hole"), key)
		_, err := read(t.Context(), cold)
		corrupt(t, "query", err, key)
		_, err = (&compactor.Compactor{Log: cold}).Run(t.Context(), instance)
		corrupt(t, "compact", err, key)
		if keys := keysUnder(t, s, layout.Root(instance)); len(keys) != tail-1 {
			t.Fatalf("something was written: %v", keys)
		}
		put(t, s, key, body)
	}
	if err := add(commitlog.Open(s), "after"); err != nil {
		t.Error(err)
	}
	if err := add(warm, "at-last"); err != nil {
		t.Error(err)
	}
	l.check(t, warm)
}

// TestChainsThatGoBack removes the newest state of the catalog and the newest
// snapshot. A process that has seen them says so, and goes on when they are back;
// one that has not goes on with the state before.
func TestChainsThatGoBack(t *testing.T) {
	t.Parallel()
	s := wholeBucket(t)
	warm := commitlog.Open(s)
	right, err := ask(t.Context(), warm, instance, "")
	if err != nil {
		t.Fatal(err)
	}
	seen := newest(t, warm, instance).Key
	f := func(key string, look func() error) {
		t.Helper()
		body := get(t, s, key)
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		corrupt(t, "gone back", look(), key)
		if answer, err := ask(t.Context(), commitlog.Open(s), instance, ""); err != nil || answer != right {
			t.Errorf("by the state before: %v\n%s", err, answer)
		}
		put(t, s, key, body)
		if err := look(); err != nil {
			t.Errorf("when it is back: %v", err)
		}
	}
	f(keysUnder(t, s, layout.Catalog)[0], func() error { _, err := warm.IDs(t.Context()); return err })
	f(seen, func() error { _, _, err := warm.PinNewest(t.Context(), instance); return err })
}

// TestServerOutlivesDamage has servers of a folder meet damage of every kind of
// object: one that has not read it yet, and one that has. The public text names
// nothing, the operator's log the object.
func TestServerOutlivesDamage(t *testing.T) {
	whole := wholeBucket(t)
	bucket := "file://" + t.TempDir()
	s := copyTo(t, open(t, bucket), whole)
	for n, o := range objects(t, s) {
		t.Run(o.kind, func(t *testing.T) {
			var log lockedBuffer
			warm, cold := serveLogging(t, open(t, bucket), &log), serveLogging(t, open(t, bucket), &log)
			warm.try(t, "before", n, strings.Repeat("- ", len(works)), o, &log)
			body := get(t, s, o.key)
			harmed := slices.Clone(body)
			harmed[len(harmed)-10] ^= 4 // in the seal, or in the footer
			put(t, s, o.key, harmed)
			cold.try(t, "cold", n, needs[o.kind], o, &log)
			warm.try(t, "warm", n, strings.Repeat("? ", len(works)), o, &log)
			put(t, s, o.key, body)
			cold.try(t, "cold-after", n, strings.Repeat("- ", len(works)), o, &log)
			warm.try(t, "warm-after", n, strings.Repeat("- ", len(works)), o, &log)
		})
	}
}

// try sends queries and appends. Those that need the object, by a row of the table
// needs, must be refused.
func (s *server) try(t *testing.T, name string, n int, need string, o object, log *lockedBuffer) {
	t.Helper()
	needed := strings.Fields(need)
	query := func(more string) answer {
		return s.call(t, http.MethodPost, "/v1/query", `{"from":{"instance":"`+instance+`"},"limit":10000`+more+`}`, "")
	}
	answers := map[int]answer{
		0: query(""),
		1: query(`,"where":[{"field":"timestamp","operator":"gte","value":"2026-01-02T00:00:00Z"}]`),
		3: s.call(t, http.MethodPost, "/v1/query", `{"from":{"instance":"`+other+`"}}`, ""),
		5: s.call(t, http.MethodPost, "/v1/instances/"+instance+"/events", bodyOf(fmt.Sprint(o.kind, n, name)), ""),
		6: s.call(t, http.MethodPost, "/v1/instances/"+instance+"/events", bodyOf(fmt.Sprint(o.kind, n, name, "keyed")), fmt.Sprint(o.kind, name)),
	}
	failed := false
	for i, a := range answers {
		bad := a.status >= 400
		failed = failed || bad
		if need := needed[i]; bad && need == "-" || !bad && need == "x" {
			t.Errorf("%s: %s: %d %s: %s", name, works[i].name, a.status, a.Code, a.Error)
		}
		if bad && (a.status != http.StatusInternalServerError || a.Code != "corrupt" || strings.Contains(a.Error, layout.Root(instance))) {
			t.Errorf("%s: %s: %d %s: %s", name, works[i].name, a.status, a.Code, a.Error)
		}
	}
	if said := log.take(); failed != strings.Contains(said, o.key) {
		t.Errorf("%s: the operator's log does not name %s, or without a reason: %s", name, o.key, said)
	}
	s.ready(t, http.StatusOK, "")
}

// serveLogging is serve with a log for the operator.
func serveLogging(t *testing.T, s store.Store, to *lockedBuffer) *server {
	t.Helper()
	log := commitlog.Open(s)
	srv := httptest.NewServer(api.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.NewTextHandler(to, nil))}))
	t.Cleanup(srv.Close)
	return &server{newLedger(), srv.URL}
}

// lockedBuffer is a log for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// take returns what was written since it was called last.
func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

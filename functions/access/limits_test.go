package access

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// TestMostKeys: those that are revoked make room.
func TestMostKeys(t *testing.T) {
	s := store.NewMemory()
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: front.Own}); err != nil {
		t.Fatal(err)
	}
	batch := commitlog.Batch{}
	for i := range MaxKeys {
		c, err := json.Marshal(change{Action: "create", ID: fmt.Sprint("k", i), Grants: []string{"*:query"}})
		if err != nil {
			t.Fatal(err)
		}
		batch.Events = append(batch.Events, event.Event{Stream: stream, Type: "key", Payload: c, Metadata: []byte("{}")})
	}
	if _, err := log.Append(t.Context(), front.Own, batch); err != nil {
		t.Fatal(err)
	}
	r := NewRing(log, querier.NewEngine(log), nil)
	create := func() error {
		_, _, err := r.Create(t.Context(), "one more", []string{"*:query"}, time.Time{})
		return err
	}
	if err := create(); !fault.Is(err, fault.Limit) {
		t.Errorf("with %d: %v", MaxKeys, err)
	}
	if _, err := r.Revoke(t.Context(), "k0"); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Errorf("with %d: %v", MaxKeys-1, err)
	}
	if err := create(); !fault.Is(err, fault.Limit) {
		t.Errorf("with %d again: %v", MaxKeys, err)
	}
}

func TestTokensAtTheEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pub, priv, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		a := New(Config{Ring: ring(store.NewMemory()), Tokens: &Tokens{Keys: fixed{{Key: pub}}, Grants: []front.Grant{{Instances: "*", Rights: front.CanQuery}}}})
		f := func(what string, good bool, claims map[string]any) int {
			t.Helper()
			text := signed(t, jose.EdDSA, priv, claims)
			if _, err := enter(a, "Authorization", "Bearer "+text); (err == nil) != good || err != nil && !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%s, %d bytes: %v", what, len(text), err)
			}
			return len(text)
		}
		now := time.Now()
		f("expired within the leeway", true, map[string]any{"exp": now.Add(-leeway).Unix()})
		f("expired before", false, map[string]any{"exp": now.Add(-leeway - time.Second).Unix()})
		f("to come within the leeway", true, map[string]any{"exp": now.Unix() + 60, "nbf": now.Add(leeway).Unix(), "iat": now.Add(leeway).Unix()})
		f("to come later", false, map[string]any{"exp": now.Unix() + 60, "nbf": now.Add(leeway + time.Second).Unix()})
		f("issued later", false, map[string]any{"exp": now.Unix() + 60, "iat": now.Add(leeway + time.Second).Unix()})
		long := func(n int) map[string]any {
			return map[string]any{"exp": now.Unix() + 60, "x": strings.Repeat("x", n)}
		}
		n := 0
		for size := f("short", true, long(0)); size+4*(n+3)/3 < maxToken; n += 3 { // three bytes are four in base64
			continue
		}
		if size := f("as long as may be", true, long(n-3)); size > maxToken || size < maxToken-8 {
			t.Errorf("%d bytes are not the edge", size)
		}
		f("longer", false, long(n+6))
	})
}

// TestRefusalsAreSampled: all are counted, one a second is logged, none is written
// to the bucket.
func TestRefusalsAreSampled(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var logged bytes.Buffer
		s, registry := store.NewCounted(store.NewMemory()), prometheus.NewRegistry()
		a := New(Config{Ring: ring(s), Logger: slog.New(slog.NewTextHandler(&logged, nil)), Registry: registry})
		const n = 5000
		for range n { // in ten seconds
			if _, err := enter(a, "Authorization", "Bearer firn_a_hushword"); !fault.Is(err, fault.Unauthenticated) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second / n)
		}
		lines := strings.Count(logged.String(), "\n")
		if counted := refusals(t, registry); counted != n || lines < 9 || lines > 11 {
			t.Errorf("%v are counted, %d logged", counted, lines)
		}
		if strings.Contains(logged.String(), "hushword") {
			t.Error("the log has what was brought")
		}
		if c := s.Counts(); c.Put+c.Delete+c.SetTags > 0 {
			t.Errorf("refusals write: %+v", c)
		}
	})
}

// refusals returns how many there were, for all reasons.
func refusals(t *testing.T, registry *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}

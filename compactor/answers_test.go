package compactor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

var errDied = errors.New("the process died")

// mortal is the store of a process that dies before, or just after, one of its
// puts is carried out.
type mortal struct {
	store.Store
	puts  atomic.Int64 // that are left
	after bool
}

func (m *mortal) Put(ctx context.Context, key string, body store.Body, c store.Condition) (store.Receipt, error) {
	left := m.puts.Add(-1)
	if left == 0 && m.after {
		_, _ = m.Store.Put(ctx, key, body, c)
	}
	if left <= 0 {
		return store.Receipt{}, errDied
	}
	return m.Store.Put(ctx, key, body, c)
}

var questions = []string{
	`{"from":{"instance":"i"},"reduce":{"type":"count","groupBy":["event_type"]}}`,
	`{"from":{"instance":"i"},"reduce":{"type":"sum","field":"payload.f"}}`,
	`{"from":{"instance":"i"},"reduce":{"values":{"a":{"type":"avg","field":"payload.f"},"n":{"type":"sum","field":"payload.n"},"x":{"type":"max","field":"payload.n"}},"groupBy":["stream_id"]}}`,
	`{"from":{"instance":"i"},"where":[{"field":"payload.word","operator":"eq","value":"w3"}],"reduce":{"type":"count"}}`,
	`{"from":{"instance":"i"},"where":[{"field":"payload.n","operator":"gt","value":900}],"orderBy":[{"field":"timestamp","direction":"desc"}],"limit":20}`,
	`{"from":{"instance":"i","stream":"s1"},"where":[{"field":"payload.n","operator":"eq","value":null}],"reduce":{"type":"count"}}`,
}

// answers asks all questions in a process that knows nothing yet.
func answers(t *testing.T, s store.Store) []any {
	t.Helper()
	var out []any
	engine := querier.NewEngine(commitlog.Open(s))
	for _, text := range questions {
		q, err := querier.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		res, err := engine.Run(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, body := range append(res.Events, res.Aggregation, fmt.Append(nil, res.Total)) {
			var v any
			if len(body) > 0 {
				if err := json.Unmarshal(body, &v); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, v)
		}
	}
	return out
}

// alike compares JSON values, numbers within 1e-9 of their size.
func alike(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= 1e-9*max(1, math.Abs(a))
	case []any:
		b, ok := b.([]any)
		ok = ok && len(a) == len(b)
		for i := 0; ok && i < len(a); i++ {
			ok = alike(a[i], b[i])
		}
		return ok
	case map[string]any:
		b, ok := b.(map[string]any)
		ok = ok && len(a) == len(b)
		for k := range a {
			ok = ok && alike(a[k], b[k])
		}
		return ok
	}
	return a == b
}

// Two compactors that die at any of their puts, and go on, change no answer.
func TestAnswersStayTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 11))
	s := store.NewMemory()
	l := newLog(t, s, 2)
	for round := range 6 {
		for range 1 + rng.IntN(4) {
			var b commitlog.Batch
			for range 100 + rng.IntN(500) {
				b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", rng.IntN(9)), Type: fmt.Sprint("t", rng.IntN(3)), Metadata: []byte(`{}`),
					Time: event.ToMicros(time.Now().Add(-time.Duration(rng.Int64N(int64(40 * time.Hour))))),
					Payload: fmt.Appendf(nil, `{"n":%s,"f":%v,"word":"w%d"}`, []string{fmt.Sprint(rng.IntN(1000)), "null", "7.5", "[]"}[max(0, rng.IntN(20)-16)],
						rng.Float64()*1000, rng.IntN(9))})
			}
			mustAppend(t, l, b)
		}
		want := answers(t, s)
		for try := range 4 {
			var wg sync.WaitGroup
			for range 2 {
				m := &mortal{Store: s, after: rng.IntN(2) == 0}
				if m.puts.Store(int64(1 + rng.IntN(12))); try == 3 {
					m.puts.Store(1 << 40)
				}
				wg.Go(func() {
					c := &Compactor{Log: commitlog.Open(m), TargetBytes: 1 << 20}
					if _, err := c.Run(context.Background(), "i"); err != nil && !errors.Is(err, errDied) && m.puts.Load() > 0 {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			wg.Wait()
			if got := answers(t, s); !alike(got, want) {
				t.Fatalf("round %d, try %d:\n got %v\nwant %v", round, try, got, want)
			}
		}
	}
}

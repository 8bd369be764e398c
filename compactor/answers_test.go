package compactor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
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
	steps *steps
}

// steps checks after each snapshot that any process commits.
type steps struct {
	mu    sync.Mutex // no two are committed between two checks
	n     int
	check func(step int)
}

// put carries out a put.
func (s *steps) put(ctx context.Context, to store.Store, key string, body store.Body, c store.Condition) (store.Receipt, error) {
	if !strings.Contains(key, "/snapshots/") {
		return to.Put(ctx, key, body, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	receipt, err := to.Put(ctx, key, body, c)
	if err == nil {
		s.n++
		s.check(s.n)
	}
	return receipt, err
}

func (m *mortal) Put(ctx context.Context, key string, body store.Body, c store.Condition) (store.Receipt, error) {
	left := m.puts.Add(-1)
	if left == 0 && m.after {
		_, _ = m.steps.put(ctx, m.Store, key, body, c)
	}
	if left <= 0 {
		return store.Receipt{}, errDied
	}
	return m.steps.put(ctx, m.Store, key, body, c)
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
func answers(ctx context.Context, s store.Store) (out []any, err error) {
	engine := querier.NewEngine(commitlog.Open(s))
	for _, text := range questions {
		q, err := querier.Parse([]byte(text))
		if err != nil {
			return nil, err
		}
		res, err := engine.Run(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		for _, body := range append(res.Events, res.Aggregation, fmt.Append(nil, res.Total)) {
			var v any
			if len(body) > 0 {
				if err := json.Unmarshal(body, &v); err != nil {
					return nil, err
				}
			}
			out = append(out, v)
		}
	}
	return out, nil
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

// someBatch returns events of some hours and streams, whose payloads have some
// members of other types than most.
func someBatch(rng *rand.Rand) (b commitlog.Batch) {
	for range 50 + rng.IntN(200) {
		n := []string{fmt.Sprint(rng.IntN(1000)), "null", "7.5", "[]"}[max(0, rng.IntN(20)-16)]
		b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", rng.IntN(9)), Type: fmt.Sprint("t", rng.IntN(3)), Metadata: []byte(`{}`),
			Time:    event.ToMicros(time.Now().Add(-time.Duration(rng.Int64N(int64(64 * time.Hour))))),
			Payload: fmt.Appendf(nil, `{"n":%s,"f":%v,"word":"w%d"}`, n, rng.Float64()*1000, rng.IntN(9))})
	}
	return b
}

// Two compactors that die at any of their puts, and go on, change no answer by
// any of the snapshots that they commit.
func TestAnswersStayTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 11))
	s := store.NewMemory()
	l := newLog(t, s, 2)
	all := 0
	for round := range 10 {
		for range 1 + rng.IntN(3) {
			mustAppend(t, l, someBatch(rng))
		}
		want, err := answers(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		each := &steps{check: func(step int) {
			if got, err := answers(t.Context(), s); err != nil || !alike(got, want) {
				t.Errorf("round %d, step %d: %v\n got %v\nwant %v", round, step, err, got, want)
			}
		}}
		for try := range 4 {
			var wg sync.WaitGroup
			for range 2 {
				m := &mortal{Store: s, after: rng.IntN(2) == 0, steps: each}
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
		}
		all += each.n
	}
	v, err := commitlog.Open(s).Pin(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	files, err := v.Files(t.Context(), event.MinTime, event.MaxTime)
	if merged := slices.ContainsFunc(files, func(f snapshot.File) bool { return f.Level > 0 }); err != nil || all < 15 || !merged {
		t.Errorf("%v; %d steps, merged: %v", err, all, merged)
	}
}

//go:build unix

package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/commitlog"
	firnevent "github.com/firnlog/firn/layout/event"
)

// spreadEvents are appended in as many commits of each of four shards.
const (
	spreadCommits = 6
	spreadEvents  = 600
)

// fill appends events with payloads that hardly compress, a part of which is
// compacted, and returns the sum of their numbers.
func (w *world) fill(ctx context.Context) (sum int) {
	w.t.Helper()
	for c := range spreadCommits {
		var b commitlog.Batch
		for i := range spreadEvents {
			n := c*spreadEvents + i
			sum += n
			pad := make([]byte, 0, 700)
			for range 40 {
				pad = fmt.Appendf(pad, "%016x", rand.Uint64())
			}
			b.Events = append(b.Events, firnevent.Event{Stream: fmt.Sprint("s", i%40), Type: "made", Time: firnevent.ToMicros(time.Now()),
				Payload: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, pad), Metadata: []byte(`{}`)})
		}
		if _, err := w.log.Append(ctx, "orders", b); err != nil {
			w.t.Fatal(err)
		}
		if c == spreadCommits/2 {
			if err := w.Call(ctx, "compact", map[string]any{"instances": []string{"orders"}}, &struct{}{}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return sum
}

// spreadAnswer is what a query says of itself.
type spreadAnswer struct {
	Data struct {
		Result struct {
			Aggregation int
			Total       int
			Stats       struct {
				Shares  int
				Here    int `json:"shares_here"`
				Resent  int `json:"shares_resent"`
				Explain struct{ Workers map[string]int }
			}
		}
	}
}

// A large query is done by several environments at once, and goes on when one of
// them is killed in the middle.
func TestLargeQueriesAreSpread(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs many processes")
	}
	w := newWorld(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	sum := w.fill(ctx)
	ask := func() (a spreadAnswer, ok bool) {
		status, body, err := w.do(ctx, "POST", "/v1/query", `{"from":{"instance":"orders"},"explain":true,"where":[{"field":"payload.pad","operator":"contains","value":""}],"reduce":{"type":"sum","field":"n"}}`)
		if err != nil || status >= 500 || status == http.StatusTooManyRequests {
			return a, false // the environment that was asked is the one that was killed
		}
		if err := json.Unmarshal(body, &a); err != nil || status != http.StatusOK || a.Data.Result.Aggregation != sum || a.Data.Result.Total != spreadCommits*spreadEvents {
			t.Fatalf("%d %s, want the sum %d", status, body, sum)
		}
		return a, true
	}
	a, ok := ask()
	if s := a.Data.Result.Stats; !ok || s.Shares < 4 || s.Here == s.Shares || len(s.Explain.Workers) < 3 {
		t.Fatalf("%v %+v", ok, a)
	}
	t.Logf("%+v", a.Data.Result.Stats)

	survived := 0
	for tries := 0; survived < 2 && tries < 20; tries++ {
		done := make(chan struct{})
		var killing sync.WaitGroup
		killing.Go(func() { w.killWorker(done) })
		a, ok := ask()
		close(done)
		killing.Wait()
		// An environment that has just finished a share may be asked the whole query
		// before it is killed: that one is lost to whoever asked.
		if ok && a.Data.Result.Stats.Resent > 0 {
			survived++
		}
	}
	s := w.Functions["query"].Stats()
	t.Logf("%d invocations, %d killed, %d cold", s.Invocations, s.Killed, s.Cold)
	if survived < 2 || s.Killed < 2 {
		t.Errorf("%d queries survived the loss of a worker; %d killed", survived, s.Killed)
	}
}

// killWorker ends one environment in the middle of a share.
func (w *world) killWorker(done chan struct{}) {
	f := w.Functions["query"]
	for {
		for _, e := range f.environments() {
			e.mu.Lock()
			works := e.current != nil && bytes.Contains(e.current.payload, []byte("firn_share"))
			e.mu.Unlock()
			if works {
				e.kill()
				f.count(func(s *Stats) { s.Killed++ })
				return
			}
		}
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond): // as a bystander would look
		}
	}
}

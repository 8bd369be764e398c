package functions_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/querier"
)

// send sends a body and returns the status of the answer, and the answer.
func (w *world) send(ctx context.Context, t *testing.T, path, key, encoding string, body []byte) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // else a refusal may meet a connection that is still written to
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp, string(text)
}

// TestOverload drives appends far beyond what memory is there for: each is
// acknowledged and then found, or refused with a word about when to come again,
// and never is more memory lent than there is.
func TestOverload(t *testing.T) {
	const senders, each, memory = 50, 2, 4 << 20
	w := newWorld(t, func(cfg *front.Config, _ *access.Config) {
		cfg.Limits.Memory = memory
		cfg.Log = slow{cfg.Log}
	})
	var stored, refused, most atomic.Int64
	var sending sync.WaitGroup
	pad := strings.Repeat("x", 200<<10)
	for n := range senders {
		sending.Go(func() {
			for i := range each {
				body := fmt.Sprintf(`{"stream_id":"load","id":"%d-%d","payload":%q}`, n, i, pad)
				resp, text := w.send(context.Background(), t, "/v1/instances/acme-log/events", w.keys["owner"].full, "", []byte(body))
				lent := w.events.Lent()
				for seen := most.Load(); lent > seen && !most.CompareAndSwap(seen, lent); seen = most.Load() {
				}
				switch {
				case resp == nil:
				case resp.StatusCode/100 == 2:
					stored.Add(1)
				case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
					refused.Add(1)
					if resp.Header.Get("Retry-After") == "" {
						t.Errorf("a refusal does not say when to come again: %s", text)
					}
				default:
					t.Errorf("status %d: %s", resp.StatusCode, text)
				}
			}
		})
	}
	sending.Wait()
	q := querier.New("acme-log")
	q.Stream, q.Limit = "load", 0
	res, err := w.events.Query(front.WithCaller(t.Context(), front.Anyone), q)
	if err != nil || res.Total != stored.Load() {
		t.Errorf("%d events are stored, %d were acknowledged (%v)", res.Total, stored.Load(), err)
	}
	if most.Load() > memory || w.events.Lent() != 0 {
		t.Errorf("%d bytes were lent, %d still are; there are %d", most.Load(), w.events.Lent(), memory)
	}
	if stored.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d stored, %d refused: this is no overload", stored.Load(), refused.Load())
	}
	t.Logf("%d requests of 200 KB, %d MB of memory: %d stored, %d refused, at most %d bytes lent", senders*each, memory>>20, stored.Load(), refused.Load(), most.Load())
}

// slow is a log whose store takes its time.
type slow struct{ front.Log }

func (s slow) Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error) {
	if instance != front.Own && b.Events[0].Stream == "load" {
		time.Sleep(500 * time.Millisecond)
	}
	return s.Log.Append(ctx, instance, b)
}

//go:build unix

package cloud

import (
	"bufio"
	"context"
	"flag"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

var latency = flag.Int("latency", 0, "cold starts and warm invocations of each function to measure, see make latency")

// How long each function takes in a new environment, and in one that is there.
// Figures of this machine, and no test of them.
func TestLatency(t *testing.T) {
	if *latency == 0 {
		t.Skip("it measures: make latency")
	}
	w := newWorld(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	w.persist(ctx, "first", one("a", 0), http.StatusCreated)
	ways := map[string]func(){
		"ingest": func() { w.mustDo(ctx, "POST", "/v1/instances/orders/events", one("a", 1)) },
		"query":  func() { w.mustDo(ctx, "GET", "/v1/instances/orders/events?limit=1", "") },
		"tail":   func() { w.firstEvent(ctx) },
		"socket": w.asker(ctx),
		"compact": func() {
			if err := w.Call(ctx, "compact", map[string]any{"instances": []string{"orders"}}, nil); err != nil {
				t.Error(err)
			}
		},
	}
	for _, name := range []string{"ingest", "query", "tail", "socket", "compact"} {
		var cold, warm []time.Duration
		f := w.Functions[name]
		for range *latency {
			if name != "tail" { // a reply may come before its invocation is over
				w.wait(ctx, "done", func() bool { return f.some() == nil })
			}
			f.End()
			cold = append(cold, took(ways[name]))
			if name == "tail" { // its environment streams on, as nobody tells it that the client has left
				f.End()
				_, _, _ = w.do(ctx, "GET", "/stream/none", "")
			}
			w.wait(ctx, "at rest", f.resting)
			warm = append(warm, took(ways[name]))
		}
		all := f.Stats().Init
		t.Logf("%-8s process ready after %v, first answer after %v, next one after %v (medians of %d)",
			name, median(all[len(all)-*latency:]), median(cold), median(warm), *latency)
	}
}

// resting reports whether an environment waits for work.
func (f *Function) resting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.rest, func(e *environment) bool { return f.all[e] })
}

func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// mustDo sends a request that must succeed.
func (w *world) mustDo(ctx context.Context, method, path, body string) {
	w.t.Helper()
	if status, answer, err := w.do(ctx, method, path, body); err != nil || status >= 300 {
		w.t.Errorf("%s %s: %d %s %v", method, path, status, answer, err)
	}
}

// firstEvent opens a tail from the beginning, and reads the first event.
func (w *world) firstEvent(ctx context.Context) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", w.URL+"/stream/v1/instances/orders/tail?after=start", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			return
		}
	}
	w.t.Error("the tail has no event")
}

// asker opens a WebSocket, and returns a way to ask over it.
func (w *world) asker(ctx context.Context) func() {
	w.t.Helper()
	conn, _, err := websocket.Dial(ctx, w.URL+"/ws?api_key="+w.key, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.CloseNow() })
	return func() {
		if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"eventLog.getInstance","requestId":"r","params":{"instanceId":"orders"}}`)); err != nil {
			w.t.Fatal(err)
		}
		if _, reply, err := conn.Read(ctx); err != nil || !strings.Contains(string(reply), `"success":true`) {
			w.t.Fatalf("%s %v", reply, err)
		}
	}
}

// median returns the middle one, 0 of none.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2].Round(100 * time.Microsecond)
}

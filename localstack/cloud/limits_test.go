//go:build unix

package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// What is too large for the cloud is refused with what to do instead, and that
// works: cursors, the address that streams, smaller batches.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs many processes")
	}
	w := newWorld(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const events = "/v1/instances/orders/events"
	ask := func(want int, text, method, path, body string, header ...string) []byte {
		t.Helper()
		status, answer, err := w.do(ctx, method, path, body, header...)
		if err != nil || status != want || !strings.Contains(string(answer), text) {
			t.Errorf("%s %s: %d %.300s %v, want %d %s", method, path, status, answer, err, want, text)
		}
		return answer
	}
	large := strings.Repeat("x", 1<<20)
	ask(413, "Too Large", "POST", events, `{"payload":"`+strings.Repeat(large, 7)+`"}`)  // more than a function takes
	ask(413, "Too Large", "POST", events, `{"payload":"`+strings.Repeat(large, 11)+`"}`) // more than the gateway takes
	for n := range 6 {
		ask(201, "", "POST", events+"?return=minimal", fmt.Sprintf(`{"stream_id":"s","payload":{"n":%d,"x":%q}}`, n, large))
	}
	ask(413, "ask for fewer events with limit", "GET", events, "")
	query := `{"from":{"instance":"orders"}}`
	lines := ask(200, "", "POST", "/answers/v1/query", query, "Accept", "application/x-ndjson")
	if n := bytes.Count(lines, []byte(`"stream_id"`)); n != 6 {
		t.Errorf("%d events are streamed", n)
	}
	seen, path := 0, events+"?limit=2"
	for pages := 0; path != "" && pages < 6; pages++ {
		var out struct {
			Data struct {
				Cursor string
				Result struct {
					Events []json.RawMessage
					Cursor string
				}
			}
		}
		if err := json.Unmarshal(ask(200, "", "GET", path, ""), &out); err != nil {
			t.Fatal(err)
		}
		seen, path = seen+len(out.Data.Result.Events), ""
		if cursor := out.Data.Result.Cursor + out.Data.Cursor; cursor != "" {
			path = events + "?limit=2&cursor=" + url.QueryEscape(cursor)
		}
	}
	if seen != 6 {
		t.Errorf("%d events in pages", seen)
	}
	w.largeMessages(ctx, large)
}

// largeMessages tries what a WebSocket API does not carry, either way.
func (w *world) largeMessages(ctx context.Context, large string) {
	w.t.Helper()
	conn, _, err := websocket.Dial(ctx, w.URL+"/ws?api_key="+w.key, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"eventLog.queryEvents","requestId":"r","params":{"query":{"from":{"instance":"orders"}}}}`)); err != nil {
		w.t.Fatal(err)
	}
	if _, reply, err := conn.Read(ctx); err != nil || !strings.Contains(string(reply), `"code":"limit"`) || !strings.Contains(string(reply), `"requestId":"r"`) {
		w.t.Errorf("a large reply: %.200s %v", reply, err)
	}
	_ = conn.Write(ctx, websocket.MessageText, []byte(large)) // the gateway may close meanwhile
	if _, _, err = conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		w.t.Errorf("a large message: %v", err)
	}
	if status, _, err := w.do(ctx, http.MethodGet, "/v1/instances/orders", ""); status != http.StatusOK || err != nil {
		w.t.Errorf("afterwards: %d %v", status, err)
	}
}

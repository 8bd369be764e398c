package functions_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/querier"
)

// pipes is a listener whose connections are in memory, for tests that set the
// clock.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.ended); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7480} }

// dial is for the transport of a client.
func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.conns <- server
	return client, nil
}

// TestRevocation: within 10 seconds a key that is revoked in another process is
// worth nothing anywhere, be it in streams and sessions that are open.
func TestRevocation(t *testing.T) {
	const promised = 10 * time.Second
	bubble.Run(t, func(t *testing.T) {
		w, client, stop := inMemory(t)
		header := http.Header{"Authorization": {"Bearer " + w.keys["owner"].full}}
		ctx := t.Context()
		get := func(path string) *http.Response {
			t.Helper()
			req, err := http.NewRequestWithContext(ctx, "GET", w.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = header
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		dial := func(path string) *websocket.Conn {
			t.Helper()
			conn, _, err := websocket.Dial(ctx, w.url+path, &websocket.DialOptions{HTTPHeader: header, HTTPClient: client})
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		say := func(conn *websocket.Conn, message string) (string, error) {
			if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
				return "", err
			}
			_, answer, err := conn.Read(ctx)
			return string(answer), err
		}

		native, vamp := get("/v1/instances/acme-log/tail"), get("/acme-log/api/v1/events/stream")
		code, pushed := dial("/codebolt"), dial("/websocket")
		const list = `{"type":"eventLog.listInstances","requestId":"1","params":{}}`
		if text, err := say(code, list); err != nil || planted(text) == "" {
			t.Fatal(text, err)
		}
		// The push of events is under way once the answer to what follows it is there.
		if err := pushed.Write(ctx, websocket.MessageText, []byte(`{"path":"/acme-log/events/stream","action":"PEEK","transaction":"s"}`)); err != nil {
			t.Fatal(err)
		}
		if text, err := say(pushed, `{"path":"/stats","action":"PEEK","transaction":"q"}`); err != nil || !strings.Contains(text, `"OK"`) {
			t.Fatal(text, err)
		}

		// What streams bring, and when they end, is read all the time.
		type ending struct {
			text string
			err  error
			at   time.Time
		}
		ends := map[string]chan ending{}
		read := func(name string, all func() (string, error)) {
			ends[name] = make(chan ending, 1)
			go func() {
				text, err := all()
				ends[name] <- ending{text, err, time.Now()}
			}()
		}
		whole := func(resp *http.Response) func() (string, error) {
			return func() (string, error) {
				text, err := io.ReadAll(resp.Body)
				return string(text), err
			}
		}
		read("native", whole(native))
		read("vamp", whole(vamp))
		read("push", func() (string, error) {
			_, text, err := pushed.Read(ctx)
			return string(text), err
		})

		time.Sleep(time.Minute) // all goes on as long as the key is good
		log := commitlog.Open(w.store)
		elsewhere := access.NewRing(log, querier.NewEngine(log), nil)
		if _, err := elsewhere.Revoke(front.WithCaller(ctx, front.Caller{Name: "tester"}), w.keys["owner"].id); err != nil {
			t.Fatal(err)
		}
		revoked := time.Now()
		for name, end := range ends {
			e := <-end
			if took := e.at.Sub(revoked); took <= 0 || took > promised || planted(e.text) != "" {
				t.Errorf("the stream %s ended after %v with %s %v", name, took, e.text, e.err)
			}
		}
		time.Sleep(promised - time.Since(revoked))
		for name, conn := range map[string]*websocket.Conn{"codebolt": code, "vamp": pushed} {
			message := list
			if name == "vamp" {
				message = `{"path":"/acme-log/events","action":"PEEK","transaction":"q"}`
			}
			if text, err := say(conn, message); err == nil && (planted(text) != "" || !strings.Contains(text, "is not known")) {
				t.Errorf("the session %s: %s", name, text)
			}
			_ = conn.CloseNow()
		}
		if resp := get("/v1/instances"); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", resp.StatusCode)
		}
		stop()
	})
}

package functions_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
)

// inMemory serves a world over connections in memory, in virtual time. Stop ends
// all that it started.
func inMemory(t *testing.T, change ...func(*front.Config, *access.Config)) (w *world, client *http.Client, stop func()) {
	w = build(t, change...)
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	srv := &http.Server{Handler: w.handler}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	w.url = "http://127.0.0.1:7480"
	return w, &http.Client{Transport: transport}, func() {
		w.stop()
		transport.CloseIdleConnections()
		_ = srv.Close()
		<-served
	}
}

// TestSlowMessage: a message to Codebolt may take five minutes to come.
func TestSlowMessage(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w, client, stop := inMemory(t)
		for takes, whole := range map[time.Duration]bool{5*time.Minute - time.Second: true, 5*time.Minute + time.Second: false} {
			conn, _, err := websocket.Dial(t.Context(), w.url+"/codebolt", &websocket.DialOptions{HTTPClient: client,
				HTTPHeader: http.Header{"Authorization": {"Bearer " + w.keys["owner"].full}}})
			if err != nil {
				t.Fatal(err)
			}
			type answer struct {
				text []byte
				err  error
			}
			answers := make(chan answer, 1)
			go func() { // which answers pings, too
				_, text, err := conn.Read(t.Context())
				answers <- answer{text, err}
			}()
			message, err := conn.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := message.Write([]byte(codeboltSession[2] + strings.Repeat(" ", 64<<10))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(takes)
			_ = message.Close()
			if a := <-answers; whole != (a.err == nil && strings.Contains(string(a.text), `"success":true`)) {
				t.Errorf("a message that takes %v: %.200s %v", takes, a.text, a.err)
			}
			_ = conn.CloseNow()
		}
		stop()
	})
}

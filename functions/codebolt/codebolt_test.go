package codebolt

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// server is a door behind a real listener.
type server struct {
	*Server
	t    *testing.T
	url  string
	logs *syncBuffer
}

// serve starts a server over a new bucket in memory, changed by change.
func serve(t *testing.T, change ...func(*front.Config)) *server {
	t.Helper()
	s := store.NewMemory()
	log := commitlog.Open(s)
	logs := &syncBuffer{}
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.NewTextHandler(logs, nil))}
	for _, f := range change {
		f(&cfg)
	}
	service := front.New(cfg)
	door := New(service)
	srv := httptest.NewUnstartedServer(service.Handler(door.Door()))
	srv.Config.MaxHeaderBytes = 256 << 10 // as firn serve has it
	srv.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := door.Shutdown(ctx); err != nil {
			t.Error("connections were left open:", err)
		}
		srv.Close()
		if lent := service.Lent(); lent != 0 {
			t.Errorf("%d bytes are still lent", lent)
		}
	})
	return &server{door, t, srv.URL, logs}
}

// syncBuffer is a buffer that a server's goroutines may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// socketTo opens a connection at a path, which may have a query.
func (s *server) socketTo(path string) *websocket.Conn {
	s.t.Helper()
	conn, _, err := websocket.Dial(context.Background(), s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(100 << 20) // as the real client's
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func send(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.Write(context.Background(), websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	kind, reply, err := conn.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if kind != websocket.MessageText {
		t.Errorf("a reply came as %v", kind)
	}
	return string(reply)
}

var (
	times = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	stats = regexp.MustCompile(`,"stats":\{.*?\}(\}*,"timestamp")`)
)

// normal replaces what differs from run to run.
func normal(reply string) string {
	reply = stats.ReplaceAllString(reply, "$1")
	return times.ReplaceAllString(reply, `"T"`)
}

// TestTranscripts sends what clients send and compares every reply, byte for
// byte but for times and the statistics of queries. In the files > is a message
// of the client, < the reply, and -- begins a new server.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			conn := serve(t).socketTo("/codebolt?id=ws_1")
			for i, line := range strings.Split(string(text), "\n") {
				switch body := strings.TrimPrefix(line[min(1, len(line)):], " "); {
				case line == "--":
					conn = serve(t).socketTo("/plugin?id=ws_1&pluginId=p")
				case strings.HasPrefix(line, ">"):
					send(t, conn, body)
				case strings.HasPrefix(line, "<"):
					if got := normal(receive(t, conn)); got != body {
						t.Errorf("line %d:\n got %s\nwant %s", i+1, got, body)
					}
				}
			}
		})
	}
}

// TestHandshake sends what the real client sends as the URL: its environment.
func TestHandshake(t *testing.T) {
	s := serve(t)
	env := "&SECRET=" + url.QueryEscape(strings.Repeat("hunter2 ", 8000)) + "&agentTask=fix & run=50%&&=x&dev=true;a"
	conn := s.socketTo("/codebolt?id=ws_m1_x" + strings.ReplaceAll(env, " ", "+"))
	send(t, conn, `{"type":"eventLog.listInstances","requestId":"1","params":{}}`)
	receive(t, conn)
	send(t, conn, `{"type":"eventLog.getInstance","requestId":"1","params":{"instanceId":"none"}}`)
	receive(t, conn)
	if strings.Contains(s.logs.String(), "hunter2") {
		t.Error("the query string is in the log")
	}

	refused := func(path string, status int, header ...string) {
		t.Helper()
		req, err := http.NewRequest("GET", s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range append(header, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Add(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err != nil && status != 101 {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("%s %v: %d %s, want %d", path, header, resp.StatusCode, body, status)
		}
		if status != 101 && !strings.Contains(string(body), `"success":false,"error":`) {
			t.Errorf("%s", body)
		}
	}
	refused("/codebolt?id=1", 403, "Origin: https://evil.example")
	refused("/plugin?id=1", 403, "Origin: null")
	refused("/codebolt?id=1", 403, "Origin: "+s.url) // a page that the server itself shows is one of others, too
	resp, err := http.Get(s.url + "/codebolt")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("no handshake at all: %d", resp.StatusCode)
	}
}

func TestOrigins(t *testing.T) {
	dial := func(origin string, allowed ...string) error {
		s := serve(t, func(cfg *front.Config) { cfg.Origins = allowed })
		conn, _, err := websocket.Dial(context.Background(), s.url+"/codebolt", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			defer conn.CloseNow()
		}
		return err
	}
	if err := dial("https://ops.example.org", "https://ops.example.org"); err != nil {
		t.Error(err)
	}
	if err := dial("https://x.example.org", "*"); err != nil {
		t.Error(err)
	}
	if err := dial("https://x.example.org", "https://ops.example.org"); err == nil {
		t.Error("another origin was let in")
	}
}

// TestManyAtOnce sends thousands of requests over several sockets without waiting,
// and matches the replies as the client does, by requestId.
func TestManyAtOnce(t *testing.T) {
	const sockets, each = 6, 600
	s := serve(t)
	var group sync.WaitGroup
	for n := range sockets {
		conn := s.socketTo(fmt.Sprintf("/codebolt?id=ws_%d", n))
		sent := map[string]int{}
		for i := range each {
			sent[fmt.Sprintf("%d-%d", n, i)] = i
		}
		group.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", n, i)
				var m string
				switch i % 5 {
				case 0, 1, 2:
					m = fmt.Sprintf(`{"type":"eventLog.appendEvent","requestId":%q,"params":{"instanceId":"load","streamId":"s%d","payload":{"n":%d},"autoCreateInstance":true}}`, id, n, i)
				case 3:
					m = fmt.Sprintf(`{"type":"eventLog.nonsense","requestId":%q}`, id)
				case 4:
					m = fmt.Sprintf(`{"type":"eventLog.getInstance","requestId":%q,"params":{"instanceId":"none"}}`, id)
				}
				if err := conn.Write(context.Background(), websocket.MessageText, []byte(m)); err != nil {
					t.Error(err)
					return
				}
			}
		})
		group.Go(func() {
			seen := map[int64]bool{}
			for len(sent) > 0 {
				_, reply, err := conn.Read(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				var r struct {
					Type, RequestID, Error string
					Success                bool
					Data                   struct {
						Event struct {
							Payload        struct{ N int }
							SequenceNumber int64 `json:"sequence_number"`
						}
					}
				}
				if err := json.Unmarshal(reply, &r); err != nil {
					t.Errorf("%v: %s", err, reply)
					return
				}
				i, open := sent[r.RequestID]
				if !open {
					t.Errorf("a reply to nothing: %s", reply)
					return
				}
				delete(sent, r.RequestID)
				event := r.Data.Event
				switch appended := i%5 < 3; {
				case r.Success != appended:
					t.Errorf("%s", reply)
				case appended && (event.Payload.N != i || event.SequenceNumber < 1 || event.SequenceNumber > each*3/5 || seen[event.SequenceNumber]):
					t.Errorf("event %d: %s", i, reply)
				}
				seen[event.SequenceNumber] = true
			}
		})
	}
	group.Wait()
	var stats struct{ Data struct{ EventCount int } }
	reply := s.Handle(front.WithCaller(context.Background(), front.Anyone), []byte(`{"type":"eventLog.getInstanceStats","requestId":"1","params":{"instanceId":"load"}}`))
	if err := json.Unmarshal(reply, &stats); err != nil || stats.Data.EventCount != sockets*each*3/5 {
		t.Errorf("%s %v", reply, err)
	}
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/internal/doc"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// connections test the rows of docs/limits.md that are about connections, in
// virtual time where they are about time.
var connections = map[string]func(t *testing.T){
	"header of a request": func(t *testing.T) {
		for size, want := range map[int]string{headerBytes: "200", headerBytes + 8<<10: "431"} {
			virtually(t, func(t *testing.T, c *wire) {
				const frame = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: \r\n\r\n"
				c.send(strings.Replace(frame, "X-Long: ", "X-Long: "+strings.Repeat("x", size-len(frame)), 1))
				c.wants(t, want)
			})
		}
	},
	"time for a header": func(t *testing.T) {
		const half = "GET /healthz HTTP/1.1\r\nHost: "
		virtually(t, func(t *testing.T, c *wire) {
			c.send(half)
			time.Sleep(headerTimeout - time.Second)
			c.send("localhost\r\n\r\n")
			c.wants(t, "200")
		})
		virtually(t, func(t *testing.T, c *wire) {
			c.send(half)
			time.Sleep(headerTimeout + time.Second)
			c.wantsClosed(t)
		})
	},
	"time for a request as a whole": func(t *testing.T) {
		const begin = "POST /v1/instances HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"
		virtually(t, func(t *testing.T, c *wire) {
			c.send(begin)
			time.Sleep(readTimeout - time.Second)
			c.send(`"id":"a"}`)
			c.wants(t, "201")
		})
		virtually(t, func(t *testing.T, c *wire) {
			c.send(begin)
			time.Sleep(readTimeout + time.Second)
			c.wants(t, "408")
			c.wantsClosed(t)
		})
	},
	"time until a request is answered": func(t *testing.T) {
		const ask = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" // whose answer no buffer holds
		virtually(t, func(t *testing.T, c *wire) {
			c.send(ask)
			time.Sleep(writeTimeout - time.Second)
			c.wants(t, "200")
		})
		virtually(t, func(t *testing.T, c *wire) {
			c.send(ask)
			time.Sleep(writeTimeout + time.Second)
			if resp, err := http.ReadResponse(c.answers, nil); err == nil {
				if body, err := io.ReadAll(resp.Body); err == nil {
					t.Errorf("the answer is whole after %v: %d bytes", writeTimeout, len(body))
				}
			}
		})
	},
	"idle connection": func(t *testing.T) {
		const ask = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		virtually(t, func(t *testing.T, c *wire) {
			c.send(ask)
			c.wants(t, "200")
			time.Sleep(idleTimeout - time.Second)
			c.send(ask)
			c.wants(t, "200")
			time.Sleep(idleTimeout + time.Second)
			c.wantsClosed(t)
		})
	},
	"connections at once": testConnections,
}

// TestConnectionLimits tests every row of docs/limits.md about connections.
func TestConnectionLimits(t *testing.T) {
	here := map[string]bool{}
	for row, test := range connections {
		here[row] = true
		t.Run(row, test)
	}
	doc.Covered(t, doc.Rows(t, "../../docs/limits.md", "Connections"), here, "../..", nil)
}

// wire is the other end of a connection to a server.
type wire struct {
	net.Conn
	answers *bufio.Reader
}

// send writes beside what the test does: the server need not read.
func (c *wire) send(text string) {
	go func() { _, _ = io.WriteString(c.Conn, text) }()
}

func (c *wire) wants(t *testing.T, status string) {
	t.Helper()
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(resp.Status, status) {
		t.Errorf("status %s, not %s: %.200s %v", resp.Status, status, body, err)
	}
}

func (c *wire) wantsClosed(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.answers.ReadByte(); err != io.EOF {
		t.Errorf("the connection is not closed: %v", err)
	}
}

// one is a listener of one connection.
type one struct {
	conns chan net.Conn
}

func (o one) Accept() (net.Conn, error) {
	if c, ok := <-o.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (o one) Close() error { return nil }
func (o one) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7480}
}

// virtually runs f with a connection to the server as firn serve makes it, in
// virtual time.
func virtually(t *testing.T, f func(*testing.T, *wire)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		srv := plainServer(t)
		near, far := net.Pipe()
		l := one{make(chan net.Conn, 1)}
		l.conns <- far
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		f(t, &wire{near, bufio.NewReader(near)})
		_ = near.Close()
		close(l.conns)
		_ = srv.Close()
		<-served
	})
}

// plainServer is that of firn serve over a bucket in memory.
func plainServer(t *testing.T) *http.Server {
	t.Helper()
	s := store.NewMemory()
	log := commitlog.Open(s)
	cfg := front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.DiscardHandler)}
	ring := access.NewRing(log, cfg.Queries, nil)
	srv, err := (&serveCmd{}).service(front.New(cfg), ring, access.New(access.Config{Ring: ring, Open: true, Logger: cfg.Logger}))
	if err != nil {
		t.Fatal(err)
	}
	return srv.http
}

// testConnections: of many connections no more than the limit are served at once,
// and all in the end.
func testConnections(t *testing.T) {
	const most, all = 3, 20
	f := listenFlags{Connections: most}
	l, err := f.listen(t.Context(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var in, peak atomic.Int64
	entered, leave := make(chan bool, all), make(chan bool)
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		for n := in.Add(1); ; {
			if seen := peak.Load(); n <= seen || peak.CompareAndSwap(seen, n) {
				break
			}
		}
		entered <- true
		<-leave
		in.Add(-1)
	})}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	var asking sync.WaitGroup
	for range all {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprint(l.url), nil)
			if err == nil {
				req.Close = true
				var resp *http.Response
				if resp, err = http.DefaultClient.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range most {
		<-entered
	}
	for range all - most {
		leave <- true
		<-entered
	}
	for range most {
		leave <- true
	}
	asking.Wait()
	if peak.Load() != most {
		t.Errorf("%d connections were served at once", peak.Load())
	}
}

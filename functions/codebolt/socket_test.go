package codebolt

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// scripted is a log whose appends are answered by a test.
type scripted struct {
	front.Log
	append func(context.Context, commitlog.Batch) (commitlog.Receipt, error)
}

func (s scripted) Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error) {
	if instance == front.Own {
		return s.Log.Append(ctx, instance, b)
	}
	return s.append(ctx, b)
}

// script has the server's appends answered by f.
func script(f func(context.Context, commitlog.Batch) (commitlog.Receipt, error)) func(*front.Config) {
	return func(cfg *front.Config) { cfg.Log = scripted{cfg.Log, f} }
}

const createA = `{"type":"eventLog.createInstance","requestId":"c","params":{"name":"a"}}`

func appendTo(id, payload string) string {
	return fmt.Sprintf(`{"type":"eventLog.appendEvent","requestId":%q,"params":{"instanceId":"a","payload":%s}}`, id, payload)
}

func wants(t *testing.T, reply string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(reply, text) {
			t.Errorf("%.300s\ndoes not hold %s", reply, text)
		}
	}
}

// TestLargeMessages: what is too large is refused under its id, and the
// connection goes on, unless the id cannot be found.
func TestLargeMessages(t *testing.T) {
	s := serve(t)
	conn := s.socketTo("/codebolt")
	send(t, conn, createA)
	receive(t, conn)
	three := `{"x":"` + strings.Repeat("x", 3<<20) + `"}`
	send(t, conn, appendTo("3", three))
	wants(t, receive(t, conn), `"success":true`, three, `"requestId":"3"`)

	// Four events of 3 MB are a message below the limit.
	batch := strings.Repeat(`{"payload":`+three+`},`, 4)
	send(t, conn, `{"type":"eventLog.appendEvents","requestId":"b","params":{"instanceId":"a","events":[`+strings.TrimSuffix(batch, ",")+`]}}`)
	wants(t, receive(t, conn), `"success":true`, `"count":4`, `"requestId":"b"`)
	send(t, conn, `{"type":"eventLog.queryEvents","requestId":"q","params":{"query":{"from":{"instance":"a"}}}}`)
	wants(t, receive(t, conn), `"success":true`, `"total":5`)

	most := appendTo("m", "1")
	send(t, conn, most+strings.Repeat(" ", front.MaxBody-len(most)))
	wants(t, receive(t, conn), `"success":true`, `"requestId":"m"`)
	send(t, conn, most+strings.Repeat(" ", front.MaxBody+1-len(most)))
	wants(t, receive(t, conn), `"success":false`, "more than 33554432 bytes", `"code":"limit"`, `"requestId":"m"`)
	send(t, conn, appendTo("9", `"`+strings.Repeat("x", 9<<20)+`"`))
	wants(t, receive(t, conn), `"success":false`, `"code":"limit"`, `"requestId":"9"`)

	send(t, conn, `{"params":{"x":"`+strings.Repeat("x", front.MaxBody)+`"},"requestId":"late"}`)
	wants(t, receive(t, conn), `"type":"error"`, `"code":"limit"`)
	_, _, err := conn.Read(context.Background())
	if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("the connection goes on with %v", err)
	}
}

// TestNoMemory: a message for which there is no memory is refused under its id.
func TestNoMemory(t *testing.T) {
	s := serve(t, func(cfg *front.Config) { cfg.Limits.Memory = 1 << 20 })
	conn := s.socketTo("/codebolt")
	send(t, conn, createA)
	receive(t, conn)
	send(t, conn, appendTo("2", `"`+strings.Repeat("x", 2<<20)+`"`))
	wants(t, receive(t, conn), `"success":false`, `"code":"limit"`, "memory", `"requestId":"2"`)
	send(t, conn, appendTo("3", `"`+strings.Repeat("x", 400<<10)+`"`)) // read, and then too much with its reply
	wants(t, receive(t, conn), `"success":false`, `"code":"limit"`, `"requestId":"3"`)
	send(t, conn, appendTo("4", `1`))
	wants(t, receive(t, conn), `"success":true`, `"requestId":"4"`)
}

// TestBackPressure fills all slots: no further message is read before one is free.
func TestBackPressure(t *testing.T) {
	var running, most atomic.Int32
	const all = 3 * MaxInFlight
	started, finish := make(chan struct{}, all), make(chan struct{})
	s := serve(t, script(func(context.Context, commitlog.Batch) (commitlog.Receipt, error) {
		for n := running.Add(1); n > most.Load(); {
			most.Store(n)
		}
		defer running.Add(-1)
		started <- struct{}{}
		<-finish
		return commitlog.Receipt{}, fault.New(fault.Conflict, "ended")
	}))
	conn := s.socketTo("/codebolt")
	send(t, conn, createA)
	receive(t, conn)
	for i := range all {
		send(t, conn, appendTo(fmt.Sprint(i), "1"))
	}
	for range MaxInFlight {
		<-started
	}
	close(finish)
	for range all {
		wants(t, receive(t, conn), "ended")
	}
	if most.Load() != MaxInFlight {
		t.Errorf("%d requests were carried out at once", most.Load())
	}
}

// TestShutdown: what is in flight is answered, then the connection is closed with
// 1001, and nobody gets in any more.
func TestShutdown(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	s := serve(t, script(func(context.Context, commitlog.Batch) (commitlog.Receipt, error) {
		close(started)
		<-finish
		return commitlog.Receipt{}, fault.New(fault.Unknown, "lost")
	}))
	idle, busy := s.socketTo("/codebolt"), s.socketTo("/codebolt")
	send(t, busy, createA)
	receive(t, busy)
	send(t, busy, appendTo("1", "1"))
	<-started
	down := make(chan error)
	go func() { down <- s.Shutdown(context.Background()) }()
	if _, _, err := idle.Read(context.Background()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the idle connection ended with %v", err)
	}
	close(finish)
	wants(t, receive(t, busy), `"success":false`, `"code":"unknown_outcome"`, "may or may not be stored", `"requestId":"1"`)
	if _, _, err := busy.Read(context.Background()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the busy connection ended with %v", err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	_, resp, err := websocket.Dial(context.Background(), s.url+"/codebolt", nil)
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a connection was taken in: %v", err)
	}
}

// TestShutdownGivesUp: a request that does not end is given up when the time is
// over.
func TestShutdownGivesUp(t *testing.T) {
	started := make(chan struct{})
	s := serve(t, script(func(ctx context.Context, _ commitlog.Batch) (commitlog.Receipt, error) {
		close(started)
		<-ctx.Done()
		return commitlog.Receipt{}, ctx.Err()
	}))
	conn := s.socketTo("/codebolt")
	send(t, conn, createA)
	receive(t, conn)
	send(t, conn, appendTo("1", "1"))
	<-started
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	go func() {
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	if err := s.Shutdown(ended); err != context.Canceled {
		t.Error(err)
	}
}

// TestCaller: rights are those of the handshake's caller, and are looked up again.
func TestCaller(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	var revoked atomic.Bool
	s := serve(t, func(cfg *front.Config) {
		cfg.Now = func() time.Time { return time.Unix(0, now.Load()) }
		cfg.Authenticate = func(r *http.Request) (front.Caller, error) {
			if revoked.Load() {
				return front.Caller{}, fault.New(fault.Unauthenticated, "the key was revoked")
			}
			if r.URL.Query().Get("KEY") != "good" {
				return front.Caller{}, fault.New(fault.Unauthenticated, "no key")
			}
			return front.Caller{Name: "k", Grants: []front.Grant{{Instances: "a", Rights: front.CanQuery | front.CanAdmin}}}, nil
		}
	})
	if _, resp, err := websocket.Dial(context.Background(), s.url+"/codebolt?KEY=bad", nil); err == nil || resp.StatusCode != 401 {
		t.Error("no key was needed")
	}
	conn := s.socketTo("/codebolt?KEY=good")
	send(t, conn, createA)
	wants(t, receive(t, conn), `"success":true`)
	send(t, conn, appendTo("1", "1"))
	wants(t, receive(t, conn), `"success":false`, "right to append", `"code":"denied"`)
	send(t, conn, strings.ReplaceAll(createA, `"a"`, `"b"`))
	wants(t, receive(t, conn), `"success":false`, "right to admin")
	revoked.Store(true)
	now.Add(int64(callerAge) + 1)
	send(t, conn, createA)
	wants(t, receive(t, conn), `"success":false`, "the key was revoked", `"requestId":"c"`)
}

// TestPanic: an operation that panics ends neither the process nor the wait.
func TestPanic(t *testing.T) {
	s := serve(t, script(func(context.Context, commitlog.Batch) (commitlog.Receipt, error) { panic("bug") }))
	conn := s.socketTo("/codebolt")
	send(t, conn, createA)
	receive(t, conn)
	send(t, conn, appendTo("1", "1"))
	wants(t, receive(t, conn), `"success":false`, "internal error", `"requestId":"1"`)
	wants(t, s.logs.String(), "bug")
}

// TestShards: a batch over several shards of which one fails is reported event by
// event.
func TestShards(t *testing.T) {
	s := serve(t, script(func(_ context.Context, b commitlog.Batch) (commitlog.Receipt, error) {
		b.Events[0].Sequence = 1
		b.Events[0].Place.Position = 1
		return commitlog.Receipt{Events: b.Events, Parts: []commitlog.Part{{Count: 1, Position: 1}, {Shard: 1, Count: 1, Err: fault.New(fault.Unavailable, "away")}}}, nil
	}))
	conn := s.socketTo("/codebolt")
	send(t, conn, createA)
	receive(t, conn)
	send(t, conn, `{"type":"eventLog.appendEvents","requestId":"1","params":{"instanceId":"a","events":[{"streamId":"x"},{"streamId":"y"}]}}`)
	wants(t, receive(t, conn), `"success":false`, `"data":{"events":[{"id":"0-1-0"`, `,null],"count":1}`, `"code":"unavailable"`)
}

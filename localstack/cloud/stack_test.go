//go:build unix

package cloud

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/infra"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
	"github.com/firnlog/firn/querier"
)

var requests = flag.Int("requests", 60, "appends of each writer, at most 300")

// What the writers do.
const (
	writers  = 8
	perBatch = 3 // events of an append
	patience = 4 * time.Second
)

func TestMain(m *testing.M) {
	status := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(status)
}

// built is the directory with the functions' programs, as they are deployed.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// build builds the programs once.
func build(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "firn-functions-"); built.err != nil {
			return
		}
		args := []string{"build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", built.dir}
		for _, name := range infra.Functions {
			args = append(args, "github.com/firnlog/firn/functions/"+name)
		}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatalf("build the functions: %v", built.err)
	}
	return built.dir
}

// world is a stack over a real S3 server, and a client of it.
type world struct {
	*Stack
	t      *testing.T
	bucket string
	key    string
	log    *commitlog.Log
}

func newWorld(t *testing.T, schedule time.Duration) *world {
	t.Helper()
	return newWorldOn(t, storetest.StartS3(t).URL("firn/events"), schedule)
}

// newWorldOn is newWorld over a given bucket.
func newWorldOn(t *testing.T, bucket string, schedule time.Duration) *world {
	t.Helper()
	programs := build(t)
	w := &world{t: t, bucket: bucket}
	s, err := store.Open(t.Context(), w.bucket)
	if err != nil {
		t.Fatal(err)
	}
	w.log = commitlog.Open(s)
	if _, err := w.log.CreateInstance(t.Context(), catalog.Instance{ID: "orders", Shards: 4}); err != nil {
		t.Fatal(err)
	}
	ring := access.NewRing(w.log, querier.NewEngine(w.log), nil)
	if w.key, _, err = ring.Create(t.Context(), "all", []string{"*:append,query,admin"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	log := &bytes.Buffer{}
	w.Stack, err = Start(Options{Functions: programs, Bucket: w.bucket, Concurrency: 4, Schedule: schedule, StreamInstance: "orders", SpreadMB: 1, Patience: patience, Timeout: 15 * time.Second,
		Listen: "127.0.0.1:0", Log: &locked{w: log}, Env: []string{
			"AWS_ACCESS_KEY_ID=" + os.Getenv("AWS_ACCESS_KEY_ID"), "AWS_SECRET_ACCESS_KEY=" + os.Getenv("AWS_SECRET_ACCESS_KEY")}})
	if err != nil {
		t.Fatal(err)
	}
	// A stream lasts as long as the test.
	w.Functions["tail"].Timeout = 5 * time.Minute
	t.Cleanup(func() {
		w.Stop()
		// That a key is used is recorded by who may write.
		denied := slices.DeleteFunc(w.Denied(), func(d string) bool {
			return strings.Contains(d, " s3:PutObject ") && strings.Contains(d, "/instances/_firn/log/")
		})
		if len(denied) > 0 {
			t.Errorf("roles do not allow: %q", denied)
		}
		if t.Failed() {
			text := log.String()
			t.Logf("the functions:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return w
}

// locked lets several processes write to one log.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// do sends a request and returns the answer's status and body.
func (w *world) do(ctx context.Context, method, path, body string, header ...string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// persist repeats an append under its key until it is settled, as clients do, and
// returns how often it was sent.
func (w *world) persist(ctx context.Context, key, body string, want int, header ...string) int {
	for tries := 1; ; tries++ {
		status, answer, err := w.do(ctx, "POST", "/v1/instances/orders/events?return=minimal", body, append(header, "Idempotency-Key", key)...)
		switch {
		case err == nil && status == want:
			return tries
		case ctx.Err() != nil:
			w.t.Errorf("append %s was never settled: %d %s %v", key, status, answer, err)
			return tries
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			w.t.Errorf("append %s: %d %s", key, status, answer)
			return tries
		}
		time.Sleep(20*time.Millisecond + rand.N(80*time.Millisecond)) // as a client would
	}
}

// batch is the body of a writer's request.
func batch(stream string, request int) string {
	var list []string
	for i := range perBatch {
		list = append(list, fmt.Sprintf(`{"stream_id":%q,"event_type":"made","payload":{"n":%d}}`, stream, request*perBatch+i))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// event is one as queries and tails show it.
type event struct {
	Stream   string `json:"stream_id"`
	Sequence int    `json:"sequence_number"`
	Payload  struct {
		N int `json:"n"`
	} `json:"payload"`
}

// read returns a stream's events by the query function.
func (w *world) read(ctx context.Context, stream string) []event {
	w.t.Helper()
	for {
		status, answer, err := w.do(ctx, "GET", "/v1/instances/orders/events?limit=1000&stream="+stream, "")
		if status == http.StatusOK {
			var out struct {
				Data struct{ Result struct{ Events []event } }
			}
			if err := json.Unmarshal(answer, &out); err != nil {
				w.t.Fatalf("%v: %s", err, answer)
			}
			slices.SortFunc(out.Data.Result.Events, func(a, b event) int { return cmp.Compare(a.Sequence, b.Sequence) })
			return out.Data.Result.Events
		}
		if ctx.Err() != nil || err == nil && status < 500 && status != http.StatusTooManyRequests {
			w.t.Fatalf("query %s: %d %s %v", stream, status, answer, err)
		}
	}
}

// disturb ends and freezes environments in the middle of their work until ctx
// ends. Who is frozen wakes after the gateway has given up on it.
func (w *world) disturb(ctx context.Context) {
	var thawed sync.WaitGroup
	defer thawed.Wait()
	var until time.Time // of the last freeze: one at a time, so that work goes on
	for n := 0; ctx.Err() == nil; n++ {
		f := w.Functions[[]string{"ingest", "ingest", "ingest", "compact", "query"}[n%5]]
		if n%2 == 0 {
			f.KillOne()
		} else if time.Now().Before(until) {
			// Who is frozen has the place of another.
		} else if thaw, ok := f.FreezeOne(); ok {
			until = time.Now().Add(patience + time.Second)
			thawed.Go(func() {
				defer thaw()
				select {
				case <-ctx.Done():
				case <-time.After(patience + time.Second):
				}
			})
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// follow reads the tail from the beginning and returns the events in the order in
// which they came, once there are n.
func (w *world) follow(ctx context.Context, n int) (seen []event) {
	r, err := http.NewRequestWithContext(ctx, "GET", w.URL+"/stream/v1/instances/orders/tail?after=start", nil)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for len(seen) < n && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				w.t.Error(err)
			}
			seen = append(seen, e)
		}
	}
	if len(seen) < n {
		w.t.Errorf("the tail ended after %d of %d events: %v", len(seen), n, lines.Err())
	}
	return seen
}

// Writers append through several environments at once, a part of them by the
// queue, while environments are killed and frozen in the middle and compaction
// goes on. Then every acknowledged event is there once, numbered without gaps, in
// queries and in the tail.
func TestNothingIsLostOrTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs many processes")
	}
	w := newWorld(t, 2*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	total := writers * (*requests) * perBatch
	queued := writers * (*requests / 4) * perBatch
	tailed := make(chan []event, 1)
	go func() { tailed <- w.follow(ctx, total+queued) }()

	disturbing, calm := context.WithCancel(ctx)
	var chaos, work sync.WaitGroup
	chaos.Go(func() { w.disturb(disturbing) })
	sent := make([]int, writers)
	for n := range writers {
		work.Go(func() {
			for i := range *requests {
				sent[n] += w.persist(ctx, fmt.Sprintf("w%d-%d", n, i), batch(fmt.Sprint("w", n), i), http.StatusCreated)
				if i%4 == 3 {
					sent[n] += w.persist(ctx, fmt.Sprintf("q%d-%d", n, i), batch(fmt.Sprint("q", n), i/4), http.StatusAccepted, "Prefer", "respond-async")
				}
			}
		})
	}
	work.Wait()
	calm()
	chaos.Wait()
	for !w.Queue.Idle() && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	if dead := w.Queue.Dead(); len(dead) > 0 {
		t.Errorf("%d messages were put aside", len(dead))
	}
	w.check(ctx)
	w.checkTail(<-tailed)
	w.compacted(ctx)
	w.check(ctx)
	for name, f := range w.Functions {
		s := f.Stats()
		t.Logf("%s: %d invocations, %d failed, %d throttled, %d cold, %d killed, %d frozen; started in %v, warm answers in %v",
			name, s.Invocations, s.Failed, s.Throttled, s.Cold, s.Killed, s.Frozen, median(s.Init), median(s.Warm))
	}
	all := 0
	for _, n := range sent {
		all += n
	}
	t.Logf("%d requests for %d appends of %d events", all, writers*(*requests+*requests/4), total+queued)
	if s := w.Functions["ingest"].Stats(); s.Killed == 0 || s.Frozen == 0 {
		t.Errorf("nothing was disturbed: %+v", s)
	}
}

// check compares all streams with what was acknowledged.
func (w *world) check(ctx context.Context) {
	w.t.Helper()
	for n := range writers {
		for stream, count := range map[string]int{fmt.Sprint("w", n): *requests * perBatch, fmt.Sprint("q", n): *requests / 4 * perBatch} {
			events := w.read(ctx, stream)
			numbers := map[int]int{}
			for i, e := range events {
				if e.Sequence != i+1 {
					w.t.Fatalf("%s: the event at %d has the number %d", stream, i+1, e.Sequence)
				}
				// Who waits for each append has its events in order.
				if stream[0] == 'w' && e.Payload.N != i {
					w.t.Fatalf("%s: the event at %d holds %d", stream, i+1, e.Payload.N)
				}
				numbers[e.Payload.N]++
			}
			if len(events) != count || len(numbers) != count {
				w.t.Fatalf("%s: %d events, %d different ones, want %d", stream, len(events), len(numbers), count)
			}
		}
	}
}

// checkTail checks that a tail bore each event once and each stream in order.
func (w *world) checkTail(seen []event) {
	w.t.Helper()
	next := map[string]int{}
	for _, e := range seen {
		if next[e.Stream]++; e.Sequence != next[e.Stream] {
			w.t.Fatalf("the tail bore %s %d where %d is next", e.Stream, e.Sequence, next[e.Stream])
		}
	}
}

// compacted waits for the schedule, and compacts what is left by a direct call.
func (w *world) compacted(ctx context.Context) {
	w.t.Helper()
	for w.Functions["compact"].Stats().Invocations == 0 && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	for ctx.Err() == nil {
		var out struct{ Unfinished int }
		if err := w.Call(ctx, "compact", map[string]any{"instances": []string{"orders"}}, &out); err == nil && out.Unfinished == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond) // the scheduled run has the one environment
	}
	v, err := w.log.Pin(ctx, "orders")
	if err != nil || len(v.Tail) > 0 {
		w.t.Errorf("after compaction: %v, %d commits are left", err, len(v.Tail))
	}
}

// Codebolt's operations go through the WebSocket API and the function behind it.
func TestCodebolt(t *testing.T) {
	w := newWorld(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := websocket.Dial(ctx, w.URL+"/ws?api_key=wrong", nil); err == nil {
		t.Fatal("a wrong key is let in")
	}
	conn, _, err := websocket.Dial(ctx, w.URL+"/ws?api_key="+w.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	ask := func(want, operation, params string) {
		t.Helper()
		if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"eventLog.%s","requestId":"r","params":%s}`, operation, params)); err != nil {
			t.Fatal(err)
		}
		_, reply, err := conn.Read(ctx)
		if err != nil || !strings.Contains(string(reply), want) || !strings.Contains(string(reply), `"requestId":"r"`) {
			t.Fatalf("%s: %s %v, want %s", operation, reply, err, want)
		}
	}
	ask(`"success":true`, "createInstance", `{"name":"agents"}`)
	ask(`"success":true`, "appendEvent", `{"instanceId":"agents","payload":{"x":1}}`)
	ask(`"total":1`, "queryEvents", `{"query":{"from":{"instance":"agents"}}}`)
	ask(`"eventCount":1`, "getInstanceStats", `{"instanceId":"agents"}`)
	ask(`"name":"agents2"`, "updateInstance", `{"instanceId":"agents","name":"agents2"}`)
	ask(`"success":true`, "getInstance", `{"instanceId":"agents"}`)
	ask(`"orders"`, "listInstances", `{}`)
	ask(`"success":true`, "deleteInstance", `{"instanceId":"agents"}`)
}

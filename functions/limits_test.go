package functions_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/doc"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/querier"
)

const (
	native  = "/v1/instances/acme-log/events"
	queries = "/v1/query"
)

// limits test rows of docs/limits.md, by their first cells: what is just inside
// works, what is just beyond is answered as the row says. w has the default
// limits.
var limits = map[string]func(t *testing.T, w *world){
	"body of an append, as sent": func(t *testing.T, _ *world) {
		w := limited(t, "body=64KB")
		w.edge(t, native, pad(`{}`, 64<<10), 201, pad(`{}`, 64<<10+1), 413)
	},
	"body of an append, decompressed": func(t *testing.T, _ *world) {
		w := limited(t, "decompressed=64KB")
		w.edgeIn(t, "gzip", native, zipped(t, pad(`{}`, 64<<10)), 201, zipped(t, pad(`{}`, 64<<10+1)), 413)
	},
	"window of a zstd stream": func(t *testing.T, w *world) {
		w.edgeIn(t, "zstd", native, windowed(t, 8<<20), 201, windowed(t, 16<<20), 400)
	},
	"every other body, both ways": func(t *testing.T, w *world) {
		const ask = `{"from":{"instance":"acme-log"}}`
		w.edge(t, queries, pad(ask, front.MaxSmallBody), 200, pad(ask, front.MaxSmallBody+1), 413)
		w.edgeIn(t, "gzip", queries, zipped(t, pad(ask, front.MaxSmallBody)), 200, zipped(t, pad(ask, front.MaxSmallBody+1)), 413)
	},
	"memory of all requests that are being taken in": func(t *testing.T, _ *world) {
		w := limited(t, "memory=1MB")
		others := w.events.Borrow()
		defer others.End()
		for _, step := range []struct {
			grow   int64
			status int
		}{{1<<20 - 64<<10, 201}, {64<<10 - 1, 429}} {
			if err := others.Grow(t.Context(), step.grow); err != nil {
				t.Fatal(err)
			}
			w.wants(t, native, `{}`, step.status)
		}
	},
	"requests a second of each caller": func(t *testing.T, _ *world) {
		w := newWorld(t, func(_ *front.Config, cfg *access.Config) { cfg.Rate, cfg.Burst = 1e-6, 5 })
		for range 4 { // one was sent as the key's first use
			w.wants(t, native, `{}`, 201)
		}
		w.wants(t, native, `{}`, 429)
	},

	"events of one request": func(t *testing.T, w *world) {
		w.edge(t, native, list("{}", event.MaxBatch), 201, list("{}", event.MaxBatch+1), 413)
		w = limited(t, "batch=3")
		w.edge(t, native, list("{}", 3), 201, list("{}", 4), 413)
	},
	"one event": func(t *testing.T, w *world) {
		w.edge(t, native, sized(t, event.MaxEventBytes), 201, sized(t, event.MaxEventBytes+1), 413)
		w = limited(t, "event=2KB")
		w.edge(t, native, sized(t, 2<<10), 201, sized(t, 2<<10+1), 413)
		w.edge(t, native, "["+sized(t, 2<<10)+"]", 201, "[{},"+sized(t, 2<<10+1)+"]", 413)
	},
	"nesting of payload and metadata": func(t *testing.T, w *world) {
		for _, of := range []struct {
			w     *world
			depth int
		}{{w, event.MaxDepth}, {limited(t, "depth=5"), 5}} {
			deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
			of.w.edge(t, native, `{"payload":`+deep(of.depth)+`}`, 201, `{"payload":`+deep(of.depth+1)+`}`, 400)
			of.w.edge(t, native, `{"metadata":{"a":`+deep(of.depth-1)+`}}`, 201, `{"metadata":{"a":`+deep(of.depth)+`}}`, 400)
		}
	},
	"`stream_id`, `event_type`": func(t *testing.T, w *world) {
		for _, member := range []string{"stream_id", "event_type"} {
			w.edge(t, native, text(member, 512), 201, text(member, 513), 400)
			w.edge(t, native, text(member, 1), 201, text(member, 0), 400)
		}
	},
	"`id` of an event": func(t *testing.T, w *world) { w.edge(t, native, text("id", 256), 201, text("id", 257), 400) },
	"`tags`": func(t *testing.T, w *world) {
		w.edge(t, native, `{"tags":`+list(`"a"`, 64)+`}`, 201, `{"tags":`+list(`"a"`, 65)+`}`, 400)
	},
	"one tag": func(t *testing.T, w *world) {
		w.edge(t, native, `{"tags":["`+strings.Repeat("x", 256)+`"]}`, 201, `{"tags":["`+strings.Repeat("x", 257)+`"]}`, 400)
	},
	"`timestamp`": func(t *testing.T, w *world) {
		at := func(ahead time.Duration) string {
			return `{"timestamp":"` + time.Now().Add(24*time.Hour+ahead).UTC().Format(time.RFC3339) + `"}`
		}
		w.edge(t, native, at(-time.Minute), 201, at(time.Minute), 400)
	},
	"id of an instance": func(t *testing.T, w *world) {
		w.edge(t, "/v1/instances", `{"id":"a`+strings.Repeat("x", 62)+`"}`, 201, `{"id":"a`+strings.Repeat("x", 63)+`"}`, 400)
	},
	"name and description of an instance": func(t *testing.T, w *world) {
		w.edge(t, "/v1/instances", `{"id":"named","name":"`+strings.Repeat("x", catalog.MaxText)+`"}`, 201, `{"id":"named-2","name":"`+strings.Repeat("x", catalog.MaxText+1)+`"}`, 400)
		w.edge(t, "/v1/instances", `{"id":"told","description":"`+strings.Repeat("x", catalog.MaxText)+`"}`, 201, `{"id":"told-2","description":"`+strings.Repeat("x", catalog.MaxText+1)+`"}`, 400)
	},
	"shards": func(t *testing.T, w *world) {
		w.edge(t, "/v1/instances", `{"id":"many","shards":256}`, 201, `{"id":"more","shards":257}`, 400)
	},

	"conditions": func(t *testing.T, w *world) {
		where := func(n int) string { return `"where":` + list(`{"field":"payload.a","operator":"eq","value":1}`, n) }
		w.edge(t, queries, ask(where(100)), 200, ask(where(101)), 400)
	},
	"values of one `in`": func(t *testing.T, w *world) {
		in := func(n int) string {
			return `"where":[{"field":"payload.a","operator":"in","value":` + list("1", n) + `}]`
		}
		w.edge(t, queries, ask(in(10_000)), 200, ask(in(10_001)), 400)
	},
	"fields of `select`": func(t *testing.T, w *world) {
		w.edge(t, queries, ask(`"select":`+list(`"payload.a"`, 100)), 200, ask(`"select":`+list(`"payload.a"`, 101)), 400)
	},
	"fields of `orderBy`": func(t *testing.T, w *world) {
		w.edge(t, queries, ask(`"orderBy":`+list(`{"field":"payload.a"}`, 4)), 200, ask(`"orderBy":`+list(`{"field":"payload.a"}`, 5)), 400)
	},
	"fields of `groupBy`": func(t *testing.T, w *world) {
		by := func(n int) string {
			fields := make([]string, n)
			for i := range fields {
				fields[i] = fmt.Sprintf(`"payload.f%d"`, i)
			}
			return `"reduce":{"type":"count","groupBy":[` + strings.Join(fields, ",") + `]}`
		}
		w.edge(t, queries, ask(by(8)), 200, ask(by(9)), 400)
	},
	"events of a page": func(t *testing.T, w *world) { w.edge(t, queries, ask(`"limit":10000`), 200, ask(`"limit":10001`), 413) },
	"bytes of a page": func(t *testing.T, _ *world) {
		w := limited(t, "page=5000")
		w.wants(t, native, list(sized(t, 1000), 20), 201)
		const few = `"select":["payload"],"where":[{"field":"stream_id","operator":"eq","value":"sized"}],`
		if _, text := w.post(t, queries, ask(few+`"limit":4`), ""); strings.Count(text, `"payload"`) != 4 {
			t.Errorf("a page within the limit: %d events", strings.Count(text, `"payload"`))
		}
		if _, text := w.post(t, queries, ask(few+`"limit":20`), ""); strings.Count(text, `"payload"`) > 6 || !strings.Contains(text, `"cursor"`) {
			t.Errorf("a page beyond: %d events", strings.Count(text, `"payload"`))
		}
	},
	"`offset` + `limit`": func(t *testing.T, w *world) {
		w.edge(t, queries, ask(`"offset":99990,"limit":10`), 200, ask(`"offset":99991,"limit":10`), 413)
	},
	"memory of all answers that are not read yet": func(t *testing.T, _ *world) {
		w := limited(t, "answers=20KB")
		w.wants(t, native, list(sized(t, 2<<10), 20), 201)
		w.wants(t, queries, ask(`"limit":8`), 200)
		w.wants(t, queries, ask(`"limit":12`), 413) // what could never have its part
	},
	"queries at once": func(t *testing.T, _ *world) {
		under, finish := make(chan bool), make(chan bool)
		w := newWorld(t, func(cfg *front.Config, _ *access.Config) {
			cfg.Limits.Queries = 2
			cfg.Queries = held{cfg.Queries, under, finish}
		})
		var asking sync.WaitGroup
		for range 2 {
			asking.Go(func() { w.wants(t, queries, ask(`"limit":7`), 200) })
			<-under
		}
		w.wants(t, queries, ask(`"limit":1`), 429)
		close(finish)
		asking.Wait()
		w.wants(t, queries, ask(`"limit":1`), 200)
	},
	"memory of one query": func(t *testing.T, _ *world) {
		const long = `"orderBy":[{"field":"payload"}]`
		for limit, status := range map[string]int{"query-memory=100KB": 200, "query-memory=10KB": 413} {
			w := limited(t, limit)
			w.wants(t, native, list(sized(t, 20<<10), 2), 201)
			w.wants(t, queries, ask(long), status)
		}
	},
	"events that a query scans": func(t *testing.T, _ *world) {
		w := limited(t, "query-rows=4") // one is there
		const scan = `"where":[{"field":"payload.a","operator":"eq","value":1}]`
		w.wants(t, native, list("{}", 3), 201)
		w.wants(t, queries, ask(scan), 200)
		w.wants(t, native, "{}", 201)
		w.wants(t, queries, ask(scan), 413)
	},
	"a cursor": func(t *testing.T, w *world) {
		_, text := w.post(t, queries, ask(`"limit":1`), "")
		_, cursor, _ := strings.Cut(text, `"cursor":"`)
		cursor, _, _ = strings.Cut(cursor, `"`)
		w.edge(t, queries, ask(`"limit":1,"cursor":"`+cursor+`"`), 200, ask(`"limit":1,"cursor":"`+cursor+"A"+`"`), 400)
		w.wants(t, queries, ask(`"cursor":"`+strings.Repeat("A", querier.MaxCursor+100)+`"`), 400)
	},

	"live tails of a server": func(t *testing.T, _ *world) { limited(t, "tails=3").tails(t, 3) },
	"live tails of a caller": func(t *testing.T, _ *world) { limited(t, "caller-tails=2").tails(t, 2) },
	"Vamp's WebSocket: a message": func(t *testing.T, w *world) {
		const stats = `{"path":"/stats","action":"PEEK","transaction":"1"}`
		for size, want := range map[int]websocket.StatusCode{1 << 20: -1, 1<<20 + 1: websocket.StatusMessageTooBig} {
			conn := w.dial(t, "/websocket")
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(pad(stats, size))); err != nil {
				t.Fatal(err)
			}
			if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != want {
				t.Errorf("a message of %d bytes: %v", size, err)
			}
			_ = conn.CloseNow()
		}
	},
	"Vamp's WebSocket: an answer": func(t *testing.T, w *world) {
		conn := w.dial(t, "/websocket")
		defer conn.CloseNow()
		const list = `{"path":"/acme-log/events","action":"PEEK","transaction":"1","data":"{\"tags\":[\"large\"]}"}`
		for n, want := range []string{"", `"status":"OK"`, `"status":"OK"`, "the answer has more than"} {
			if want == "" {
				continue
			}
			w.wants(t, native, `{"tags":["large"],"payload":{"value":"`+strings.Repeat("x", 7<<20)+`"}}`, 201)
			if err := conn.Write(t.Context(), websocket.MessageText, []byte(list)); err != nil {
				t.Fatal(err)
			}
			if _, text, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%d events: %.300s %v", n, text, err)
			}
		}
	},
}

// held are queries of which some wait until they may finish.
type held struct {
	front.Queries
	under, finish chan bool
}

func (h held) Run(ctx context.Context, q *querier.Query) (*querier.Result, error) {
	if q.Limit == 7 {
		h.under <- true
		<-h.finish
	}
	return h.Queries.Run(ctx, q)
}

// limitsElsewhere are the rows that are tested where their code is.
var limitsElsewhere = map[string]string{
	"groups; values of `collect`":                                    "querier/limits_test.go TestGroupsAndCollectedValuesAreBounded",
	"time of one query":                                              "querier/columns_test.go TestLimits",
	"bytes of data files that a query reads":                         "querier/columns_test.go TestLimits",
	"a share of a query; its answer":                                 "functions/shares/shares_test.go TestSharesCannotBeForged",
	"data files from which on a query is spread":                     "querier/fanout_test.go TestSmallWorkStaysHere",
	"shares of a query that workers do at once":                      "querier/fanout_test.go TestWorkersAtOnce",
	"shares that a server or an environment does for others at once": "functions/shares/shares_test.go TestSharesAtOnce",
	"how long the answer to a share is waited for":                   "querier/fanout_test.go TestPatience",
	"age of a share":                                                 "layout/commitlog/section_test.go TestSectionsAreAtThePoint",
	"a reader of a stream that does not read":                        "functions/api/tail_test.go TestDeafClientIsDropped",
	"a caller's right, asked for again":                              "functions/revoke_test.go TestRevocation",
	"Codebolt: one message":                                          "functions/codebolt/socket_test.go TestLargeMessages",
	"Codebolt: time for one message":                                 "functions/limits_time_test.go TestSlowMessage",
	"Codebolt: requests of a connection at once":                     "functions/codebolt/socket_test.go TestBackPressure",
	"API keys in force":                                              "functions/access/limits_test.go TestMostKeys",
	"secrets of a key that are good at once":                         "functions/access/fresh_test.go TestUseIsNotedOnceADay",
	"age of the keys that let someone in":                            "functions/access/fresh_test.go TestRevocationBehindASlowBucket",
	"a token":                                                        "functions/access/limits_test.go TestTokensAtTheEdge",
	"clocks of those who sign tokens":                                "functions/access/limits_test.go TestTokensAtTheEdge",
	"a JWKS from a URL":                                              "functions/access/jwks_test.go TestBadJWKS",
	"age of a JWKS":                                                  "functions/access/jwks_test.go TestJWKSIsReadAgain",
	"refusals in the log":                                            "functions/access/limits_test.go TestRefusalsAreSampled",
}

// TestLimits tests every row of docs/limits.md; those of connections are tested in
// cmd/firn.
func TestLimits(t *testing.T) {
	rows := doc.Rows(t, "../docs/limits.md", "Requests", "Events and instances", "Queries", "Streams and sessions", "Credentials")
	here := map[string]bool{}
	for row := range limits {
		here[row] = true
	}
	doc.Covered(t, rows, here, "..", limitsElsewhere)
	w := newWorld(t)
	for _, row := range rows {
		if limits[row] != nil {
			t.Run(row, func(t *testing.T) { limits[row](t, w) })
		}
	}
}

// limited returns a world with limits that are set.
func limited(t *testing.T, set ...string) *world {
	t.Helper()
	return newWorld(t, func(cfg *front.Config, _ *access.Config) {
		var err error
		if cfg.Limits, err = front.ParseLimits(set); err != nil {
			t.Fatal(err)
		}
		cfg.Queries = cfg.Queries.(*querier.Engine).WithLimits(cfg.Limits.Query())
	})
}

// post sends a body as the owner.
func (w *world) post(t *testing.T, path, body, encoding string) (*http.Response, string) {
	t.Helper()
	return w.send(t.Context(), t, path, w.keys["owner"].full, encoding, []byte(body))
}

// edge wants what is just inside a limit to be answered with one status, and what
// is just beyond with another.
func (w *world) edge(t *testing.T, path, inside string, good int, beyond string, bad int) {
	t.Helper()
	w.edgeIn(t, "", path, inside, good, beyond, bad)
}

func (w *world) edgeIn(t *testing.T, encoding, path, inside string, good int, beyond string, bad int) {
	t.Helper()
	if resp, text := w.post(t, path, inside, encoding); resp.StatusCode != good {
		t.Errorf("just inside: status %d: %.300s", resp.StatusCode, text)
	}
	w.wantsIn(t, encoding, path, beyond, bad)
}

func (w *world) wants(t *testing.T, path, body string, status int) {
	t.Helper()
	w.wantsIn(t, "", path, body, status)
}

// wantsIn wants a status, and of refusals that they say what is wrong.
func (w *world) wantsIn(t *testing.T, encoding, path, body string, status int) {
	t.Helper()
	resp, text := w.post(t, path, body, encoding)
	code := map[int]string{400: `"code":"invalid"`, 413: `"code":"limit"`, 429: `"code":"overload"`}[status]
	if resp.StatusCode != status || !strings.Contains(text, code) || status == 429 && resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, not %d: %.300s", resp.StatusCode, status, text)
	}
}

// tails wants a number of live tails to be open, and no more.
func (w *world) tails(t *testing.T, most int) {
	t.Helper()
	open := func() *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/v1/instances/acme-log/tail", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.keys["owner"].full)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	for range most {
		if resp := open(); resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if resp := open(); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one more: status %d, %v", resp.StatusCode, resp.Header)
	}
}

// dial opens a session as the owner.
func (w *world) dial(t *testing.T, path string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), w.url+path, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + w.keys["owner"].full}}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	return conn
}

// pad lengthens JSON with blanks.
func pad(text string, size int) string { return text + strings.Repeat(" ", size-len(text)) }

// list is an array of n times the same.
func list(item string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

// text is an event whose member has n bytes.
func text(member string, n int) string { return `{"` + member + `":"` + strings.Repeat("x", n) + `"}` }

// ask is a query with some members more.
func ask(members string) string { return `{"from":{"instance":"acme-log"},` + members + `}` }

// sized is an event whose size is n.
func sized(t *testing.T, n int) string {
	t.Helper()
	const frame = `{"stream_id":"sized","payload":"%s"}`
	e, err := event.DecodeJSON(fmt.Appendf(nil, frame, ""), event.ToMicros(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(frame, strings.Repeat("x", n-e.Events[0].Size()))
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	return squeezed(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

// windowed is an event in zstd with a window.
func windowed(t *testing.T, window int) string {
	t.Helper()
	return squeezed(t, pad(`{}`, 20<<20), func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, zstd.WithWindowSize(window))
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
}

func squeezed(t *testing.T, text string, open func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

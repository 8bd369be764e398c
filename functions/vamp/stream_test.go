package vamp

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience bounds what a test waits for.
const patience = 20 * time.Second

// events is a stream that a test reads.
type events struct {
	t *testing.T
	*http.Response
	lines *bufio.Scanner
}

// open begins to read a stream, which has begun when open returns.
func (s *server) open(method, target, last, body string) *events {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, s.url+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if method == "POST" {
		req.Header.Set("Content-Type", "application/json")
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatal(resp.Status, resp.Header)
	}
	return &events{s.t, resp, bufio.NewScanner(resp.Body)}
}

// next returns the next event: its type, its id and its data. Comments and ids
// that come alone are left out.
func (e *events) next() (kind, id, data string) {
	e.t.Helper()
	var order []string
	for e.lines.Scan() {
		line := e.lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if line == "" && data != "" {
				if got := strings.Join(order, " "); got != "event id data" {
					e.t.Fatalf("a frame of %s", got)
				}
				return kind, id, data
			}
			order = order[:0]
			continue
		}
		order = append(order, name)
	}
	e.t.Fatal(e.lines.Err())
	return
}

func TestStream(t *testing.T) {
	s := serve(t)
	s.publish(`{"tags":["b"],"value":0}`) // is not replayed
	all := s.open("GET", "/api/v1/events/stream", "", "")
	tagged := s.open("GET", "/api/v1/events/stream/?tag=archiving&tags=breeds&type=t", "", "")
	body := s.open("GET", "/api/v1/events/stream", "", `{"tags":["breeds:1"],"timestamp":{"lte":"now"}}`)
	post := s.open("POST", "/vamp/api/v1/events/stream", "", `{"tags":["archiving"]}`)
	first := s.publish("{\"tags\":[\"archiving:x\",\"breeds:1\"],\n\"value\":{\n\"a\": \"b\\nc\"}}")
	second := s.publish(`{"tags":["archiving","breeds:2"],"type":"t"}`)

	f := func(e *events, wantKind, event string) (id string) {
		t.Helper()
		kind, id, data := e.next()
		want := strings.ReplaceAll(strings.ReplaceAll(event, "\n", ""), `{"a": "b`, `{"a":"b`)
		if kind != wantKind || data != want || id == "" {
			t.Errorf("%s %s %s\nwant %s %s", kind, id, data, wantKind, want)
		}
		return id
	}
	id := f(all, "event", first)
	f(all, "t", second)
	f(tagged, "t", second)
	f(body, "event", first)
	f(post, "event", first)
	f(post, "t", second)

	// Who connects again misses nothing.
	third := s.publish(`{"tags":["x"]}`)
	again := s.open("GET", "/api/v1/events/stream", id, "")
	f(again, "t", second)
	f(again, "event", third)

	for _, bad := range []reply{s.send("GET", "/api/v1/events/stream", []string{"Last-Event-ID: 7"}, ""),
		s.send("POST", "/api/v1/events/stream", asJSON, `{"foo":1}`), s.send("POST", "/api/v1/events/stream", nil, `{"tags":[]}`)} {
		bad.want(t, 400, `{"message":"`)
	}
}

// A stream begins with a comment, so that clients see that it is open.
func TestStreamBegins(t *testing.T) {
	s := serve(t)
	e := s.open("GET", "/fresh/api/v1/events/stream", "", "")
	if !e.lines.Scan() || e.lines.Text() != ":" || !e.lines.Scan() || e.lines.Text() != "" {
		t.Errorf("%q", e.lines.Text())
	}
	// The instance is made by its first event, which the stream has.
	r := s.send("POST", "/fresh/api/v1/events", asJSON, `{"tags":["a"]}`)
	r.want(t, 201)
	if _, _, data := e.next(); data != r.body {
		t.Errorf("%s, want %s", data, r.body)
	}
	second := s.send("POST", "/fresh/api/v1/events", asJSON, `{"tags":["b"]}`)
	if _, _, data := e.next(); data != second.body {
		t.Errorf("%s, want %s", data, second.body)
	}
}

// socket is a client's WebSocket.
type socket struct {
	t   *testing.T
	ctx context.Context
	*websocket.Conn
}

func (s *server) dial(headers http.Header) *socket {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, s.url+"/websocket", &websocket.DialOptions{HTTPHeader: headers})
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	s.t.Cleanup(func() { conn.CloseNow() })
	return &socket{s.t, ctx, conn}
}

func (c *socket) say(text string) {
	c.t.Helper()
	if err := c.Write(c.ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *socket) hear() string {
	c.t.Helper()
	_, b, err := c.Read(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// ask sends a message and returns the status and the data of its answer.
func (c *socket) ask(text string) (status, data string, parameters map[string]string) {
	c.t.Helper()
	c.say(text)
	var m struct {
		Status, Data string
		Parameters   map[string]string
	}
	if got := c.hear(); json.Unmarshal([]byte(got), &m) != nil {
		c.t.Fatal(got)
	}
	return m.Status, m.Data, m.Parameters
}

func TestSocketPeek(t *testing.T) {
	s := serve(t)
	c := s.dial(nil)
	// What vamp-ui sends. The answer to a call says that the stream before it began.
	c.say(`{"api":"v1","path":"/events/stream","action":"PEEK","accept":"JSON","content":"JSON","transaction":"0","data":"","parameters":{}}`)
	c.ask(`{"path":"/stats","action":"PEEK"}`)
	event := s.publish(`{"tags":["a:1"],"value":{"x":"\"y\""}}`)
	quoted, _ := json.Marshal(event)
	want := `{"api":"v1","path":"/events/stream","action":"PEEK","status":"OK","content":"JSON","transaction":"0","data":` + string(quoted) + `,"parameters":{}}`
	if got := c.hear(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}

	// A further PEEK takes the place of the first.
	c.say(`{"api":"v1","path":"other/events/stream","action":"peek","accept":"YAML","transaction":7,"parameters":{"tag":["a","b"],"type":["t"]}}`)
	c.ask(`{"path":"/stats","action":"PEEK"}`)
	s.publish(`{"tags":["a","b"],"type":"t"}`)
	for _, e := range []string{`{"tags":["a"],"type":"t"}`, `{"tags":["a","b"]}`, `{"tags":["a:1","b:2"],"type":"t"}`} {
		s.send("POST", "/other/api/v1/events", asJSON, e).want(t, 201)
	}
	if got := c.hear(); !strings.Contains(got, `"path":"other/events/stream"`) || !strings.Contains(got, `"transaction":"7"`) ||
		!strings.Contains(got, `"content":"YAML"`) || !strings.Contains(got, `\n  - a:1\n`) {
		t.Error(got)
	}
	c.say(`{"path":"/events/stream","action":"PEEK","transaction":"q","data":"{\"tags\":[\"z\"]}"}`)
	c.ask(`{"path":"/stats","action":"PEEK"}`)
	s.publish(`{"tags":["y"]}`)
	s.publish(`{"tags":["z:1"]}`)
	if got := c.hear(); !strings.Contains(got, `\"z:1\"`) || !strings.Contains(got, `"transaction":"q"`) {
		t.Error(got)
	}
}

func TestSocketCalls(t *testing.T) {
	s := serve(t)
	c := s.dial(nil)
	f := func(message, status, data string) map[string]string {
		t.Helper()
		gotStatus, gotData, params := c.ask(message)
		if gotStatus != status || gotData != data {
			t.Errorf("%s:\n got %s %s\nwant %s %s", message, gotStatus, gotData, status, data)
		}
		return params
	}
	const event = `{"id":"0-1-0","version":"1.0","tags":["a","a:1"],"value":1,"timestamp":"2016-09-13T09:00:00Z","type":"event"}`
	f(`{"api":"v1","path":"/events","action":"PUT","accept":"JSON","content":"JSON","transaction":"1","data":"{\"tags\":[\"a:1\"],\"value\":1}","parameters":{}}`, "OK", event)
	f("api: v1\npath: /events\naction: put\ncontent: YAML\ntransaction: 1\ndata: |\n  tags: [a]\n  type: t t\n", "ERROR",
		`{"message":"Unsupported event type 't t', only alphanumerics, '-' and '_' are allowed."}`)
	params := f(`{"path":"/events","action":"PEEK","parameters":{"tag":["a","a:1"],"per_page":1,"timestamp":{"gte":"now-1d"}}}`, "OK", "["+event+"]")
	if params["X-Total-Count"] != "1" || !strings.Contains(params["Link"], "tag=a&tag=a%3A1&") {
		t.Error(params)
	}
	f(`{"path":"vamp/events?tag=a:1","action":"PEEK","parameters":{"aggregator":"count"}}`, "OK", `{"value":1}`)
	f(`{"path":"/events","action":"PEEK","data":{"tags":["a"],"aggregator":{"type":"sum"}}}`, "OK", `{"value":1.0}`)
	f(`{"path":"/health/gateways/g","action":"PEEK"}`, "ERROR", "")
	f(`{"path":"/events","action":"REMOVE"}`, "ERROR", `{"message":"there is nothing at this path for REMOVE"}`)
	f(`{"path":"/deployments/x","action":"PEEK"}`, "ERROR", `{"message":"there is nothing at this path for PEEK"}`)
	f(`{"path":"/events/stream","action":"PUT"}`, "ERROR", `{"message":"there is nothing at this path for PUT"}`)
	f(`{"path":"/No/events/stream","action":"PEEK"}`, "ERROR", `{"message":"\"No\" is no instance id: use 1 to 63 of a-z, 0-9, '.', '_' and '-', with a letter or digit at both ends and no two dots in a row"}`)
	f(`{"path":"/../websocket","action":"PEEK"}`, "ERROR", `{"message":"there is nothing at this path for PEEK"}`)

	for message, want := range map[string]string{
		`{"path":"/events","action":"DELETE"}`:                    `{"status":"ERROR","error":"Unsupported action: DELETE"}`,
		`{"api":"v2","path":"/events","action":"PEEK"}`:           `{"status":"ERROR","error":"Unsupported API: v2"}`,
		`{"action":"PEEK"}`:                                       `{"status":"ERROR","error":"Can't find any value for path: /path"}`,
		`{"path":"/events","action":"PEEK","accept":"PLAINTEXT"}`: `{"status":"ERROR","error":"Unsupported accept: PLAINTEXT"}`,
		``: `{"status":"ERROR","error":"Error: EOF"}`,
	} {
		c.say(message)
		if got := c.hear(); got != want {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}

// A page of another origin may not open a socket with a visitor's credentials.
func TestSocketOrigin(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, resp, err := websocket.Dial(ctx, s.url+"/websocket", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.example"}}})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Error(err, resp)
	}
	if r := s.get("/websocket"); r.StatusCode != http.StatusUpgradeRequired {
		t.Error(r.StatusCode)
	}
}

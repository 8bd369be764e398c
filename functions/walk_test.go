package functions_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/front"
)

// example is a request for a route, or a session on it.
type example struct {
	query, body string
	header      string // Name: value
	shows       bool   // what was planted, to the owner
	status      int    // for the owner; 0 stands for 2xx
	anyKey      bool   // answers 2xx to everyone with a key
	stream      bool   // the answer does not end
	socket      []string
}

// examples are by route, see plain. A route without one fails the test.
var examples = map[string]example{
	"POST /v1/instances":                               {body: `{"id":"acme-new"}`},
	"GET /v1/instances":                                {shows: true, anyKey: true},
	"GET /v1/instances/{instance}":                     {shows: true},
	"PATCH /v1/instances/{instance}":                   {body: `{"description":"changed"}`},
	"DELETE /v1/instances/{instance}":                  {},
	"GET /v1/instances/{instance}/stats":               {},
	"POST /v1/instances/{instance}/events":             {body: `{"payload":1}`},
	"GET /v1/instances/{instance}/events":              {shows: true},
	"GET /v1/instances/{instance}/tail":                {query: "?after=start", shows: true, stream: true},
	"DELETE /v1/instances/{instance}/streams/{stream}": {},
	"DELETE /v1/instances/{instance}/streams":          {query: "?stream=keep"},
	"POST /v1/instances/{instance}/redactions":         {body: `{"where":[{"field":"payload.value","operator":"exists","value":true}]}`},
	"GET /v1/instances/{instance}/erasures":            {},
	"GET /v1/instances/{instance}/erasures/{id}":       {status: http.StatusNotFound},
	"POST /v1/query":                                   {body: `{"from":{"instance":"acme-log"}}`, shows: true},
	"POST /v1/shares":                                  {header: "Firn-Instance: acme-log", body: `{}`, status: http.StatusUnauthorized}, // no key helps
	"GET /openapi.json":                                {},
	"GET /healthz":                                     {},
	"GET /readyz":                                      {},
	"GET /metrics":                                     {},
	"GET /v1/keys":                                     {},
	"POST /v1/keys":                                    {body: `{"name":"n","grants":["*:append,query,admin"]}`},
	"POST /v1/keys/{key}/rotate":                       {body: `{}`},
	"DELETE /v1/keys/{key}":                            {},
	"GET /codebolt":                                    {socket: codeboltSession, shows: true, anyKey: true},
	"GET /plugin":                                      {socket: codeboltSession, shows: true, anyKey: true},
	"GET /websocket":                                   {socket: vampSession, shows: true, anyKey: true},
	"POST /api/v1/events":                              {body: `{"tags":["a:b"],"value":"x"}`},
	"GET /api/v1/events":                               {shows: true},
	"POST /api/v1/events/get":                          {body: `{}`, shows: true},
	"GET /api/v1/events/get":                           {shows: true},
	"GET /api/v1/events/stream":                        {header: "Last-Event-ID: start", shows: true, stream: true},
	"POST /api/v1/events/stream":                       {header: "Last-Event-ID: start", body: `{}`, shows: true, stream: true},
	"GET /api/v1/stats":                                {},
	"GET /api/v1/statistics":                           {},
	"POST /stsAgent/intake":                            {body: stackEvent},
	"POST /stsAgent/intake/metrics":                    {body: stackEvent},
	"POST /stsAgent/intake/metadata":                   {body: stackEvent},
	"GET /stsAgent/api/v1/validate":                    {anyKey: true},
	"GET /stsAgent/features":                           {anyKey: true},
	"POST /stsAgent/api/v1/series":                     {body: `{}`, anyKey: true},
	"POST /stsAgent/api/v1/check_run":                  {body: `{}`, anyKey: true},
	"POST /stsAgent/api/v1/collector":                  {body: `{}`, anyKey: true},
	"POST /stsAgent/api/v1/connections":                {body: `{}`, anyKey: true},
	"POST /stsAgent/logs/k8s":                          {body: `{}`, anyKey: true},
	"POST /api/write":                                  {query: "?cluster=acme", body: `job,hostname=h event="x"`},
	"GET /api/query":                                   {body: clusterQuery, shows: true},
	"POST /api/query":                                  {body: clusterQuery, shows: true},
	"GET /api/stats":                                   {anyKey: true},
	"POST /api/stats":                                  {anyKey: true},
	"GET /api/v1/metrics/":                             {status: http.StatusNotFound},
	"GET /api/v1/health/":                              {status: http.StatusNotFound},
}

const (
	stackEvent   = `{"internalHostname":"h","events":{"a":[{"msg_title":"t"}]}}`
	clusterQuery = `{"cluster":"acme","queries":[{}]}`
)

// codeboltSession has all operations. The first message has them named.
var codeboltSession = []string{
	`{"type":"eventLog.fly","requestId":"0","params":{}}`,
	`{"type":"eventLog.createInstance","requestId":"1","params":{"name":"acme-new"}}`,
	`{"type":"eventLog.getInstance","requestId":"2","params":{"instanceId":"acme-log"}}`,
	`{"type":"eventLog.listInstances","requestId":"3","params":{}}`,
	`{"type":"eventLog.updateInstance","requestId":"4","params":{"instanceId":"acme-log","description":"changed"}}`,
	`{"type":"eventLog.appendEvent","requestId":"5","params":{"instanceId":"acme-log","payload":1}}`,
	`{"type":"eventLog.appendEvents","requestId":"6","params":{"instanceId":"acme-log","events":[{}]}}`,
	`{"type":"eventLog.queryEvents","requestId":"7","params":{"query":{"from":{"instance":"acme-log"}}}}`,
	`{"type":"eventLog.getInstanceStats","requestId":"8","params":{"instanceId":"acme-log"}}`,
	`{"type":"eventLog.deleteInstance","requestId":"9","params":{"instanceId":"acme-log"}}`,
}

var vampSession = []string{
	`{"path":"/events","action":"PEEK","transaction":"1","data":"{}"}`,
	`{"path":"/acme-log/events","action":"PEEK","transaction":"2","data":"{}"}`,
	`{"path":"/stats","action":"PEEK","transaction":"3"}`,
	`{"path":"/events","action":"PUT","transaction":"4","data":"{\"tags\":[\"a:b\"],\"value\":\"x\"}"}`,
	`{"path":"/acme-log/events","action":"PUT","transaction":"5","data":"{\"tags\":[\"a:b\"],\"value\":\"x\"}"}`,
}

// plain names a route without what makes variants of it: another base of the
// path, a slash at the end, what is read of a gateway.
func plain(pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimPrefix(path, "/{namespace}")
	path = strings.TrimPrefix(path, "/receiver")
	path = strings.TrimSuffix(strings.TrimSuffix(path, "{$}"), "/")
	for _, readings := range []string{"/api/v1/metrics/", "/api/v1/health/"} {
		if strings.HasPrefix(path, readings) {
			path = readings
		}
	}
	return method + " " + path
}

var variable = regexp.MustCompile(`\{[^}]*\}`)

// target fills in a pattern's variables.
func (w *world) target(pattern, instance string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, variable.ReplaceAllStringFunc(path, func(v string) string {
		switch v {
		case "{$}":
			return ""
		case "{namespace}", "{instance}":
			return instance
		case "{key}":
			return w.keys["other tenant"].id
		}
		return "x"
	})
}

// ask sends the example for a route. It returns the status and all that came:
// headers and body, or what was said in a session.
func (w *world) ask(t *testing.T, route front.Route, e example, instance, key string) (int, string) {
	t.Helper()
	method, path := w.target(route.Pattern, instance)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	body := strings.ReplaceAll(e.body, "acme-log", instance)
	req, err := http.NewRequestWithContext(ctx, method, w.url+path+e.query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", "walk")
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	}
	if name, value, ok := strings.Cut(e.header, ": "); ok {
		req.Header.Set(name, value)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if e.socket != nil {
		return w.talk(ctx, t, req, e.socket)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", route.Pattern, err)
	}
	defer resp.Body.Close()
	if e.stream && resp.StatusCode == http.StatusOK {
		return resp.StatusCode, firstEvent(resp.Body)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", route.Pattern, err)
	}
	return resp.StatusCode, fmt.Sprint(resp.Header) + string(text)
}

// firstEvent reads a stream until it holds something planted.
func firstEvent(r io.Reader) string {
	var text []byte
	for chunk := make([]byte, 4<<10); ; {
		n, err := r.Read(chunk)
		text = append(text, chunk[:n]...)
		if err != nil || planted(string(text)) != "" {
			return string(text)
		}
	}
}

// talk holds a session on a WebSocket, one answer to each message.
func (w *world) talk(ctx context.Context, t *testing.T, req *http.Request, messages []string) (int, string) {
	t.Helper()
	conn, resp, err := websocket.Dial(ctx, req.URL.String(), &websocket.DialOptions{HTTPHeader: req.Header})
	if err != nil {
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode, fmt.Sprint(resp.Header)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	var said strings.Builder
	for _, m := range messages {
		if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
		_, answer, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		said.Write(append(answer, '\n'))
	}
	return http.StatusOK, said.String()
}

// routes returns all routes of all doors with their examples.
func (w *world) routes(t *testing.T) map[string]example {
	t.Helper()
	unused := maps.Clone(examples)
	all := map[string]example{}
	for _, d := range w.doors.List() {
		for _, r := range d.Routes {
			e, ok := examples[plain(r.Pattern)]
			if !ok && !(r.Public && strings.HasPrefix(r.Pattern, "OPTIONS ")) {
				t.Errorf("the route %s of the door %s has no example request", r.Pattern, d.Name)
				continue
			}
			delete(unused, plain(r.Pattern))
			all[r.Pattern] = e
		}
	}
	for name := range unused {
		t.Errorf("the example %s is of no route", name)
	}
	return all
}

func (w *world) each(f func(front.Route)) {
	for _, d := range w.doors.List() {
		for _, r := range d.Routes {
			f(r)
		}
	}
}

var moments = regexp.MustCompile(`Date:\[[^]]*\]|Content-Length:\[[^]]*\]|"timestamp":"[^"]*"`)

// TestWalk: on every route of every door, another tenant's key, none, a wrong
// one and a revoked one show nothing of what is the owner's, change nothing, and
// do not even tell whether there is something.
func TestWalk(t *testing.T) {
	w := newWorld(t)
	routes := w.routes(t)
	before := w.bucket(t)
	asked := 0
	for who, k := range w.keys {
		if who == "owner" {
			continue
		}
		w.each(func(r front.Route) {
			e := routes[r.Pattern]
			status, text := w.ask(t, r, e, "acme-log", k.full)
			asked++
			switch {
			case planted(text) != "":
				t.Errorf("%s with %s shows %q: %s", r.Pattern, who, planted(text), text)
			case r.Public && status >= 300, r.Public && status < 200:
				t.Errorf("%s with %s: status %d of a public route", r.Pattern, who, status)
			case r.Public || who == "other tenant" && e.anyKey && status/100 == 2:
			case status != http.StatusUnauthorized && status != http.StatusForbidden:
				t.Errorf("%s with %s: status %d: %s", r.Pattern, who, status, text)
			}
			_, path := w.target(r.Pattern, "acme-log")
			if !strings.Contains(path+e.body, "acme-log") {
				return
			}
			other, absent := w.ask(t, r, e, "acme-not", k.full)
			asked++
			same := func(s string) string {
				return moments.ReplaceAllString(strings.ReplaceAll(s, "acme-not", "acme-log"), "")
			}
			if status != other || same(text) != same(absent) {
				t.Errorf("%s with %s tells what exists: %d %s, else %d %s", r.Pattern, who, status, text, other, absent)
			}
		})
	}
	if after := w.bucket(t); !maps.Equal(before, after) {
		t.Errorf("the walk changed the bucket: %d objects before, %d after", len(before), len(after))
	}
	t.Logf("%d routes, %d requests", len(routes), asked)
}

// TestWalkOfTheOwner shows that the examples of the walk are whole: with the
// owner's key they do what they are for, and show what was planted.
func TestWalkOfTheOwner(t *testing.T) {
	w, changed := newWorld(t), false
	w.each(func(r front.Route) {
		e := examples[plain(r.Pattern)]
		if changed {
			w = newWorld(t)
		}
		changed = !strings.HasPrefix(r.Pattern, "GET ") && !e.shows || e.socket != nil
		status, text := w.ask(t, r, e, "acme-log", w.keys["owner"].full)
		want := status/100 == 2
		if e.status != 0 {
			want = status == e.status
		}
		if !want || e.shows && planted(text) == "" {
			t.Errorf("%s: status %d: %s", r.Pattern, status, text)
		}
		if e.socket != nil && strings.Count(text, `"success":false`)+strings.Count(text, `"ERROR"`) > 1 {
			t.Errorf("%s: %s", r.Pattern, text)
		}
	})
}

// TestSessionsHaveAllOperations: what a socket takes is walked, too.
func TestSessionsHaveAllOperations(t *testing.T) {
	w := newWorld(t)
	_, text := w.ask(t, front.Route{Pattern: "GET /codebolt"}, example{socket: codeboltSession[:1]}, "", w.keys["owner"].full)
	_, known, ok := strings.Cut(text, "known are eventLog.")
	known, _, _ = strings.Cut(known, `"`)
	names := regexp.MustCompile(`[a-z]\w+`).FindAllString(strings.ReplaceAll(known, " and ", " "), -1)
	if !ok || len(names) < 9 {
		t.Fatal(text)
	}
	for _, name := range names {
		if !slices.ContainsFunc(codeboltSession, func(m string) bool { return strings.Contains(m, "eventLog."+name+`"`) }) {
			t.Errorf("the operation %s is not in the session", name)
		}
	}
}

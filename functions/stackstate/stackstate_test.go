package stackstate

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// now is the clock of the servers. The log's own is the real one.
var now = time.Now().UTC().Truncate(time.Millisecond)

// server is a door behind a real listener.
type server struct {
	*front.Service
	t     *testing.T
	url   string
	store *store.Counted
}

func serve(t *testing.T, cfg Config, change ...func(*front.Config)) *server {
	t.Helper()
	s := store.NewCounted(store.NewMemory())
	log := commitlog.Open(s)
	c := front.Config{Log: log, Queries: querier.NewEngine(log), Store: s,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return now }}
	for _, f := range change {
		f(&c)
	}
	service := front.New(c)
	srv := httptest.NewServer(service.Handler(Door(service, cfg)))
	t.Cleanup(func() {
		srv.Close()
		if lent := service.Lent(); lent != 0 {
			t.Errorf("%d bytes are still lent", lent)
		}
	})
	return &server{service, t, srv.URL, s}
}

// do sends a request, with headers as "Name: value", and returns status and body.
func (s *server) do(method, path, body string, headers ...string) (int, string) {
	s.t.Helper()
	status, text, _ := s.full(method, path, body, headers...)
	return status, text
}

func (s *server) full(method, path, body string, headers ...string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if !json.Valid(text) {
		s.t.Errorf("%s %s: %s is no JSON", method, path, text)
	}
	return resp.StatusCode, string(text), resp.Header
}

// want sends a request and fails unless the answer is as given.
func (s *server) want(status int, method, path, body string, texts ...string) string {
	s.t.Helper()
	got, text := s.do(method, path, body)
	if got != status {
		s.t.Errorf("%s %s %.200s: %d, want %d: %s", method, path, body, got, status, text)
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			s.t.Errorf("%s %s %.200s: %s\ndoes not hold %s", method, path, body, text, want)
		}
	}
	return text
}

// events returns the stored events that a query finds, as JSON lines.
func (s *server) events(where string) []string {
	s.t.Helper()
	q, err := querier.Parse([]byte(`{"from":{"instance":"stackstate"},"where":[` + where + `]}`))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := s.Query(front.WithCaller(context.Background(), front.Anyone), q)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, e := range res.Events {
		out = append(out, string(e))
	}
	return out
}

var (
	update   = flag.Bool("update", false, "write the transcripts' reports and stored events anew")
	ingested = regexp.MustCompile(`"ingested_at":"[^"]*"`)
	received = regexp.MustCompile(`"timeReceived":\d+`)
)

// TestTranscripts sends what agents and other clients send, and compares the
// report and what is stored byte for byte, but for the times of arrival.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, Config{})
			parts := map[string]string{}
			for _, f := range a.Files {
				parts[f.Name] = string(f.Data)
			}
			path := strings.TrimSpace(parts["path"])
			report := s.want(200, "POST", path, parts["request"])
			stored := strings.Join(s.events(""), "\n") + "\n"
			stored = ingested.ReplaceAllString(stored, `"ingested_at":"NOW"`)
			stored = received.ReplaceAllString(stored, `"timeReceived":NOW`)
			if *update {
				for i, f := range a.Files {
					switch f.Name {
					case "report":
						a.Files[i].Data = []byte(report)
					case "stored":
						a.Files[i].Data = []byte(stored)
					}
				}
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if report != parts["report"] {
				t.Errorf("report\n%swant\n%s", report, parts["report"])
			}
			if stored != parts["stored"] {
				t.Errorf("stored\n%swant\n%s", stored, parts["stored"])
			}
		})
	}
}

const intake = "/stsAgent/intake?api_key=k"

// one is a message with one event.
func one(name, event string) string {
	return `{"internalHostname":"h","events":{"` + name + `":[` + event + `]}}`
}

func TestPaths(t *testing.T) {
	s := serve(t, Config{})
	n := 0
	for _, base := range []string{"/stsAgent", "/receiver/stsAgent"} {
		for _, path := range []string{"/intake", "/intake/", "/intake/metrics", "/intake/metadata"} {
			s.want(200, "POST", base+path+"?api_key=k", one("a", `{}`), `"accepted":1`)
			n++
		}
		s.want(200, "GET", base+"/api/v1/validate?api_key=k", "", `"valid":true`)
		s.want(200, "GET", base+"/features?api_key=k", "", `{}`)
		for _, path := range []string{"/api/v1/series", "/api/v1/check_run", "/api/v1/collector", "/api/v1/connections", "/logs/k8s"} {
			s.want(200, "POST", base+path+"?api_key=k", "\x1f\x8b no JSON at all", `"ignored"`)
		}
		s.want(405, "GET", base+"/intake", "")
	}
	if got := len(s.events("")); got != n {
		t.Errorf("%d events are stored, not %d", got, n)
	}
}

func TestKeys(t *testing.T) {
	kind := fault.Unauthenticated
	s := serve(t, Config{}, func(c *front.Config) {
		c.Authenticate = func(r *http.Request) (front.Caller, error) {
			switch r.URL.Query().Get("api_key") {
			case "good":
				return front.Caller{Name: "k", Grants: []front.Grant{{Instances: "stackstate", Rights: front.CanAppend}}}, nil
			case "other":
				return front.Caller{Name: "o", Grants: []front.Grant{{Instances: "other", Rights: front.CanAppend}}}, nil
			}
			return front.Caller{}, fault.New(kind, "the key is not good")
		}
	})
	s.want(200, "POST", "/stsAgent/intake?api_key=good", one("a", `{}`), `"accepted":1`)
	s.want(403, "POST", "/stsAgent/intake?api_key=bad", one("a", `{}`), `"error":"the key is not good"`)
	s.want(403, "POST", "/stsAgent/intake?api_key=other", one("a", `{}`), "right to append")
	s.want(403, "POST", "/stsAgent/intake?api_key=other", `{"internalHostname":"h"}`, "right to append")
	s.want(200, "GET", "/stsAgent/api/v1/validate?api_key=good", "")
	s.want(403, "GET", "/stsAgent/api/v1/validate?api_key=bad", "")
	s.want(403, "GET", "/receiver/stsAgent/features", "")
	s.want(403, "POST", "/receiver/stsAgent/logs/k8s", "")
	kind = fault.Denied
	s.want(403, "POST", "/stsAgent/intake?api_key=bad", one("a", `{}`))
}

func pack(t *testing.T, encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	default:
		return text
	}
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncodings(t *testing.T) {
	s := serve(t, Config{})
	big := one("big", `{"msg_title":"`+strings.Repeat("x", 100<<10)+`"}`)
	for _, encoding := range []string{"", "identity", "gzip", "deflate", "zstd"} {
		header := "Content-Encoding: " + encoding
		packed := pack(t, encoding, big)
		if status, text := s.do("POST", intake, packed, header); status != 200 || !strings.Contains(text, `"accepted":1`) {
			t.Errorf("%s: %d %s", encoding, status, text)
		}
		if encoding == "" || encoding == "identity" {
			continue
		}
		for name, broken := range map[string]string{"half": packed[:len(packed)/2], "no end": packed[:len(packed)-1], "plain": big,
			"flipped": packed[:12] + "\xff\xff\xff\xff" + packed[16:], "more behind": packed + "rubbish"} {
			if encoding == "deflate" && name == "more behind" {
				continue // a stream of its own kind says where it ends
			}
			if status, text := s.do("POST", intake, broken, header); status != 400 || !strings.Contains(text, encoding) {
				t.Errorf("%s, %s: %d %s", encoding, name, status, text)
			}
		}
	}
	if status, _ := s.do("POST", intake, big, "Content-Encoding: br"); status != 415 {
		t.Errorf("br: %d", status)
	}
	if got := len(s.events("")); got != 5 {
		t.Errorf("%d events are stored", got)
	}
}

func TestBadMessages(t *testing.T) {
	s := serve(t, Config{})
	s.want(400, "POST", intake, ``, "the body is empty")
	s.want(400, "POST", intake, `{"internalHostname":"h"`, "ends too early")
	s.want(400, "POST", intake, `{"internalHostname":"h"}{"internalHostname":"h"}`, "a body holds one message")
	s.want(400, "POST", intake, `{"internalHostname":"h"} x`, "a body holds one message")
	s.want(400, "POST", intake, `[]`, "must be a JSON object")
	s.want(400, "POST", intake, `{"events":{}}`, `Failed to deserialize JSON on fields: , with message: Object is missing required member 'internalHostname'`)
	s.want(400, "POST", intake, `{"internalHostname":null}`, "internalHostname must be a string")
	s.want(400, "POST", intake, `{"internalHostname":"h","events":[]}`, "events must be an object")
	s.want(400, "POST", intake, `{"internalHostname":"h","health": // health data`, "not valid JSON at byte")
	s.want(400, "POST", intake, one("a", strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000)), "nested too deep")
	s.want(400, "POST", intake+"&deduplicate=perhaps", `{"internalHostname":"h"}`, "deduplicate is true or false")
	s.want(413, "POST", intake, `{"internalHostname":"h","events":{"a":[`+strings.Repeat("{},", 50_000)+`{}]}}`, "50000 events")
	if _, err := s.Instance(front.WithCaller(context.Background(), front.Anyone), Instance, front.CanQuery); !fault.Is(err, fault.NotFound) {
		t.Errorf("the instance was made: %v", err)
	}
	s.want(200, "POST", intake, `{"internalHostname":""}`, `"accepted":0`, `"events":[]`)
	s.want(200, "POST", intake, `{"internalHostname":"","events":null}`, `"accepted":0`)
}

// TestBadEvents: what is wrong with one event is no other's misfortune.
func TestBadEvents(t *testing.T) {
	s := serve(t, Config{})
	rejected := func(name, event, reason string) {
		t.Helper()
		message := `{"internalHostname":"h","events":{"good":[{}],"` + name + `":[` + event + `]}}`
		s.want(200, "POST", intake, message, `"accepted":1,"duplicate":0,"rejected":1`, `"status":"rejected","reason":"`+reason)
	}
	for _, name := range reserved {
		rejected(name, `{}`, `an event cannot have the name \"`+name+`\": `+name)
		rejected(name+".sent", `{}`, `an event cannot have the name`)
		s.want(200, "POST", intake, one(name+"Down", `{}`), `"accepted":1`)
	}
	rejected("", `{}`, "stream_id must not be empty")
	rejected("a", `7`, "an event must be an object")
	rejected("a", `{"timestamp":"yesterday"}`, "timestamp: ")
	rejected("a", `{"timestamp":99999999999}`, "the timestamp 5138-11-16T09:46:39Z lies more than a day ahead")
	rejected("a", `{"event_type":"a\nb"}`, "event_type holds a control character")
	rejected("a", `{"context":{"data":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}}`, "metadata is nested deeper than 128 levels")
	rejected("a", `{"msg_text":"`+strings.Repeat("x", 5<<20)+`"}`, "the event has ")
	s.want(200, "POST", intake, `{"internalHostname":"h","events":{"a":{}}}`, `"rejected":1`, "the events of a name must be a list")
}

func TestIgnored(t *testing.T) {
	s := serve(t, Config{})
	s.want(200, "POST", intake, `{"internalHostname":"h","metrics":[["m",1,2,{}],["m",2,3,{}]],"service_checks":[{}],"topologies":[{}],
		"health":[],"evnts":{},"agentVersion":"1"}`, `"ignored":{"metrics":2,"service_checks":1,"topologies":1},"unknown":["evnts"],"events":[]`)
	s.want(200, "POST", "/stsAgent/api/v1/series", "x")
	rec := httptest.NewRecorder()
	s.ServeMetrics(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`firn_stackstate_items_total{kind="metrics",outcome="ignored"} 2`, `firn_stackstate_items_total{kind="series",outcome="ignored"} 1`} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("no %s in the metrics", line)
		}
	}
}

// TestQueries: every value inside an event object can be queried.
func TestQueries(t *testing.T) {
	s := serve(t, Config{})
	s.want(200, "POST", intake, `{"internalHostname":"web1","events":{"disk":[
		{"msg_title":"full","msg_text":"","tags":["status: changed","team:ops","team:web","bare"],"own":{"deep":[1,2]},"host":"db1"},
		{"context":{"source":"AWS","source_identifier":"id-1","data":{"b":1.0,"a":{"z":"ö"}},"extra":true},"event_type":"AnEvent"}]}}`, `"accepted":2`)
	for where, want := range map[string]int{
		`{"field":"metadata.own.deep.1","operator":"eq","value":2}`:                            1,
		`{"field":"metadata.context.data.a.z","operator":"eq","value":"ö"}`:                    1,
		`{"field":"metadata.context.extra","operator":"eq","value":true}`:                      1,
		`{"field":"payload.data","operator":"contains","value":"{\"a\":{\"z\":"}`:              1,
		`{"field":"payload.tags.status","operator":"eq","value":"changed"}`:                    1,
		`{"field":"payload.tags.team","operator":"contains","value":"web"}`:                    1,
		`{"field":"payload.tags.bare","operator":"eq","value":""}`:                             1,
		`{"field":"tags","operator":"contains","value":"status: changed"}`:                     1,
		`{"field":"tags","operator":"contains","value":"host:db1"}`:                            1,
		`{"field":"tags","operator":"contains","value":"host:web1"}`:                           1,
		`{"field":"payload.host","operator":"eq","value":"db1"}`:                               1,
		`{"field":"event_type","operator":"eq","value":"AnEvent"}`:                             1,
		`{"field":"event_type","operator":"eq","value":"disk"}`:                                1,
		`{"field":"stream_id","operator":"eq","value":"disk"}`:                                 2,
		`{"field":"payload.source_identifier","operator":"eq","value":"id-1"}`:                 1,
		`{"field":"timestamp","operator":"eq","value":"` + now.Format(time.RFC3339Nano) + `"}`: 2,
	} {
		if got := len(s.events(where)); got != want {
			t.Errorf("%s finds %d, want %d", where, got, want)
		}
	}
}

// TestOldest: what is too old is reported, once the instance has such a setting.
func TestOldest(t *testing.T) {
	s := serve(t, Config{})
	ctx := front.WithCaller(context.Background(), front.Anyone)
	old := one("a", `{"timestamp":1607432944}`)
	s.want(200, "POST", intake, old, `"accepted":1`)
	hour := 3600
	if _, err := s.UpdateInstance(ctx, Instance, commitlog.Update{MaxEventAgeSeconds: &hour}); err != nil {
		t.Fatal(err)
	}
	s.want(200, "POST", intake, old, `"accepted":0,"duplicate":0,"rejected":1`, "too old: it is of 2020-12-08T13:09:04Z")
	s.want(200, "POST", intake, one("a", `{"timestamp":`+string(millis(micros(-59*time.Minute)))+`}`), `"accepted":1`)
	s.want(200, "POST", intake, one("a", `{"timestamp":`+string(millis(micros(-61*time.Minute)))+`}`), `"rejected":1`)
	s.want(200, "POST", intake, `{"internalHostname":"h","collection_timestamp":1607432944.5,"events":{"a":[{}]}}`, `"rejected":1`)
}

// TestSecrets: the key in the events of the first agents is not kept.
func TestSecrets(t *testing.T) {
	s := serve(t, Config{})
	s.want(200, "POST", intake, one("System", `{"api_key":"secret","x":1.0, "host":"h"}`), `"accepted":1`)
	if got := strings.Join(s.events(""), ""); strings.Contains(got, "secret") || !strings.Contains(got, `"metadata":{"x":1.0,"host":"h"}`) {
		t.Error(got)
	}
}

// TestBrokenText: text that is no Unicode spoils no event.
func TestBrokenText(t *testing.T) {
	s := serve(t, Config{})
	s.want(200, "POST", intake, one("a", "{\"msg_title\":\"x\xffy\",\"msg_text\":\"\\ud800\"},{}"), `"accepted":2`, "no Unicode was replaced")
	if got := len(s.events(`{"field":"payload.title","operator":"eq","value":"x` + "\uFFFD" + `y"}`)); got != 1 {
		t.Error(s.events(""))
	}
}

func TestManyTags(t *testing.T) {
	s := serve(t, Config{})
	tags := strings.Repeat(`"`+strings.Repeat("x", 300)+`",`, 2)
	for i := range 70 {
		tags += `"t` + string(rune('a'+i%26)) + string(rune('a'+i/26)) + `:1",`
	}
	s.want(200, "POST", intake, one("a", `{"tags":[`+tags+`"last"]}`), `"accepted":1`, "10 tags are too long or too many")
	if got := len(s.events(`{"field":"payload.tags.last","operator":"eq","value":""}`)); got != 1 {
		t.Error("the last tag is lost")
	}
}

// scripted is a log whose appends fail.
type scripted struct {
	front.Log
	err error
}

func (s scripted) Instance(context.Context, string) (catalog.Instance, error) {
	return catalog.Instance{ID: Instance, Name: Instance}, nil
}

func (s scripted) Append(context.Context, string, commitlog.Batch) (commitlog.Receipt, error) {
	return commitlog.Receipt{}, s.err
}

// TestTransient: what may work later is never a 4xx that makes an agent drop the
// message, and says when to come again.
func TestTransient(t *testing.T) {
	for kind, want := range map[fault.Kind]int{fault.Overload: 429, fault.Unavailable: 503, fault.Unknown: 504, fault.Internal: 500} {
		s := serve(t, Config{}, func(c *front.Config) { c.Log = scripted{c.Log, fault.New(kind, "away")} })
		for _, path := range []string{intake, intake + "&deduplicate=true"} {
			status, text, header := s.full("POST", path, one("a", `{"context":{"source_identifier":"1"}}`))
			if status != want || header.Get("Retry-After") == "" && want != 500 || !strings.Contains(text, `"code":"`+kind.String()) {
				t.Errorf("%v: %d %s %v", kind, status, text, header)
			}
		}
	}
}

package functions_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/querier"
)

// record is an audit event.
type record struct {
	Stream    string    `json:"stream_id"`
	Timestamp time.Time `json:"timestamp"`
	Metadata  struct{ By string }
	Payload   struct{ Action string }
}

// records returns the audit events behind the first n.
func (w *world) records(t *testing.T, n int) (list []record) {
	t.Helper()
	q := querier.New(front.Own)
	q.Limit, q.Offset = 1000, n
	res, err := querier.NewEngine(commitlog.Open(w.store)).Run(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range res.Events {
		var r record
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// TestAudit: whatever an admin does through whatever door is one event that says
// who, what and when, and what is refused is none.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	session := w.dial(t, "/codebolt")
	defer session.CloseNow()
	http1 := func(method, path, body string) func() {
		return func() {
			req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+w.keys["owner"].full)
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	say := func(operation, params string) func() {
		return func() {
			message := fmt.Sprintf(`{"type":"eventLog.%s","requestId":"1","params":%s}`, operation, params)
			if err := session.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := session.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := w.keys["other tenant"].id
	seen := len(w.records(t, 0))
	for _, act := range []struct {
		what, want string // stream and action, "" for what is no act
		do         func()
	}{
		{"create", "instances:new create", http1("POST", "/v1/instances", `{"id":"new"}`)},
		{"create again", "", http1("POST", "/v1/instances", `{"id":"new"}`)},
		{"settings", "instances:new update", http1("PATCH", "/v1/instances/new", `{"retentionDays":30}`)},
		{"bad settings", "", http1("PATCH", "/v1/instances/new", `{"retentionDays":-1}`)},
		{"append", "", http1("POST", "/v1/instances/new/events", `{"stream_id":"s"}`)},
		{"redact", "erasures: erase", http1("POST", "/v1/instances/new/redactions", `{"where":[{"field":"stream_id","operator":"eq","value":"s"}]}`)},
		{"erase", "erasures: erase", http1("DELETE", "/v1/instances/new/streams/s", "")},
		{"delete", "instances:new delete", http1("DELETE", "/v1/instances/new", "")},
		{"delete again", "", http1("DELETE", "/v1/instances/new", "")},
		{"make by an append", "instances:self create", http1("POST", "/v1/instances/self/events?autoCreate=true", `{}`)},
		{"make by Vamp", "instances:space create", http1("POST", "/space/api/v1/events", `{"tags":["a:b"],"value":1}`)},
		{"make by ClusterCockpit", "instances:fritz_events create", http1("POST", "/api/write?cluster=fritz", "e,type=node,hostname=a event=\"x\" 1795200000\n")},
		{"create by Codebolt", "instances:code create", say("createInstance", `{"name":"code"}`)},
		{"settings by Codebolt", "instances:code update", say("updateInstance", `{"instanceId":"code","description":"x"}`)},
		{"delete by Codebolt", "instances:code delete", say("deleteInstance", `{"instanceId":"code"}`)},
		{"a key", "keys create", http1("POST", "/v1/keys", `{"name":"k","grants":["*:query"]}`)},
		{"a key that is wrong", "", http1("POST", "/v1/keys", `{"name":"k","grants":["*"]}`)},
		{"a new secret", "keys rotate", http1("POST", "/v1/keys/"+other+"/rotate", `{}`)},
		{"revoke", "keys revoke", http1("DELETE", "/v1/keys/"+other, "")},
	} {
		act.do()
		got := w.records(t, seen)
		seen += len(got)
		if act.want == "" {
			if len(got) != 0 {
				t.Errorf("%s: %+v", act.what, got)
			}
			continue
		}
		stream, action, _ := strings.Cut(act.want, " ")
		if len(got) != 1 || !strings.HasPrefix(got[0].Stream, stream) || got[0].Payload.Action != action ||
			got[0].Metadata.By != "key:"+w.keys["owner"].id || time.Since(got[0].Timestamp) > time.Minute {
			t.Errorf("%s: %+v, want %s", act.what, got, act.want)
		}
	}
}

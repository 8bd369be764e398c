package api

import (
	"github.com/firnlog/firn/functions/front"

	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/firnlog/firn/querier"
)

// filled is a server with an instance "log", called Audit Log, of six events.
func filled(t *testing.T) *server {
	t.Helper()
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log","name":"Audit Log"}`).want(t, 201)
	s.do("POST", log, `[
		{"stream_id":"a","event_type":"login","timestamp":"2026-01-01T00:00:00Z","payload":{"n":1},"tags":["eu","web"]},
		{"stream_id":"b","event_type":"login","timestamp":"2026-01-02T00:00:00Z","payload":{"n":2},"tags":["eu"]},
		{"stream_id":"a","event_type":"logout","timestamp":"2026-01-03T00:00:00Z","payload":{"n":3}},
		{"stream_id":"a","event_type":"login","timestamp":"2026-01-01T12:00:00Z","payload":{"n":4},"tags":["web"]}]`).want(t, 201)
	s.do("POST", log, `[{"stream_id":"b","event_type":"buy","timestamp":"2026-01-04T00:00:00Z","payload":{"n":5}},
		{"stream_id":"ü b","event_type":"login","timestamp":"2026-01-05T00:00:00Z","payload":{"n":6}}]`).want(t, 201)
	return s
}

func TestReadEvents(t *testing.T) {
	s := filled(t)
	check := func(params, want string) {
		t.Helper()
		var got []string
		for _, e := range s.events("log", params) {
			got = append(got, fmt.Sprint(e["payload"].(map[string]any)["n"]))
		}
		if strings.Join(got, "") != want {
			t.Errorf("%s: %v, want %s", params, got, want)
		}
	}
	check("", "123456")
	check("?order=asc", "123456")
	check("?order=desc", "654321")
	check("?stream=a", "134")
	check("?stream=%C3%BC%20b", "6")
	check("?stream=none", "")
	check("?stream=a&order=desc", "431")
	check("?stream=a&after=1", "34")
	check("?stream=a&after=3", "")
	check("?stream=a&after=1&limit=1", "3")
	check("?type=login", "1246")
	check("?type=logout&type=buy", "35")
	check("?tag=eu", "12")
	check("?tag=eu&tag=web", "1")
	check("?tag=e", "")
	check("?from=2026-01-02T00:00:00Z", "2356")
	check("?to=2026-01-02T00:00:00Z", "14")
	check("?from=2026-01-01T00:00:00.000001Z&to=1767398400", "24")
	check("?from=2026-01-02", "2356")
	check("?from=2026-01-02&to=2026-01-03T00:00:00Z||/d", "2")
	check("?from=2026-01-03T00:00:00%2B01:00&to=2026-01-04T00:00:00Z&type=logout&stream=a", "3")
	check("?limit=2", "12")
	check("?limit=0", "")

	var all []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		r := s.do("GET", log+"?limit=2&order=desc"+cursor, "").want(t, 200, `"total":6`, `"limit":2`)
		var data struct {
			Result struct {
				Events []struct{ Payload struct{ N int } }
				Cursor string
			}
		}
		if err := json.Unmarshal(r.envelope.Data, &data); err != nil {
			t.Fatal(err)
		}
		for _, e := range data.Result.Events {
			all = append(all, fmt.Sprint(e.Payload.N))
		}
		if pages == 0 {
			s.do("POST", log, `{"payload":{"n":7}}`).want(t, 201) // later pages are of the same point
		}
		if cursor = data.Result.Cursor; cursor != "" {
			cursor = "&cursor=" + url.QueryEscape(cursor)
		}
	}
	if got := strings.Join(all, ""); got != "654321" {
		t.Errorf("pages: %s", got)
	}
}

func TestBadReads(t *testing.T) {
	s := filled(t)
	bad := func(status int, params string, want ...string) {
		t.Helper()
		s.do("GET", log+params, "").want(t, status, want...)
	}
	bad(400, "?strem=a", `\"strem\" is no parameter here: known are stream, type, tag, from, to, after, order, limit, cursor`)
	bad(400, "?stream=a&stream=b", "the parameter stream is given twice")
	bad(400, "?stream=", "the parameter stream is empty")
	bad(400, "?type=", "the parameter type is empty")
	bad(400, "?cursor=", "the parameter cursor is empty")
	bad(400, "?from=yesterday", `from: \"yesterday\" is no timestamp`, "a day such as 2026-11-22, or date math such as now-1d")
	bad(400, "?to=2026-01-03T00:00:00+01:00", "to: ", "in a URL + is written as %2B")
	bad(400, "?to=1e99", "to: the timestamp is out of range")
	bad(400, "?after=1", "give stream too")
	bad(400, "?stream=a&after=-1", "the parameter after is a whole number, 0 or more")
	bad(400, "?stream=a&after=x", "the parameter after is a whole number")
	bad(400, "?order=up", "the parameter order is asc or desc")
	bad(400, "?limit=x", "the parameter limit is a whole number")
	bad(400, "?limit=-1", "the parameter limit is a whole number")
	bad(400, "?limit=1.5", "the parameter limit is a whole number")
	bad(413, fmt.Sprintf("?limit=%d", querier.MaxLimit+1), `"code":"limit"`)
	bad(413, "?limit=9223372036854775807", `"code":"limit"`)
	bad(400, "?limit=9223372036854775808", "the parameter limit is a whole number")
	bad(400, "?cursor=rubbish", "cursor")
	bad(400, "?stream=%zz", "parameters cannot be read")
	bad(400, "?stream=a;type=b", "parameters cannot be read")
	s.do("GET", "/v1/instances/log/stats?x=1", "").want(t, 400, "is no parameter here")
	s.do("GET", "/v1/instances/log?x=1", "").want(t, 400, "is no parameter here")
	s.do("DELETE", "/v1/instances/log?force=1", "").want(t, 400, "is no parameter here")
	s.do("GET", "/v1/instances?limit=1", "").want(t, 400, "is no parameter here")
}

func TestQuery(t *testing.T) {
	s := filled(t)
	for _, ref := range []string{"log", "Audit Log"} {
		r := s.do("POST", "/v1/query", `{"from":{"instance":"`+ref+`","stream":"a"},"where":[{"field":"event_type","operator":"eq","value":"login"}],"orderBy":{"field":"timestamp","direction":"desc"},"limit":1}`).
			want(t, 200, `"type":"eventLog.queryEvents"`, `"total":2`, `"limit":1`, `"instanceId":"log"`, `"payload":{"n":4}`)
		if strings.Count(string(r.raw), `"payload"`) != 1 {
			t.Errorf("%s: %s", ref, r.raw)
		}
	}
	r := s.do("POST", "/v1/query", `{"from":{"instance":"log"},"reduce":{"type":"count","groupBy":["event_type"]}}`, "Content-Type: application/json").want(t, 200)
	var data struct {
		Result struct{ Aggregation json.RawMessage }
	}
	if err := json.Unmarshal(r.envelope.Data, &data); err != nil {
		t.Fatal(err)
	}
	if want := `[{"event_type":"buy","count":1},{"event_type":"login","count":4},{"event_type":"logout","count":1}]`; !sameJSON(data.Result.Aggregation, []byte(want)) {
		t.Errorf("aggregation %s", data.Result.Aggregation)
	}
	s.do("POST", "/v1/query", gzipped(t, `{"from":{"instance":"log"}}`), "Content-Encoding: gzip").want(t, 200, `"total":6`)

	bad := func(status int, body string, want ...string) {
		t.Helper()
		s.do("POST", "/v1/query", body).want(t, status, want...)
	}
	bad(400, ``, "the query is empty")
	bad(400, `{"from":{}}`, "instance")
	bad(400, `{"from":{"instance":"log"},"were":[]}`, "were")
	bad(400, `{"from":{"instance":"log"}`, "not valid JSON")
	bad(400, `{"from":{"instance":"log"},"limit":-1}`, "limit")
	bad(400, `{"from":{"instance":"../x"}}`, "is no instance id")
	bad(404, `{"from":{"instance":"absent"}}`, `"code":"not_found"`)
	bad(413, strings.Repeat(" ", front.MaxSmallBody+1), `"code":"limit"`)
	s.do("POST", "/v1/query?limit=1", `{"from":{"instance":"log"}}`).want(t, 400, "is no parameter here")
	s.do("POST", "/v1/query", `{"from":{"instance":"log"}}`, "Content-Type: application/x-ndjson").want(t, 415)
}

package api

import (
	"encoding/json"
	"net/url"
	"testing"
)

// TestQueryText asks in the form for people, by parameter and by body.
func TestQueryText(t *testing.T) {
	s := filled(t)
	get := func(q, more string) reply {
		return s.do("GET", log+"?q="+url.QueryEscape(q)+more, "")
	}
	get("type=login tag:eu | select n", "").want(t, 200, `"events":[{"payload":{"n":1}},{"payload":{"n":2}}]`)
	get("from log type=login | count by stream | sort count desc | limit 1", "").want(t, 200, `"aggregation":[{"stream_id":"a","count":2}]`)
	first := get("type=login | select n", "&limit=1").want(t, 200, `[{"payload":{"n":1}}]`)
	var page struct{ Result struct{ Cursor string } }
	if err := json.Unmarshal(first.envelope.Data, &page); err != nil || page.Result.Cursor == "" {
		t.Fatalf("no cursor in %s: %v", first.raw, err)
	}
	get("type=login | select n", "&limit=1&cursor="+page.Result.Cursor).want(t, 200, `[{"payload":{"n":2}}]`)

	get("type==login", "").want(t, 400, `q: column 6`, `stands where a value is expected`)
	get("from other type=login", "").want(t, 400, `the query is from instance \"other\", the path says \"log\"`)
	get("type=login", "&stream=a").want(t, 400, "the parameter q is the whole query: put what stream means into it")

	post := func(body string) reply {
		return s.do("POST", "/v1/query", body, "Content-Type: text/plain; charset=utf-8")
	}
	post("from log since 2026-01-03 | count").want(t, 200, `"aggregation":3`)
	post("from \"Audit Log\" n between 2 and 3 | sum n as total, count").want(t, 200, `"aggregation":{"total":5,"count":2}`)
	post("type=login").want(t, 400, "begin it with from and its id or name")
	post(`{"from":{"instance":"log"}}`).want(t, 400, "column")
	s.do("POST", "/v1/query", "from log", "Content-Type: text/html").want(t, 415)
}

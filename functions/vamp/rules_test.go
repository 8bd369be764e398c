package vamp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

var asJSON = []string{"Content-Type: application/json"}
var asYAML = []string{"Content-Type: application/x-yaml"}

// ids returns the ids of a list, in its order.
func (r reply) ids(t *testing.T) string {
	t.Helper()
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(r.body), &list); err != nil || r.StatusCode != 200 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

func TestMessages(t *testing.T) {
	s := serve(t)
	f := func(r reply, status int, message string) {
		t.Helper()
		want, _ := json.Marshal(map[string]string{"message": message})
		var got map[string]string
		if json.Unmarshal([]byte(r.body), &got) != nil || r.StatusCode != status || got["message"] != message || len(got) != 1 {
			t.Errorf("%d %s\nwant %d %s", r.StatusCode, r.body, status, want)
		}
	}
	post := func(body, message string) {
		t.Helper()
		f(s.send("POST", "/api/v1/events", asJSON, body), 400, message)
	}
	post(`{"value":1}`, "Can't find any value for path: /tags")
	post(``, "Can't find any value for path: /tags")
	post(`{"tags":null}`, "Can't find any value for path: /tags")
	post(`{"tags":[]}`, "Publishing an event without tags is not allowed.")
	post(`{"tags":["a"],"timestamp":"yesterday"}`, "Event timestamp cannot be parsed: 'yesterday'.")
	post(`{"tags":["a"],"timestamp":"2015-06-05T15:12:38"}`, "Event timestamp cannot be parsed: '2015-06-05T15:12:38'.")
	post(`{"tags":["a"],"timestamp":1433759315001}`, "Event timestamp cannot be parsed: '1433759315001'.")
	post(`{"tags":["a"],"type":"a b"}`, "Unsupported event type 'a b', only alphanumerics, '-' and '_' are allowed.")
	post(`{"tags":["a"],"type":{}}`, "Error: the type must be a text, not {}")
	post(`{"tags":[{}]}`, "Error: a tag must be a text, not {}")
	post(`{"tags":["a"],"tags":["b"]}`, `Error: "tags" is given twice`)
	post(`[{"tags":["a"]},{"tags":["b"]}]`, "Error: a list of 2 is given: one object is taken at a time")
	post(`"a"`, `Error: an object such as {"tags":["a"]} is needed, not "a"`)
	post(`{"tags":[""]}`, "a tag must not be empty")
	post(`{"tags":["a"],"timestamp":"2016-09-15T09:00:00Z"}`,
		"the timestamp 2016-09-15T09:00:00Z lies more than a day ahead: the time here is 2016-09-13T09:00:00Z")

	find := func(body, message string) {
		t.Helper()
		f(s.find(body), 400, message)
	}
	const both = "Event query time range is not valid, both 'lt' and 'lte' or 'gt' and 'gte' are not allowed."
	find(`{"timestamp":{"lt":"now","lte":"now"}}`, both)
	find(`{"timestamp":{"gt":"now","gte":"now"}}`, both)
	find(`{"aggregator":{"type":"median"}}`, "Unsupported aggregator: median.")
	find(`{"aggregator":{}}`, "Can't find any value for path: /aggregator/type")
	find(`{"foo":1}`, `Unexpected in DSL: {"foo":1}`)
	find(`{"tags":[],"time":{"from":"now"}}`, `Unexpected in DSL: {"time":{"from":"now"}}`)
	find(`{"timestamp":{"from":"now"}}`, `Unexpected in DSL: {"from":"now"}`)
	find(`{"timestamp":{"gt":"now-30d||/d"}}`, `Event query error, check request format: the time "now-30d||/d" cannot be read: || only follows a date: steps follow now at once, as in now-30d/d`)
	find(`{"timestamp":true}`, "Error: a time must be a text or a number, not true")
	f(s.get("/api/v1/events?gt=now&gte=now"), 400, both)
	f(s.get("/api/v1/events?aggregator=median"), 400, "Unsupported aggregator: median.")
	f(s.get("/api/v1/events?page=one"), 400, "The query parameter 'page' was malformed: 'one' is not a valid 32-bit signed integer value")
	f(s.get("/api/v1/events?per_page=99999999999"), 400, "The query parameter 'per_page' was malformed: '99999999999' is not a valid 32-bit signed integer value")

	const types = "Only the following media types are supported: application/json, application/x-yaml"
	f(s.send("POST", "/api/v1/events", []string{"Content-Type: application/x-www-form-urlencoded"}, `{"tags":["a"]}`), 400, types)
	f(s.send("POST", "/api/v1/events", nil, `{"tags":["a"]}`), 400, types)
	f(s.send("POST", "/api/v1/events/get", nil, `{"tags":["a"]}`), 400, types)
	f(s.send("GET", "/api/v1/events", []string{"Accept: text/html"}, ""), 400, types+", but not: text/html")
	s.send("POST", "/_firn/api/v1/events", asJSON, `{"tags":["a"]}`).want(t, 403, `{"message":"`)
	s.get("/No/api/v1/events").want(t, 400, `\"No\" is no instance id`)
	if got := s.get("/api/v1/events?per_page=1000").body; got != "[]" {
		t.Errorf("something was stored: %s", got)
	}
}

func TestAccept(t *testing.T) {
	s := serve(t)
	f := func(accept, contentType string) {
		t.Helper()
		r := s.send("GET", "/api/v1/events", []string{"Accept: " + accept}, "")
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != contentType {
			t.Errorf("%s: %d %s", accept, r.StatusCode, r.Header.Get("Content-Type"))
		}
	}
	f("*/*", typeJSON)
	f("*/*;q=0.8", typeJSON)
	f("application/json;q=0.9", typeJSON)
	f("application/json; charset=utf-8", typeJSON)
	f("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", typeJSON)
	f("application/x-yaml", typeYAML)
	f("application/x-yaml;q=0.9", typeYAML)
	f("application/json, application/x-yaml", typeJSON)
	f("application/json;q=0.5, application/x-yaml", typeYAML)
	s.send("GET", "/api/v1/events", []string{"Accept: application/json;q=0"}, "").want(t, 400)
}

// A fetched event, unknown members and all, can be published again.
func TestPublishAgain(t *testing.T) {
	s := serve(t)
	first := s.publish(`{"tags":"a:b:c","value":{"x": [1, "é"]},"timestamp":"2015-06-05T17:12:38.123456789+02:00","type":"My-Type_1","version":"1.1","digest":"d","extra":{"y":1}}`)
	want := `{"id":"0-1-0","version":"1.1","tags":["a","a:b:c"],"value":{"x": [1, "é"]},"timestamp":"2015-06-05T17:12:38.123456789+02:00","type":"My-Type_1","digest":"d"}`
	if first != want {
		t.Errorf("\n got %s\nwant %s", first, want)
	}
	second := s.publish(first)
	if want := strings.Replace(want, "0-1-0", "0-2-0", 1); second != want {
		t.Errorf("\n got %s\nwant %s", second, want)
	}
	// Of one time, the last published comes first; the answers are the same.
	s.get("/api/v1/events").is(t, "["+second+","+first+"]")
	s.get("/api/v1/events?timestamp=2015-06-05T15:12:38.123456Z").is(t, "["+second+","+first+"]")
}

func TestValues(t *testing.T) {
	s := serve(t)
	f := func(headers []string, body, value string) {
		t.Helper()
		r := s.send("POST", "/api/v1/events", headers, body)
		r.want(t, 201, `"value":`+value+`,"timestamp"`)
		list := s.get("/api/v1/events?per_page=1")
		list.is(t, "["+r.body+"]")
	}
	f(asJSON, `{"tags":["a"]}`, `""`)
	f(asJSON, `{"tags":["a"],"value":null}`, `null`)
	f(asJSON, `{"tags":["a"],"value":1.50}`, `1.50`)
	f(asJSON, `{"tags":["a"],"value":[{"a":1,"a":2}]}`, `[{"a":1,"a":2}]`)
	f(asJSON, `[{"tags":["a"],"value":true}]`, `true`)
	f(asJSON, `{tags: [a], value: 1}`, `1`) // YAML, which Vamp's parser takes here, too
	f(asYAML, "tags: a\nvalue:\n  cpu: 0.5\n  on: yes\n  n: 0x10\n  big: 123456789012345678901\n  t: 2015-06-05\n  z: ~\n",
		`{"cpu":0.5,"on":"yes","n":16,"big":123456789012345678901,"t":"2015-06-05","z":null}`)
	f(asYAML, "tags: [1.0, true]\nvalue: |\n  two\n  lines\n", `"two\nlines\n"`)
	large := `"` + strings.Repeat("x", 100_000) + `"`
	f(asJSON, `{"tags":["a"],"value":`+large+`}`, large)
	large = `"` + strings.Repeat("é", 3<<20) + `"`
	f(asJSON, `{"tags":["a"],"value":`+large+`}`, large)
	f(asJSON, `{"tags":["a"],"value":`+strings.Repeat("[", 127)+strings.Repeat("]", 127)+`}`, strings.Repeat("[", 127)+strings.Repeat("]", 127))
}

func TestRefusals(t *testing.T) {
	s := serve(t)
	f := func(headers []string, body string, status int, text string) {
		t.Helper()
		s.send("POST", "/api/v1/events", headers, body).want(t, status, text)
	}
	deep := func(open, end string, n int) string {
		return `{"tags":["a"],"value":` + strings.Repeat(open, n) + "1" + strings.Repeat(end, n) + `}`
	}
	f(asJSON, deep("[", "]", 128), 400, "nested deeper than 128 levels")
	f(asJSON, deep("[", "]", 5_000), 400, "nested deeper than 128 levels")
	f(asJSON, deep("[", "]", 100_000), 400, "exceeded max depth")
	f(asJSON, deep(`{"a":`, "}", 100_000), 400, "exceeded max depth")
	f(asYAML, "tags: a\nvalue: "+strings.Repeat("[", 5_000)+strings.Repeat("]", 5_000), 400, "nested deeper than 128 levels")
	f(asYAML, "tags: a\nvalue: "+strings.Repeat("- ", 100_000), 400, "Error: yaml:")
	f(asYAML, "tags: a\nvalue:\n  a: &a [x]\n  b: &b [*a, *a]\n", 400, "aliases such as *a are not taken")
	f(asYAML, "tags: a\nvalue: !!js/function x\n", 400, "the YAML tag")
	f(asYAML, "tags: a\nvalue: .nan\n", 400, "JSON has no value for .nan")
	f(asYAML, "tags: a\n---\ntags: b\n", 400, "more than one YAML document")
	f(asYAML, "tags: a\nvalue: {? [a] : b}\n", 400, "the name of a member must be a text")
	f(asYAML, "tags: [a", 400, "Error: yaml:")
	f(asJSON, `{"tags":["a"]`, 400, "Error: jsontext:")
	f(asJSON, `{"tags":["a"]} {}`, 400, "more follows the JSON value")
	f(asYAML, "tags: a\nvalue: "+strings.Repeat("x", 1<<20), 413, "YAML may have 524288")
	f(asJSON, `{"tags":["a"],"value":"`+strings.Repeat("x", 8<<20)+`"}`, 413, "the limit is")
	f(asJSON, `{"tags":["a"],"value":"`+strings.Repeat("x", 9<<20)+`"}`, 413, "the limit is")
	s.find(`{"tags":["`+strings.Repeat("x", 2<<20)+`"]}`).want(t, 413, "the limit is")
	if got := s.get("/api/v1/events").body; got != "[]" {
		t.Errorf("something was stored: %.200s", got)
	}
}

func TestQueries(t *testing.T) {
	s := serve(t)
	for i, e := range []string{
		`{"tags":["x:1","m"],"timestamp":"2014-10-31T23:59:59.999Z"}`,
		`{"tags":["x:2","m"],"timestamp":"2014-11-01T00:00:00Z","type":"metrics"}`,
		`{"tags":["X:2"],"timestamp":"2014-11-18T00:00:00Z"}`,
		`{"tags":["x:2"],"timestamp":"2014-11-30T23:59:59.999Z"}`,
		`{"tags":["x:2"],"timestamp":"2014-12-01T00:00:00Z"}`,
		`{"tags":["x:2:3"],"timestamp":"2016-09-13T08:55:00Z"}`,
	} {
		if got := s.publish(e); !strings.Contains(got, fmt.Sprintf(`"id":"0-%d-0"`, i+1)) {
			t.Fatal(got)
		}
	}
	f := func(want, body, params string) {
		t.Helper()
		r := s.find(body)
		var ids []string
		for _, id := range strings.Fields(r.ids(t)) {
			ids = append(ids, strings.Split(id, "-")[1])
		}
		if got := strings.Join(ids, " "); got != want || r.Header.Get("X-Total-Count") != fmt.Sprint(len(ids)) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
		for _, other := range []reply{s.get("/api/v1/events?" + params), s.get("/api/v1/events/get/?" + params),
			s.send("POST", "/api/v1/events/get", asJSON, body), s.send("GET", "/vamp/api/v1/events/", nil, body)} {
			other.is(t, r.body)
		}
		link, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Link"), "<http://vamp.example"), ">")
		s.get(link).is(t, r.body)
	}
	f("6 5 4 3 2 1", `{}`, "")
	f("6 5 4 3 2 1", `{"tags":[],"timestamp":{},"type":""}`, "tag=&type=&timestamp=&gt=")
	f("6 5 4 2 1", `{"tags":["x"]}`, "tag=x")
	f("6 5 4 2 1", `{"tags":"x"}`, "tags=x")
	f("2 1", `{"tags":["x","m"]}`, "tags=x&tag=m")
	f("5 4 2", `{"tags":["x:2"]}`, "tag=x:2")
	f("", `{"tags":["x:2","x:1"]}`, "tag=x:2&tag=x:1")
	f("2", `{"type":"metrics"}`, "type=metrics&unknown=1")
	f("6 5", `{"timestamp":{"gt":"2014-11-18||/M"}}`, "gt=2014-11-18||/M")
	f("6 5 4 3 2", `{"timestamp":{"gte":"2014-11-18||/M"}}`, "gte=2014-11-18||/M")
	f("1", `{"timestamp":{"lt":"2014-11-18||/M"}}`, "lt=2014-11-18||/M")
	f("4 3 2 1", `{"timestamp":{"lte":"2014-11-18||/M"}}`, "lte=2014-11-18||/M")
	f("3", `{"timestamp":{"gte":"2014-11-18","lte":"2014-11-18"}}`, "timestamp="+url.QueryEscape(`{"gte":"2014-11-18","lte":"2014-11-18"}`))
	f("4 3", `{"timestamp":{"gt":"2014-11-01","lt":"2014-12"}}`, "timestamp="+url.QueryEscape(`{"gt":"2014-11-01"}`)+"&lt=2014-12")
	f("3", `{"timestamp":"2014-11-18"}`, "timestamp=2014-11-18")
	f("3", `{"timestamp":"2014-11-18T01:00:00+01:00"}`, "timestamp="+url.QueryEscape(`"2014-11-18T01:00:00+01:00"`))
	f("3", `{"timestamp":1416268800000}`, "timestamp=2014-11-18T00:00:00.000Z")
	f("6", `{"timestamp":{"gt":1417392000000}}`, "gt=2014-12-01T00:00:00.000Z")
	f("6", `{"timestamp":{"gte":"now-5m","lte":"now"}}`, "gte=now-5m&lte=now")
	f("", `{"timestamp":{"gt":"now-5m","lte":"now"}}`, "gt=now-5m&lte=now")
	f("6", `{"timestamp":{"gte":"now() - 10m"}}`, "gte=now()%20-%2010m")
	f("6", "tags: x\ntimestamp:\n  gte: now-1d/d\n", "tag=x&gte=now-1d/d")

	// A body wins over parameters, and page and per_page hold beside it.
	if got := s.send("GET", "/api/v1/events?tag=nothing&per_page=1&page=2", nil, `{"tags":["x:2"]}`).ids(t); got != "0-4-0" {
		t.Error(got)
	}
}

func TestPages(t *testing.T) {
	s := serve(t)
	for range 7 {
		s.publish(`{"tags":["a:1","b"]}`) // all of one time
	}
	f := func(params, want, link string) {
		t.Helper()
		r := s.get("/api/v1/events?" + params)
		var short []string
		for _, id := range strings.Fields(r.ids(t)) {
			short = append(short, strings.Split(id, "-")[1])
		}
		if got := strings.Join(short, " "); got != want || r.Header.Get("X-Total-Count") != "7" {
			t.Errorf("%s: %s of %s, want %s", params, got, r.Header.Get("X-Total-Count"), want)
		}
		var pages []string
		for part := range strings.SplitSeq(r.Header.Get("Link"), ", ") {
			_, at, _ := strings.Cut(part, "per_page=")
			pages = append(pages, at)
		}
		if got := strings.Join(pages, " "); link != "" && got != link {
			t.Errorf("%s: %s, want %s", params, got, link)
		}
	}
	f("per_page=3", "7 6 5", "3&page=1>; rel=first 3&page=1>; rel=prev 3&page=2>; rel=next 3&page=3>; rel=last")
	f("per_page=3&page=2", "4 3 2", "3&page=1>; rel=first 3&page=1>; rel=prev 3&page=3>; rel=next 3&page=3>; rel=last")
	f("per_page=3&page=3", "1", "3&page=1>; rel=first 3&page=2>; rel=prev 3&page=3>; rel=next 3&page=3>; rel=last")
	f("per_page=3&page=4", "", "3&page=1>; rel=first 3&page=3>; rel=prev 3&page=3>; rel=next 3&page=3>; rel=last")
	f("per_page=3&page=2147483647", "", "")
	f("per_page=0&page=0", "7", "")
	f("per_page=-5&page=-5", "7", "")
	f("per_page=&page=", "7 6 5 4 3 2 1", "")
	f("per_page=5000", "7 6 5 4 3 2 1", "1000&page=1>; rel=first 1000&page=1>; rel=prev 1000&page=1>; rel=next 1000&page=1>; rel=last")
	r := s.get("/api/v1/events/?tag=a:1&per_page=2&tag=b&page=1")
	if want := "<http://vamp.example/api/v1/events?tag=a%3A1&tag=b&per_page=2&page=1>; rel=first, "; !strings.HasPrefix(r.Header.Get("Link"), want) {
		t.Errorf("%s, want %s", r.Header.Get("Link"), want)
	}
}

// A page of large events is whole, though one result of the engine is not.
func TestLargePage(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 42 MB")
	}
	s := serve(t)
	for i := range 6 {
		s.publish(fmt.Sprintf(`{"tags":["a"],"value":"%d%s"}`, i, strings.Repeat("x", 7<<20)))
	}
	if got := s.get("/api/v1/events").ids(t); got != "0-6-0 0-5-0 0-4-0 0-3-0 0-2-0 0-1-0" {
		t.Error(got)
	}
}

func TestAggregators(t *testing.T) {
	s := serve(t)
	for _, e := range []string{
		`{"tags":["n"],"value":1}`,
		`{"tags":["n"],"value":2.5}`,
		`{"tags":["n"],"value":"text"}`,
		`{"tags":["o"],"value":{"setup":{"time":30},"metrics":7},"type":"deploy"}`,
		`{"tags":["o"],"value":{"setup":{"time":40}},"type":"deploy"}`,
		`{"tags":["sla"],"value":100,"type":"metrics"}`,
		`{"tags":["sla"],"value":200,"type":"metrics"}`,
	} {
		s.publish(e)
	}
	f := func(body, params, want string) {
		t.Helper()
		r := s.find(body)
		r.is(t, `{"value":`+want+`}`)
		if r.Header.Get("Link") != "" || r.Header.Get("X-Total-Count") != "" {
			t.Errorf("%s: headers of a list", body)
		}
		s.get("/api/v1/events?"+params).is(t, r.body)
		s.send("POST", "/api/v1/events/get", asJSON, body).is(t, r.body)
	}
	f(`{"tags":["n"],"aggregator":{"type":"count"}}`, "tag=n&aggregator=count", "3")
	f(`{"tags":["n"],"aggregator":{"type":"COUNT","field":"x"}}`, "tag=n&aggregator=Count&field=x", "3")
	f(`{"tags":["n"],"aggregator":"average"}`, "tag=n&aggregator=average", "1.75")
	f(`{"tags":["n"],"aggregator":{"type":"min"}}`, "tag=n&aggregator=min", "1.0")
	f(`{"tags":["n"],"aggregator":{"type":"max"}}`, "tag=n&aggregator=max", "2.5")
	f(`{"tags":["n"],"aggregator":{"type":"sum"}}`, "tag=n&aggregator=sum", "3.5")
	f(`{"tags":["n"],"aggregator":{"type":"sum","field":"value"}}`, "tag=n&aggregator=sum&field=value", "3.5")
	f(`{"tags":["o"],"aggregator":{"type":"average","field":"setup.time"}}`, "tag=o&aggregator=average&field=setup.time", "35.0")
	f(`{"tags":["o"],"type":"deploy","aggregator":{"type":"average","field":"deploy.setup.time"}}`,
		`tag=o&type=deploy&aggregator=`+url.QueryEscape(`{"type":"average","field":"deploy.setup.time"}`), "35.0")
	f(`{"tags":["o"],"aggregator":{"type":"average","field":"deploy.setup.time"}}`, "tag=o&aggregator=average&field=deploy.setup.time", "35.0")
	f(`{"tags":["o"],"aggregator":{"type":"max","field":"metrics"}}`, "tag=o&aggregator=max&field=metrics", "7.0")
	f(`{"tags":["sla"],"aggregator":{"type":"average","field":"metrics"}}`, "tag=sla&aggregator=average&field=metrics", "150.0") // as Vamp's SLA asks
	f(`{"tags":["sla"],"type":"metrics","aggregator":{"type":"sum","field":"metrics"}}`, "tag=sla&type=metrics&aggregator=sum&field=metrics", "300.0")
	f(`{"tags":["none"],"aggregator":{"type":"count"}}`, "tag=none&aggregator=count", "0")
	for _, a := range []string{"average", "min", "max", "sum"} {
		f(`{"tags":["none"],"aggregator":{"type":"`+a+`"}}`, "tag=none&aggregator="+a, "0.0")
		f(`{"tags":["o"],"aggregator":{"type":"`+a+`"}}`, "tag=o&aggregator="+a, "0.0") // objects
		s.get("/fresh/api/v1/events?aggregator="+a).is(t, `{"value":0.0}`)
	}
	s.get("/fresh/api/v1/events?aggregator=count").is(t, `{"value":0}`)
	s.get("/api/v1/events?aggregator=sum&field=a..b").want(t, 400, "empty part")
	f(`{"aggregator":{"type":"count"},"timestamp":{"lt":"now"}}`, "aggregator=count&lt=now", "0")
}

// What is done to instances through any API is read in Vamp's way.
func TestArchive(t *testing.T) {
	s := serve(t)
	s.get("/_firn/api/v1/events?tag=archive").is(t, "[]")
	s.send("POST", "/v1/instances", asJSON, `{"id":"orders","name":"Orders"}`).want(t, 201)
	s.at("2016-09-13T09:00:01Z")
	s.send("DELETE", "/v1/instances/orders", nil, "").want(t, 200)
	const tags = `"tags":["archive","archive:%s","archiving","archiving:%s","instances","instances:orders"],`
	create := fmt.Sprintf(`{"id":"0-1-0","version":"1.0",`+tags+`"value":{"description":"","id":"orders","name":"Orders","retentionDays":0,"shards":1},"timestamp":"2016-09-13T09:00:00Z","type":"archive"}`, "create", "create")
	remove := fmt.Sprintf(`{"id":"0-2-0","version":"1.0",`+tags+`"value":"","timestamp":"2016-09-13T09:00:01Z","type":"archive"}`, "delete", "delete")
	s.get("/_firn/api/v1/events?tag=archive&type=archive").is(t, "["+remove+","+create+"]")
	s.get("/_firn/api/v1/events?tag=archiving&tag=archiving:delete").is(t, "["+remove+"]")
	s.get("/_firn/api/v1/events?tag=instances:orders&aggregator=count").is(t, `{"value":2}`)
}

// Events of other doors are shown as well as can be.
func TestForeignEvents(t *testing.T) {
	s := serve(t)
	s.send("POST", "/v1/instances/vamp/events?autoCreate=true", asJSON,
		`[{"event_type":"a.b","payload":{"amount":5},"metadata":{"version":7,"timestamp":"2001-01-01T00:00:00Z"},"id":"mine","timestamp":"2016-09-13T08:00:00.000001Z"},
		  {"payload":[1],"tags":["x"],"timestamp":"2016-09-13T07:00:00Z"},{"payload":{"value":1,"unit":"s"},"timestamp":"2016-09-13T06:00:00Z"}]`).want(t, 201)
	s.get("/api/v1/events").is(t, `[{"id":"mine","version":"1.0","tags":[],"value":{"amount":5},"timestamp":"2016-09-13T08:00:00.000001Z","type":"a.b"},`+
		`{"id":"0-1-1","version":"1.0","tags":["x"],"value":[1],"timestamp":"2016-09-13T07:00:00Z","type":"event"},`+
		`{"id":"0-1-2","version":"1.0","tags":[],"value":{"value":1,"unit":"s"},"timestamp":"2016-09-13T06:00:00Z","type":"event"}]`)
	s.get("/api/v1/events?type=a.b").want(t, 200, `"id":"mine"`)

	// And the native API finds Vamp's by what they say.
	s.publish(`{"tags":["workflow","x:1","y:2"],"value":{"cpu":0.5},"type":"metrics","timestamp":"2016-09-13T10:00:00.5+02:00"}`)
	s.send("POST", "/v1/query", asJSON, `{"from":{"instance":"vamp","stream":"x:1"},"where":[{"field":"payload.value.cpu","operator":"gt","value":0.4}]}`).
		want(t, 200, `"event_type":"metrics"`, `"payload":{"value":{"cpu":0.5}}`, `"metadata":{"timestamp":"2016-09-13T10:00:00.5+02:00"}`,
			`"timestamp":"2016-09-13T08:00:00.5Z"`, `"tags":["workflow","x","x:1","y","y:2"]`)
}

func TestOrigins(t *testing.T) {
	const origin = "Origin: https://ui.example"
	f := func(s *server, want string) {
		t.Helper()
		for _, r := range []reply{s.send("GET", "/api/v1/events", []string{origin}, ""), s.send("GET", "/api/v1/events?page=x", []string{origin}, ""),
			s.send("OPTIONS", "/api/v1/events", []string{origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"}, "")} {
			if got := r.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%d: %q, want %q", r.StatusCode, got, want)
			}
			if want != "" && (r.Header.Get("Access-Control-Expose-Headers") != "Link, X-Total-Count" || r.Header.Get("Vary") != "Origin") {
				t.Errorf("%d: %v", r.StatusCode, r.Header)
			}
			if r.StatusCode == 204 && want != "" && r.Header.Get("Access-Control-Allow-Headers") != "content-type" {
				t.Errorf("%v", r.Header)
			}
		}
	}
	with := func(origins ...string) *server {
		return serve(t, func(cfg *front.Config) { cfg.Origins = origins })
	}
	f(with(), "")
	f(with("*"), "https://ui.example")
	f(with("https://ui.example"), "https://ui.example")
	f(with("https://other.example"), "")
}

// What a caller has no right to is answered in the door's form.
func TestRights(t *testing.T) {
	s := serve(t, func(cfg *front.Config) {
		cfg.Authenticate = func(r *http.Request) (front.Caller, error) {
			if r.Header.Get("Authorization") == "" {
				return front.Caller{}, fault.New(fault.Unauthenticated, "give a key")
			}
			return front.Caller{Name: "reader", Grants: []front.Grant{{Instances: "vamp", Rights: front.CanQuery}}}, nil
		}
	})
	key := []string{"Authorization: token 1234", "Content-Type: application/json"}
	s.get("/api/v1/events").want(t, 401, `{"message":"give a key"}`)
	s.send("GET", "/api/v1/events", key, "").is(t, "[]")
	s.send("POST", "/api/v1/events", key, `{"tags":["a"]}`).want(t, 403, `{"message":"`)
	s.send("GET", "/other/api/v1/events", key, "").want(t, 403, `{"message":"`)
	s.send("GET", "/_firn/api/v1/events", key, "").want(t, 403, `{"message":"`)
	s.send("OPTIONS", "/api/v1/events", nil, "").want(t, 204)
}

// A failure of the store is never an answer of success or of certain failure.
func TestOutcomes(t *testing.T) {
	s := serve(t, func(cfg *front.Config) { cfg.Log = failing{cfg.Log} })
	f := func(tag string, status int, text string) {
		t.Helper()
		s.send("POST", "/api/v1/events", asJSON, `{"tags":["`+tag+`"]}`).want(t, status, text)
	}
	f("unknown", 504, "may or may not be stored")
	f("unavailable", 503, "the store is away")
	f("internal", 500, `{"message":"Internal server error."}`)
}

// failing is a log whose appends fail as the event's tag says.
type failing struct{ front.Log }

func (f failing) Append(ctx context.Context, instance string, b commitlog.Batch) (commitlog.Receipt, error) {
	switch b.Events[0].Tags[0] {
	case "unknown":
		return commitlog.Receipt{}, fault.New(fault.Unknown, "no answer")
	case "unavailable":
		return commitlog.Receipt{}, fault.New(fault.Unavailable, "the store is away")
	case "internal":
		return commitlog.Receipt{}, errors.New("a bug")
	}
	return f.Log.Append(ctx, instance, b)
}

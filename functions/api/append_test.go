package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

const log = "/v1/instances/log/events"

func TestAppendForms(t *testing.T) {
	s := serve(t)
	post := func(body, contentType string, want string) {
		t.Helper()
		r := s.do("POST", log+"?autoCreate=true", body, "Content-Type: "+contentType).want(t, 201, `"type":"eventLog.appendEvents"`)
		var data struct {
			Count  int
			Events []map[string]any
		}
		if err := json.Unmarshal(r.envelope.Data, &data); err != nil {
			t.Fatal(err)
		}
		if got := show(data.Events, "id", "stream_id", "sequence_number", "timestamp"); got != want || data.Count != len(data.Events) {
			t.Errorf("%s: %d events %s, want %s", body, data.Count, got, want)
		}
	}
	at := `"timestamp":"2020-02-02T02:02:02Z"`
	post(`{"stream_id":"a","id":"mine",`+at+`,"payload": {"x" : "<é>"} }`, "application/json", "mine:a:1:2020-02-02T02:02:02Z")
	post(`[{"stream_id":"a",`+at+`},{"stream_id":"b","timestamp":1}]`, "application/json; charset=UTF-8", "0-2-0:a:2:2020-02-02T02:02:02Z 0-2-1:b:1:1970-01-01T00:00:01Z")
	post(`{"events":[{`+at+`}],"expectedSequence":0}`, "Application/JSON", "0-3-0:default:1:2020-02-02T02:02:02Z")
	post(`{"stream_id":"a",`+at+"}\r\n\n{\"stream_id\":\"a\","+at+`}`, "application/x-ndjson", "0-4-0:a:3:2020-02-02T02:02:02Z 0-4-1:a:4:2020-02-02T02:02:02Z")
	post(`{`+at+`}`, "application/jsonl", "0-5-0:default:2:2020-02-02T02:02:02Z")
	cloud := `{"specversion":"1.0","id":"c","source":"/s","type":"t","time":"2020-02-02T02:02:02Z","data":{"x":1}}`
	post(cloud, "application/cloudevents+json", "c:/s:1:2020-02-02T02:02:02Z")
	post("["+cloud+","+cloud+"]", "application/cloudevents-batch+json", "c:/s:2:2020-02-02T02:02:02Z c:/s:3:2020-02-02T02:02:02Z")
	s.do("POST", log, `{`+at+`}`).want(t, 201, `"0-8-0"`) // no content type

	r := s.do("GET", log+"?stream=a&limit=1", "").want(t, 200, `"payload":{"x" : "<é>"},`, `"type":"eventLog.queryEvents"`)
	if strings.Contains(string(r.raw), `\u00`) {
		t.Errorf("escaped: %s", r.raw)
	}
	if n := len(s.events("log", "")); n != 11 {
		t.Errorf("%d events", n)
	}
}

func TestAppendMinimal(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
	s.do("POST", log+"?return=minimal", `[{},{}]`).want(t, 201).data(t, `{"count":2,"parts":[{"shard":0,"count":2,"position":1}]}`)
	s.do("POST", log, `{}`, "Prefer: respond-async, return=minimal").want(t, 201).data(t, `{"count":1,"parts":[{"shard":0,"count":1,"position":2}]}`)
	s.do("POST", log+"?return=representation", `{}`, "Prefer: return=minimal").want(t, 201, `"events":[{"id":"0-3-0"`)
}

// TestBadAppends also checks that nothing of a refused batch is stored.
func TestBadAppends(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
	bad := func(status int, body, params, headers string, want ...string) {
		t.Helper()
		var list []string
		if headers != "" {
			list = strings.Split(headers, "; ")
		}
		s.do("POST", log+params, body, list...).want(t, status, append(want, `"success":false`)...)
	}
	bad(400, ``, "", "", "the JSON is empty")
	bad(400, ``, "", "Content-Type: application/x-ndjson", "the request has no events")
	bad(400, "\n\n", "", "Content-Type: application/x-ndjson", "the request has no events")
	bad(400, `[]`, "", "", "the request has no events")
	bad(400, `{"events":[]}`, "", "", "the request has no events")
	bad(400, `5`, "", "", "the body must be an event")
	bad(400, `[{},{"strem_id":"a"}]`, "", "", `events[1]: \"strem_id\" is no member of an event`)
	bad(400, `[{},{"sequence_number":1}]`, "", "", "is assigned by Firn")
	bad(400, "{}\n{}\n{\"payload\":NaN}", "", "Content-Type: application/x-ndjson", "line 3: not valid JSON at byte 11")
	bad(400, "{\"payload\":\"\xff\"}", "", "", "invalid UTF-8")
	bad(400, `[{},{"payload":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}]`, "", "", "nested deeper than 128 levels")
	bad(400, `[{},{"stream_id":"`+strings.Repeat("x", 513)+`"}]`, "", "", "events[1]: stream_id has 513 bytes, the limit is 512")
	bad(400, `[{},{"timestamp":"9999-01-01T00:00:00Z"}]`, "", "", "more than a day ahead")
	bad(400, `{} {}`, "", "", "follows the value")
	bad(413, `[{},{"payload":"`+strings.Repeat("x", event.MaxEventBytes)+`"}]`, "", "", `"code":"limit"`, "events[1]: the event has")
	bad(413, "["+strings.Repeat("{},", event.MaxBatch)+"{}]", "", "", "more than 50000 events")
	bad(400, `{"specversion":"0.3"}`, "", "Content-Type: application/cloudevents+json", "CloudEvents of version 1.0")
	bad(400, `{}`, "", "Content-Type: application/cloudevents-batch+json", "an array")
	bad(400, `{}`, "", "Ce-Specversion: 1.0", "structured mode, as application/cloudevents+json")

	for _, given := range []string{"text/plain", "application/xml", "multipart/form-data", "application/json; charset=latin1", "json", ";", "application/x-www-form-urlencoded"} {
		bad(415, `{}`, "", "Content-Type: "+strings.ReplaceAll(given, "; ", ";"), "is not taken: use application/json, application/x-ndjson, application/jsonl, application/cloudevents+json")
	}
	for _, given := range []string{"br", "gzip, gzip", "x"} {
		bad(415, `{}`, "", "Content-Encoding: "+given, "is not taken: use gzip, deflate, zstd or none")
	}

	bad(400, `{}`, "?autoCreate=yes", "", "the parameter autoCreate is true or false")
	bad(400, `{}`, "?autoCreate=", "", "the parameter autoCreate is true or false")
	bad(400, `{}`, "?return=all", "", "the parameter return is minimal or representation")
	bad(400, `{}`, "?expectedSequenc=1", "", `\"expectedSequenc\" is no parameter here: known are expectedSequence, autoCreate, return`)
	bad(400, `{}`, "?expectedSequence=1&expectedSequence=1", "", "expectedSequence is given twice")
	bad(400, `{}`, "?expectedSequence=%zz", "", "parameters cannot be read")
	bad(400, `{}`, "?expectedSequence=", "", "expectedSequence is empty")
	for _, text := range []string{"-1", "1.0", "x", "99999999999999999999", "%2B1x"} {
		bad(400, `{}`, "?expectedSequence="+text, "", "an expected sequence is the number")
	}
	bad(400, `[{"stream_id":"a"},{"stream_id":"b"}]`, "?expectedSequence=0", "", "needs events of one stream")
	bad(400, `{"events":[{"stream_id":"a"},{"stream_id":"b"}],"expectedSequence":0}`, "", "", "needs events of one stream")
	bad(400, `{"events":[{}],"expectedSequence":0}`, "?expectedSequence=0", "", "given twice")
	bad(400, `{"events":[{}],"expectedSequence":0,"expectedSequences":{}}`, "", "", "given twice")
	bad(400, `{"events":[{}],"expectedSequences":{"a":"soon"}}`, "", "", `stream \"a\": an expected sequence is the number`)

	for _, key := range []string{"", "a b", "ä", strings.Repeat("k", 257)} {
		bad(400, `{}`, "", "Idempotency-Key: "+key, "an Idempotency-Key is 1 to 256 visible ASCII characters")
	}
	bad(400, `{}`, "", "Idempotency-Key: a; Idempotency-Key: b", "given once")

	if events := s.events("log", ""); len(events) != 0 {
		t.Errorf("refused requests left events: %v", events)
	}
	s.do("GET", "/v1/instances/log/stats", "").want(t, 200, `"eventCount":0`)
	s.do("POST", log, `{}`).want(t, 201, `"sequence_number":1`)
	s.do("POST", "/v1/instances/Not%20A%20Slug/events?autoCreate=true", `{}`).want(t, 400, "is no instance id")
	s.do("POST", "/v1/instances/new/events?autoCreate=true", `{"x":1}`).want(t, 400)
	s.do("GET", "/v1/instances/new", "").want(t, 404) // what is refused creates nothing
	s.do("POST", "/v1/instances/new/events?autoCreate=false", `{}`).want(t, 404)
}

func TestExpectations(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
	s.do("POST", log+"?expectedSequence=none", `{"stream_id":"a","payload":1}`).want(t, 201)
	s.do("POST", log+"?expectedSequence=1", `[{"stream_id":"a","payload":2},{"stream_id":"a","payload":3}]`).want(t, 201)
	s.do("POST", log+"?expectedSequence=exists", `{"stream_id":"a"}`).want(t, 201)
	s.do("POST", log+"?expectedSequence=any", `{"stream_id":"b"}`).want(t, 201)
	s.do("POST", log, `{"events":[{"stream_id":"a"},{"stream_id":"b"}],"expectedSequences":{"a":"4","b":1,"c":"none"}}`).want(t, 201)

	conflict := func(params, body, details, payload string) {
		t.Helper()
		r := s.do("POST", log+params, body).want(t, 409, `"code":"conflict"`)
		var got map[string]any
		if err := json.Unmarshal(r.envelope.Details, &got); err != nil {
			t.Fatalf("%v in %s", err, r.raw)
		}
		found, _ := got["event"].(map[string]any)
		delete(got, "event")
		rest, _ := json.Marshal(got)
		if !sameJSON(rest, []byte(details)) || fmt.Sprint(found["payload"]) != payload {
			t.Errorf("%s: details %s and payload %v, want %s and %s", params, rest, found["payload"], details, payload)
		}
	}
	conflict("?expectedSequence=0", `{"stream_id":"a"}`, `{"stream_id":"a","expected":0,"actual":5}`, "1")
	conflict("?expectedSequence=2", `{"stream_id":"a"}`, `{"stream_id":"a","expected":2,"actual":5}`, "3")
	conflict("?expectedSequence=9", `{"stream_id":"a"}`, `{"stream_id":"a","expected":9,"actual":5}`, "<nil>")
	conflict("?expectedSequence=exists", `{"stream_id":"new"}`, `{"stream_id":"new","expected":"exists","actual":0}`, "<nil>")
	conflict("", `{"events":[{"stream_id":"a"},{"stream_id":"z"}],"expectedSequences":{"a":1}}`, `{"stream_id":"a","expected":1,"actual":5}`, "2")
	if got := show(s.events("log", ""), "stream_id", "sequence_number"); got != "a:1 a:2 a:3 a:4 b:1 a:5 b:2" {
		t.Errorf("stored: %s", got)
	}
}

func TestIdempotency(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
	first := s.do("POST", log, `[{"stream_id":"a"},{"stream_id":"b"}]`, "Idempotency-Key: k1").want(t, 201)
	again := s.do("POST", log, `[{"stream_id":"a"},{"stream_id":"b"}]`, "Idempotency-Key: k1").want(t, 201, `"replayed":true`)
	if want := strings.TrimSuffix(string(first.envelope.Data), "}") + `,"replayed":true}`; string(again.envelope.Data) != want {
		t.Errorf("repeated: %s, want %s", again.envelope.Data, want)
	}
	s.do("POST", log, `[{"stream_id":"a"}]`, "Idempotency-Key: k1").want(t, 422, "idempotency key")
	s.do("POST", log+"?expectedSequence=1", `[{"stream_id":"a"},{"stream_id":"a"}]`, "Idempotency-Key: k1").want(t, 422)
	s.do("POST", log, `[{"stream_id":"a"},{"stream_id":"b"}]`, "Idempotency-Key: k1", "Content-Type: application/cloudevents-batch+json").want(t, 400)
	s.do("POST", log, `[{"stream_id":"a"},{"stream_id":"b"}]`, "Idempotency-Key: k2").want(t, 201)
	conditional := s.do("POST", log+"?expectedSequence=2", `{"stream_id":"a"}`, "Idempotency-Key: k3").want(t, 201)
	s.do("POST", log+"?expectedSequence=2", `{"stream_id":"a"}`, "Idempotency-Key: k3").want(t, 201, `"replayed":true`, `"sequence_number":3`)
	s.do("POST", log+"?expectedSequence=3", `{"stream_id":"a"}`, "Idempotency-Key: k3").want(t, 422)
	if conditional.envelope.Data == nil || len(s.events("log", "")) != 5 {
		t.Errorf("stored: %v", s.events("log", ""))
	}
}

// TestParts is about a batch over several shards of which one fails.
func TestParts(t *testing.T) {
	outcome := func(b commitlog.Batch, err error) commitlog.Receipt {
		events := append([]event.Event{}, b.Events...)
		events[1].Sequence, events[1].Place = 7, event.Place{Shard: 1, Position: 3}
		return commitlog.Receipt{Events: events, Parts: []commitlog.Part{{Shard: 0, Count: 2, Err: err}, {Shard: 1, Count: 1, Position: 3}}}
	}
	body := `[{"stream_id":"a"},{"stream_id":"b","timestamp":0},{"stream_id":"a"}]`
	for _, err := range []error{fault.New(fault.Unavailable, "no answer"), fault.New(fault.Unknown, "no answer"), errors.New("no answer")} {
		s := serve(t, script(func(b commitlog.Batch) (commitlog.Receipt, error) { return outcome(b, err), nil }))
		kind, text := fault.KindOf(err).String(), front.PublicText(err)
		parts := fmt.Sprintf(`"parts":[{"shard":0,"count":2,"error":{"code":"%s","message":"%s"}},{"shard":1,"count":1,"position":3}]`, kind, text)
		r := s.do("POST", log, body).want(t, 207, `"success":false`, `"code":"`+kind+`"`)
		r.data(t, `{"count":1,"events":[null,{"id":"1-3-0","stream_id":"b","sequence_number":7,"timestamp":"1970-01-01T00:00:00Z"},null],`+parts+`}`)
		s.do("POST", log+"?return=minimal", body).want(t, 207).data(t, `{"count":1,`+parts+`}`)
		if !strings.Contains(s.metrics(), "\nfirn_events_appended_total 2\n") {
			t.Error("the events are not counted")
		}
	}
}

func TestUnknownOutcome(t *testing.T) {
	s := serve(t, script(func(commitlog.Batch) (commitlog.Receipt, error) {
		return commitlog.Receipt{}, fault.New(fault.Unknown, "the store did not answer")
	}))
	s.do("POST", log, `{}`, "Idempotency-Key: k").want(t, 504, `"code":"unknown_outcome"`, "the store did not answer", "repeat the request with the same Idempotency-Key")
	s.do("POST", log, `{}`).want(t, 504, `"code":"unknown_outcome"`, "without an Idempotency-Key a repetition may store them twice")
}

func TestShardedInstance(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log","shards":8}`).want(t, 201)
	var body []string
	for i := range 100 {
		body = append(body, fmt.Sprintf(`{"stream_id":"s%d","payload":%d}`, i%20, i))
	}
	r := s.do("POST", log, "["+strings.Join(body, ",")+"]", "Idempotency-Key: k").want(t, 201, `"count":100`)
	again := s.do("POST", log, "["+strings.Join(body, ",")+"]", "Idempotency-Key: k").want(t, 201, `"replayed":true`)
	if want := strings.TrimSuffix(string(r.envelope.Data), "}") + `,"replayed":true}`; string(again.envelope.Data) != want {
		t.Errorf("repeated: %s, want %s", again.envelope.Data, want)
	}
	for i := range 20 {
		stream := fmt.Sprintf("s%d", i)
		want := fmt.Sprintf("1:%d 2:%d 3:%d 4:%d 5:%d", i, i+20, i+40, i+60, i+80)
		if got := show(s.events("log", "?stream="+stream), "sequence_number", "payload"); got != want {
			t.Errorf("%s: %s, want %s", stream, got, want)
		}
	}
	s.do("POST", log, `{"events":[{"stream_id":"s1"},{"stream_id":"s2"}],"expectedSequences":{"s1":5,"s2":5,"s3":5,"s4":5,"s5":5}}`).want(t, 400, "one shard")
}

// TestConcurrentAppends has many clients append to one stream, create the
// instance at once and repeat each other's keys.
func TestConcurrentAppends(t *testing.T) {
	s := serve(t)
	var wg sync.WaitGroup
	const clients, each = 8, 10
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("Idempotency-Key: %d-%d", c/2, i) // two clients share each key
				s.do("POST", log+"?autoCreate=true", fmt.Sprintf(`[{"stream_id":"one","id":"%d-%d"},{"stream_id":"one"}]`, c/2, i), key).want(t, 201)
				s.do("GET", log+"?stream=one&limit=1&order=desc", "").want(t, 200)
			}
		})
	}
	wg.Wait()
	events := s.events("log", "?stream=one")
	if len(events) != clients/2*each*2 {
		t.Fatalf("%d events", len(events))
	}
	ids := map[any]bool{}
	for i, e := range events {
		if e["sequence_number"] != float64(i+1) || ids[e["id"]] {
			t.Errorf("event %d: %v", i, e)
		}
		ids[e["id"]] = true
	}
}

package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestErase(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	s.do("POST", "/v1/instances/shop/events", `[{"stream_id":"user/17","payload":{"mail":"a@b"}},{"stream_id":"b","event_type":"x","payload":{"mail":"a@b"}}]`).want(t, 201)
	s.do("GET", "/v1/instances/shop/erasures", "").want(t, 200).data(t, `{"erasures":[]}`)

	r := s.do("DELETE", "/v1/instances/shop/streams/user%2F17", "").want(t, 202, `"type":"eventLog.eraseStream"`, `"kind":"stream"`, `"state":"pending"`, `"shards":1`)
	if strings.Contains(string(r.raw), "user/17") {
		t.Errorf("the answer names the stream: %s", r.raw)
	}
	s.do("GET", "/v1/instances/shop/stats", "").want(t, 200, `"eventCount":1`)
	var data struct{ Erasure struct{ ID string } }
	if err := json.Unmarshal(r.envelope.Data, &data); err != nil || data.Erasure.ID == "" {
		t.Fatal(err, data)
	}
	s.do("GET", "/v1/instances/shop/erasures/"+data.Erasure.ID, "").want(t, 200, `"type":"eventLog.getErasure"`, `"state":"pending"`, `"orderedAt"`, `"streamSha256"`)
	s.do("GET", "/v1/instances/shop/erasures/none", "").want(t, 404, "has no erasure")

	const mail = `"where":[{"field":"payload.mail","operator":"eq","value":"a@b"}]`
	s.do("POST", "/v1/instances/shop/redactions", `{`+mail+`,"stream":"other"}`).want(t, 404, "no event matches")
	s.do("POST", "/v1/instances/shop/redactions", `{`+mail+`,"payload":{"mail":null}}`).want(t, 202, `"kind":"redaction"`, `"events":1`)
	s.do("GET", "/v1/instances/shop/events", "").want(t, 200, `{"mail":null}`)
	s.do("POST", "/v1/instances/shop/redactions", `{`+mail+`}`).want(t, 404)
	s.do("GET", "/v1/instances/shop/erasures", "").want(t, 200, `"kind":"stream"`, `"kind":"redaction"`)
}

func TestEraseStreamsOfAnyName(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	for _, name := range []string{"a/b", "a?b", "a%41", "..", "ü +"} {
		s.do("POST", "/v1/instances/shop/events", `[{"stream_id":"`+name+`"},{"stream_id":"a"},{"stream_id":"aA"}]`).want(t, 201)
		s.do("DELETE", "/v1/instances/shop/streams?stream="+url.QueryEscape(name), "").want(t, 202, `"kind":"stream"`)
		s.do("GET", "/v1/instances/shop/events?stream="+url.QueryEscape(name), "").want(t, 200, `"total":0`)
	}
	s.do("GET", "/v1/instances/shop/events", "").want(t, 200, `"total":10`)
}

func TestBadErasures(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"shop"}`).want(t, 201)
	s.do("POST", "/v1/instances/shop/events", `{"payload":1}`).want(t, 201)
	for body, says := range map[string]string{
		``:                      "the body is empty",
		`{}`:                    "needs conditions",
		`{"where":[]}`:          "needs conditions",
		`{"where":{}}`:          "must be a list of conditions",
		`{"where":[{}]}`:        "field",
		`{"which":[]}`:          "is no member here",
		`{"where":[1],"cur":1}`: "is no member here",
	} {
		s.do("POST", "/v1/instances/shop/redactions", body).want(t, 400, says)
	}
	s.do("POST", "/v1/instances/none/redactions", `{"where":[{"field":"payload","operator":"eq","value":1}]}`).want(t, 404)
	s.do("DELETE", "/v1/instances/none/streams/a", "").want(t, 404)
	s.do("DELETE", "/v1/instances/shop/streams", "").want(t, 400, "the parameter stream is missing")
	s.do("DELETE", "/v1/instances/shop/streams?stream=", "").want(t, 400, "the parameter stream is missing")
	s.do("DELETE", "/v1/instances/shop/streams?stream=a&stream=b", "").want(t, 400, "given twice")
	s.do("DELETE", "/v1/instances/shop/streams/a%0Ab", "").want(t, 400, "stream")
	s.do("GET", "/v1/instances/shop/stats", "").want(t, 200, `"eventCount":1`)
}

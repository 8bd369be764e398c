package api

import (
	"github.com/firnlog/firn/functions/front"

	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestInstances(t *testing.T) {
	s := serve(t)
	s.do("GET", "/v1/instances", "").want(t, 200, `"type":"eventLog.listInstances"`).data(t, `{"instances":[]}`)

	r := s.do("POST", "/v1/instances", `{"name":"User Activity","description":"who does <what>","shards":4,"retention_days":30}`).
		want(t, 201, `"type":"eventLog.createInstance"`, "<what>")
	if got := r.Header.Get("Location"); got != "/v1/instances/user-activity" {
		t.Errorf("Location %q", got)
	}
	var data struct{ Instance map[string]any }
	if err := json.Unmarshal(r.envelope.Data, &data); err != nil {
		t.Fatal(err)
	}
	made := data.Instance["createdAt"].(string)
	whole := `{"instance":{"id":"user-activity","name":"User Activity","description":"who does <what>","shards":4,"retentionDays":30,"createdAt":"` + made + `","updatedAt":"` + made + `"}}`
	r.data(t, whole)
	s.do("GET", "/v1/instances/user-activity", "").want(t, 200, `"type":"eventLog.getInstance"`).data(t, whole)
	s.do("GET", "/v1/instances/User%20Activity", "").want(t, 200).data(t, whole)

	again := s.do("POST", "/v1/instances", `{"name":"User Activity"}`).want(t, 409, `"code":"exists"`, "exists")
	again.data(t, whole)

	s.do("POST", "/v1/instances", `{"id":"b","name":"Other","retentionDays":0}`).want(t, 201, `"retentionDays":0`)
	r = s.do("PATCH", "/v1/instances/User%20Activity", `{"description":"","retentionDays":7,"name":"Renamed"}`).want(t, 200, `"type":"eventLog.updateInstance"`)
	if err := json.Unmarshal(r.envelope.Data, &data); err != nil {
		t.Fatal(err)
	}
	if i := data.Instance; i["name"] != "Renamed" || i["retentionDays"] != 7.0 || i["createdAt"] != made || i["id"] != "user-activity" {
		t.Errorf("after the change: %v", i)
	}
	s.do("GET", "/v1/instances/Renamed", "").want(t, 200)
	s.do("GET", "/v1/instances/User%20Activity", "").want(t, 404)
	s.do("PATCH", "/v1/instances/b", `{"name":"Renamed"}`).want(t, 409)
	s.do("GET", "/v1/instances", "").want(t, 200, `"id":"user-activity"`, `"id":"b"`)

	s.do("POST", "/v1/instances/b/events", `[{},{}]`).want(t, 201)
	s.do("GET", "/v1/instances/Other/stats", "").want(t, 200, `"type":"eventLog.getInstanceStats"`, `"instanceId":"b"`, `"name":"Other"`, `"eventCount":2`)
	s.do("DELETE", "/v1/instances/Other", "").want(t, 200, `"type":"eventLog.deleteInstance"`, `"id":"b"`)
	s.do("DELETE", "/v1/instances/b", "").want(t, 404)
	s.do("GET", "/v1/instances/b/events", "").want(t, 404)
	s.do("POST", "/v1/instances/b/events", "{}").want(t, 404)
	s.do("POST", "/v1/instances", `{"id":"b"}`).want(t, 201)
	s.do("GET", "/v1/instances/b/stats", "").want(t, 200, `"eventCount":0`)
	s.do("POST", "/v1/instances/b/events", `{}`).want(t, 201, `"sequence_number":1`)
}

func TestBadInstanceBodies(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"there"}`).want(t, 201)
	both := func(body string, want ...string) {
		t.Helper()
		s.do("POST", "/v1/instances", body).want(t, 400, want...)
		s.do("PATCH", "/v1/instances/there", body).want(t, 400, want...)
	}
	both(``, "the body is empty")
	both(`[]`, "must be a JSON object")
	both(`null`, "must be a JSON object")
	both(`{"name":"a"`, "not valid JSON")
	both(`{"name":"a"} {}`, "more follows")
	both(`{"name":"a","nam":"b"}`, `\"nam\" is no member here: known are description, `)
	both(`{"name":"a","name":"b"}`, "not valid JSON", "duplicate")
	both(`{"retentionDays":1,"retention_days":1}`, "given twice, in two spellings")
	both(`{"name":5}`, "name must be a string")
	both(`{"name":null}`, "name must be a string")
	both(`{"name":NaN}`, "not valid JSON")
	both("{\"name\":\"\xff\"}", "not valid JSON", "UTF-8")
	both(`{"name":"a\u0000"}`, `"code":"invalid"`)
	both(`{"name":"`+strings.Repeat("x", 1025)+`"}`, `"code":"invalid"`)
	both(`{"name":"a","retentionDays":-1}`, "retentionDays must be a whole number, 0 or more")
	both(`{"name":"a","retentionDays":1.5}`, "must be a whole number")
	both(`{"name":"a","retentionDays":"7"}`, "must be a whole number")
	both(`{"name":"a","retentionDays":1e30}`, "must be a whole number")
	s.do("POST", "/v1/instances", `{}`).want(t, 400, "needs a name or an id")
	s.do("POST", "/v1/instances", `{"id":"UPPER"}`).want(t, 400, "is no instance id")
	s.do("POST", "/v1/instances", `{"id":"x","shards":0}`).want(t, 400, "shards must be a whole number, 1 or more")
	s.do("POST", "/v1/instances", `{"id":"x","shards":257}`).want(t, 400, "256")
	s.do("POST", "/v1/instances?id=x", `{"id":"x"}`).want(t, 400, `\"id\" is no parameter here`)
	s.do("PATCH", "/v1/instances/there", `{}`).want(t, 400, "nothing is to be changed")
	s.do("PATCH", "/v1/instances/there", `{"shards":2}`).want(t, 400, `\"shards\" is no member here`)
	s.do("PATCH", "/v1/instances/there", `{"id":"x"}`).want(t, 400, `\"id\" is no member here`)
	s.do("POST", "/v1/instances", `{"id":"x"}`, "Content-Type: text/plain").want(t, 415, "use application/json")
	s.do("POST", "/v1/instances", fmt.Sprintf(`{"description":"%s"}`, strings.Repeat("x", front.MaxSmallBody))).want(t, 413)
	if n := strings.Count(string(s.do("GET", "/v1/instances", "").raw), `"id":`); n != 1 {
		t.Errorf("%d instances are there", n)
	}
}

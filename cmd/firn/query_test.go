package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseCondition(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		c, err := parseCondition(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			return
		}
		got, err := json.Marshal(c)
		if err != nil || string(got) != want {
			t.Errorf("%q: %s, %v, want %s", s, got, err, want)
		}
	}
	f("event_type eq login", `{"field":"event_type","operator":"eq","value":"login"}`)
	f("  payload.ms  gt   250 ", `{"field":"payload.ms","operator":"gt","value":250}`)
	f("payload.ok eq true", `{"field":"payload.ok","operator":"eq","value":true}`)
	f(`payload.ok eq "true"`, `{"field":"payload.ok","operator":"eq","value":"true"}`)
	f("payload.page contains new shoes", `{"field":"payload.page","operator":"contains","value":"new shoes"}`)
	f(`stream_id in ["a", "b"]`, `{"field":"stream_id","operator":"in","value":["a","b"]}`)
	f("timestamp gte 2026-11-01T00:00:00Z", `{"field":"timestamp","operator":"gte","value":"2026-11-01T00:00:00Z"}`)
	f("payload.x eq null", `{"field":"payload.x","operator":"eq","value":null}`)

	for _, s := range []string{"", "a", "a eq", "a eq ", `a in ["b"`, `a eq "b`} {
		if c, err := parseCondition(s); err == nil || !strings.Contains(err.Error(), "--where") {
			t.Errorf("%q: %v, %v, want an error about --where", s, c, err)
		}
	}
}

func TestEventRow(t *testing.T) {
	event := json.RawMessage(`{"stream_id":"a","sequence_number":1,"payload":{"page":"x","deep":{"n":1.50},"list":[1, 2]},"tags":["t"]}`)
	f := func(field, want string) {
		t.Helper()
		if got := eventRow(event, []string{field})[0]; got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	f("stream_id", "a")
	f("streamId", "a")
	f("sequence_number", "1")
	f("payload.deep.n", "1.50")
	f("payload.list", "[1, 2]")
	f("page", "x")
	f("deep.n", "1.50")
	f("tags", `["t"]`)
	f("nothing", "")
	f("payload.page.further", "")
}

func TestGroupColumns(t *testing.T) {
	f := func(list, want string) {
		t.Helper()
		var values []json.RawMessage
		if err := json.Unmarshal([]byte(list), &values); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(groupColumns(values), " "); got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
	f(`[{"type":"a","count":1},{"type":"b","count":2}]`, "type count")
	f(`[{"count":1},{"type":"b","count":2}]`, "type count") // a group without the field
	f(`[1,2]`, "")
	f(`[]`, "")
}

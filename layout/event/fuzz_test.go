package event

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/firnlog/firn/layout/fault"
)

// checkDecoded fails unless what a decoder said about a body is in order:
// errors are the client's, and events lie within the bounds.
func checkDecoded(t *testing.T, body []byte, events []Event, err error) {
	t.Helper()
	if err != nil {
		if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Limit) {
			t.Fatalf("kind %v: %v", fault.KindOf(err), err)
		}
		if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
			t.Fatalf("%d bytes of error, or not UTF-8: %q", len(err.Error()), err)
		}
		return
	}
	if !utf8.Valid(body) {
		t.Fatal("a body that is not UTF-8 was taken")
	}
	for _, e := range events {
		if err := e.Check(arrival); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(e.Payload) || !json.Valid(e.Metadata) || e.Metadata[0] != '{' {
			t.Fatalf("payload %q, metadata %q", e.Payload, e.Metadata)
		}
		if string(e.Payload) != "{}" && !bytes.Contains(body, e.Payload) {
			t.Fatalf("payload %q is not in the body", e.Payload)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{``, `{}`, `[]`, `{"stream_id":"a","eventType":"b\u00e4","timestamp":1e9,"payload":[1,{"a":null}],"metadata":{"a":1},"tags":["a"],"id":"x"}`,
		`{"events":[{"timestamp":"2026-11-22T02:48:05Z"}],"expectedSequence":"none","expectedSequences":{"a":1}}`, `[{"payload":NaN}]`, "{\"id\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := DecodeJSON(body, arrival)
		checkDecoded(t, body, req.Events, err)
		if err == nil && !json.Valid(body) {
			t.Fatal("taken, but not valid JSON")
		}
		for _, e := range req.Events {
			if string(e.Metadata) != "{}" && !bytes.Contains(body, e.Metadata) {
				t.Fatalf("metadata %q is not in the body", e.Metadata)
			}
		}
	})
}

func FuzzDecodeNDJSON(f *testing.F) {
	for _, seed := range []string{"", "{}\r\n\n{\"stream_id\":\"a\"}", "{\"payload\":1}\n{", "[]\n5"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := DecodeNDJSON(body, arrival)
		checkDecoded(t, body, events, err)
	})
}

func FuzzDecodeCloudEvents(f *testing.F) {
	for _, seed := range []string{`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"x","time":"2026-11-22T02:48:05Z","ext":true,"data":{"a":1}}`,
		`[{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"aGk="}]`} {
		f.Add([]byte(seed), seed[0] == '[')
	}
	f.Fuzz(func(t *testing.T, body []byte, batch bool) {
		events, err := DecodeCloudEvents(body, batch, arrival)
		checkDecoded(t, body, events, err)
	})
}

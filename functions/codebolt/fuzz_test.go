package codebolt

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"unicode/utf8"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// FuzzHandle sends any message. Whatever comes, the answer is one envelope that
// bears the request's id if JavaScript could read it.
func FuzzHandle(f *testing.F) {
	for _, seed := range []string{
		`{"type":"eventLog.createInstance","requestId":"1","params":{"name":"a b"}}`,
		`{"type":"eventLog.appendEvent","requestId":2,"params":{"instanceId":"x y","autoCreateInstance":true,"payload":{"a":1},"tags":["t"],"timestamp":1}}`,
		`{"requestId":"3","type":"eventLog.appendEvents","params":{"instanceId":"a","events":[{"eventType":"e","metadata":{}},null,7]}}`,
		`{"type":"eventLog.queryEvents","params":{"query":{"from":{"instance":"a"},"reduce":{"type":"count"}}},"requestId":"\ud800"}`,
		`{"type":"messageResponse","requestId":"5"}`, `[]`, `{"type":`, "{\"type\":\"\xff\",\"requestId\":\"\xff\"}", "",
	} {
		f.Add([]byte(seed))
	}
	s := store.NewMemory()
	log := commitlog.Open(s)
	d := New(front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}))
	ctx := front.WithCaller(context.Background(), front.Anyone)
	f.Fuzz(func(t *testing.T, message []byte) {
		reply := d.Handle(ctx, message)
		var r struct {
			Type      string
			Success   *bool
			Error     string
			Timestamp string
			RequestID any
		}
		if err := json.Unmarshal(reply, &r); err != nil || !utf8.Valid(reply) {
			t.Fatalf("%v in %q", err, reply)
		}
		if r.Type == "" || r.Type == "messageResponse" || r.Success == nil || *r.Success != (r.Error == "") || r.Timestamp == "" {
			t.Fatalf("%q is no proper envelope", reply)
		}
		if d.Lent() != 0 {
			t.Fatal("memory was not given back")
		}
		var sent map[string]any // as JSON.parse reads it
		if json.Unmarshal(message, &sent) != nil || !utf8.Valid(message) {
			return
		}
		if id, ok := sent["requestId"].(string); ok && r.RequestID != id {
			t.Fatalf("%q was answered as %v", id, r.RequestID)
		}
	})
}

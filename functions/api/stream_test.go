package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// cutOff is an engine whose streams fail behind some events.
type cutOff struct {
	front.Queries
	after int
}

func (c cutOff) Stream(ctx context.Context, q *querier.Query, most int64, emit func(*querier.Batch) error) (querier.Stats, error) {
	if c.after > 0 {
		if stats, err := c.Queries.Stream(ctx, q, int64(c.after), emit); err != nil {
			return stats, err
		}
	}
	return querier.Stats{}, fault.New(fault.Unavailable, "the store is away")
}

// postFor posts a query and returns status, media type, body, and the error of
// getting them.
func postFor(t *testing.T, server, path, accept, body string) (int, string, string, error) {
	t.Helper()
	req, err := http.NewRequest("POST", server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text), err
}

func TestStreamedQuery(t *testing.T) {
	s := filled(t)
	all := `{"from":{"instance":"log"},"select":["payload.n"],"orderBy":{"field":"timestamp"},"limit":10}`
	for _, c := range []struct{ path, accept, body, want string }{
		{"/v1/query", "text/csv", `{"from":{"instance":"log"},"select":["payload.n"],"where":[{"field":"n","operator":"lte","value":1}]}`, "payload.n\n1\n"},
		{"/v1/query", "application/x-ndjson", `{"from":{"instance":"log"},"select":["payload.n"],"where":[{"field":"n","operator":"lte","value":1}]}`, `{"payload":{"n":1}}` + "\n"},
		{"/v1/query", "application/x-ndjson", `{"from":{"instance":"log"},"where":[{"field":"n","operator":"gt","value":100}]}`, ""},
		{"/v1/query", "text/csv", `{"from":{"instance":"log"},"reduce":{"type":"count"}}`, "count\n6\n"},
	} {
		status, media, body, err := postFor(t, s.url, c.path, c.accept+", application/json", c.body)
		if status != 200 || media != c.accept || body != c.want || err != nil {
			t.Errorf("%s as %s: %d %s %q, %v; want %q", c.body, c.accept, status, media, body, err, c.want)
		}
	}
	for _, c := range []struct{ path, accept, body, want string }{
		{"/v1/query", "application/json, text/csv", all, `"success":true`},
		{"/v1/query", "text/csv", `{"from":{"instance":"none"}}`, `no instance`},
		{"/v1/query?every=true", "text/csv", all, `is no parameter here`},
		{"/v1/query?all=true", "text/csv", all, `leave orderBy away`},
	} {
		if _, media, body, err := postFor(t, s.url, c.path, c.accept, c.body); media != "application/json" || err != nil || !strings.Contains(body, c.want) {
			t.Errorf("%s: %s %s, %v; want %s", c.path, media, body, err, c.want)
		}
	}
}

// TestCutOffStream checks that nobody takes a part of an answer for all of it.
func TestCutOffStream(t *testing.T) {
	for _, after := range []int{0, 3} {
		s := serve(t, func(cfg *front.Config) { cfg.Queries = cutOff{cfg.Queries, after} })
		s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
		s.do("POST", log, `[{"payload":{"n":1}},{"payload":{"n":2}},{"payload":{"n":3}},{"payload":{"n":4}}]`).want(t, 201)
		status, _, body, err := postFor(t, s.url, "/v1/query", "text/csv", `{"from":{"instance":"log"}}`)
		if after == 0 && (status != 503 || err != nil) || after > 0 && err == nil {
			t.Errorf("after %d events: %d, %v: %s", after, status, err, body)
		}
	}
}

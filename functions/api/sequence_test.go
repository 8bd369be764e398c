package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

const everything = `{"from":{"instance":"log"}}`

// records returns what a client makes of a sequence.
func records(t *testing.T, server string) (all []string, err error) {
	t.Helper()
	c, err := client.New(server)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Records(t.Context(), []byte(everything), func(event []byte) error {
		all = append(all, string(event))
		return nil
	})
	return all, err
}

func TestSequence(t *testing.T) {
	s := serve(t)
	s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
	if all, err := records(t, s.url); len(all) > 0 || err != nil {
		t.Errorf("of an empty log %q, %v", all, err)
	}
	const odd = "{\n\t\"a\" : 1.0, \"a\":\"\\u00e9\\u001e\" }"
	s.do("POST", log, `[{"payload":`+odd+`},{"payload":null}]`).want(t, 201)
	all, err := records(t, s.url)
	if err != nil || len(all) != 2 || !strings.Contains(all[0], `"payload":`+odd+`,`) || !strings.Contains(all[1], `"payload":null,`) {
		t.Errorf("%q, %v", all, err)
	}
	status, media, body, err := postFor(t, s.url, "/v1/query?all=true", typeSequence, everything)
	if status != 200 || media != typeSequence || err != nil {
		t.Fatalf("%d %s, %v", status, media, err)
	}
	texts := strings.Split(body, "\x1e")
	var end struct {
		Success bool
		Data    struct{ Rows int }
	}
	if err := json.Unmarshal([]byte(texts[len(texts)-1]), &end); err != nil || len(texts) != 4 || texts[0] != "" || !end.Success || end.Data.Rows != 2 {
		t.Errorf("%q, %v", texts, err)
	}
}

// A sequence that breaks off tells why, if it can.
func TestCutOffSequence(t *testing.T) {
	for _, after := range []int{0, 3} {
		s := serve(t, func(cfg *front.Config) { cfg.Queries = cutOff{cfg.Queries, after} })
		s.do("POST", "/v1/instances", `{"id":"log"}`).want(t, 201)
		s.do("POST", log, `[{"payload":{"n":1}},{"payload":{"n":2}},{"payload":{"n":3}},{"payload":{"n":4}}]`).want(t, 201)
		all, err := records(t, s.url)
		if len(all) != after || !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "broke off") {
			t.Errorf("after %d: %q, %v", after, all, err)
		}
		if _, _, body, err := postFor(t, s.url, "/v1/query", typeSequence, everything); after > 0 && (err == nil || !strings.Contains(body, `"success":false`)) {
			t.Errorf("%q ends with %v", body, err)
		}
	}
}

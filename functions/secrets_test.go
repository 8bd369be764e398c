package functions_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// TestSecretsStayWhereTheyAre: whatever credentials are sent in whatever way,
// good ones and others, they are in no answer, log, metric or object.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	var registry *prometheus.Registry
	w := newWorld(t, func(cfg *front.Config, guard *access.Config) {
		keys, err := access.Ed25519Key("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
		if err != nil {
			t.Fatal(err)
		}
		guard.Tokens = &access.Tokens{Keys: keys}
		registry = cfg.Registry
	})
	secrets := []string{"hushword", "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJodXNoIn0.aHVzaGh1c2g"}
	for _, k := range w.keys {
		if k.full != "" {
			secrets = append(secrets, k.full[strings.LastIndex(k.full, "_")+1:])
		}
	}
	given := append(slices.Clone(secrets[:2]), "firn_"+secrets[0]+"_"+secrets[0], w.keys["owner"].full, w.keys["a revoked key"].full, w.keys["a wrong key"].full)
	check := func(where, text string) {
		t.Helper()
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s: %q is in %s", where, s, text)
			}
		}
	}
	w.each(func(r front.Route) {
		e := examples[plain(r.Pattern)]
		if e.socket != nil || e.stream || strings.HasPrefix(r.Pattern, "DELETE ") {
			return
		}
		method, path := w.target(r.Pattern, "acme-log")
		for i, secret := range given {
			for way := range 3 {
				// Every other request is a bad one, for what is said then.
				body, url := e.body, w.url+path+e.query
				if (i+way)%2 == 0 {
					body, url = "{"+e.body, url+"?no=such"
				}
				req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				switch way {
				case 0:
					req.Header.Set("Authorization", "Bearer "+secret)
				case 1:
					req.SetBasicAuth("someone", secret)
				case 2:
					q := req.URL.Query()
					q.Set("api_key", secret)
					req.URL.RawQuery = q.Encode()
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(r.Pattern, "POST /v1/keys") { // shows the key that it makes
					check(r.Pattern, fmt.Sprint(resp.Header)+string(text))
				}
			}
		}
	})
	check("the log", w.logs.String())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	check("the metrics", text.String())
	if !strings.Contains(text.String(), `firn_refused_total{reason="unauthenticated"}`) || !strings.Contains(w.logs.String(), "request refused (a sample)") {
		t.Errorf("refusals are not told of:\n%s%s", text.String(), w.logs.String())
	}
	for name, body := range w.bucket(t) {
		check(name, body)
	}
	for _, k := range w.keys {
		if k.full != "" && strings.Contains(w.logs.String(), k.full) {
			t.Error("a key is in the log")
		}
	}
}

// TestActsAreRecorded: who did what to which thing is an event each, and a
// refusal is none.
func TestActsAreRecorded(t *testing.T) {
	w := newWorld(t)
	owner, other := w.keys["owner"], w.keys["other tenant"]
	acts := func() map[string]int {
		q := querier.New(front.Own)
		q.Limit = querier.MaxLimit
		res, err := w.events.Query(front.WithCaller(t.Context(), front.Anyone), q)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, e := range res.Events {
			for _, act := range []string{"create", "update", "delete", "erase", "rotate", "revoke"} {
				if strings.Contains(string(e), `"action":"`+act+`"`) && strings.Contains(string(e), `{"by":"key:`+owner.id+`"}`) && strings.Contains(string(e), `"timestamp":"`+time.Now().UTC().Format("2006-")) {
					count[act]++
				}
			}
		}
		return count
	}
	all := []string{"POST /v1/instances", "PATCH /v1/instances/{instance}", "DELETE /v1/instances/{instance}/streams/{stream}",
		"DELETE /v1/instances/{instance}", "POST /v1/keys", "POST /v1/keys/{key}/rotate", "DELETE /v1/keys/{key}"}
	for _, key := range []string{other.full, "", owner.full} {
		for _, pattern := range all {
			w.ask(t, front.Route{Pattern: pattern}, examples[pattern], "acme-log", key)
		}
		want := map[string]int{}
		if key == owner.full {
			want = map[string]int{"create": 2, "update": 1, "delete": 1, "erase": 1, "rotate": 1, "revoke": 1}
		}
		if got := acts(); !maps.Equal(got, want) {
			t.Errorf("with %q: %v, want %v", key, got, want)
		}
	}
}

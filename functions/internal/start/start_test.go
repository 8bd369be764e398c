package start

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/querier"
)

// publicKey is some Ed25519 key.
const publicKey = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

func TestSettings(t *testing.T) {
	f := func(want string, pairs ...string) {
		t.Helper()
		env := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			env[pairs[i]] = pairs[i+1]
		}
		_, err := read(func(name string) string { return env[name] })
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", pairs, err, want)
		}
	}
	f("FIRN_BUCKET is not set")
	f("", envBucket, "mem://")
	f("", envBucket, "mem://", envPublicKey, publicKey, envGrants, "a:query;b:append", envLogLevel, "debug", envDeduplicate, "true")
	f("FIRN_QUEUE_URL", envBucket, "mem://", envQueue, "firn")
	f("FIRN_COMPACT_URL", envBucket, "mem://", envCompact, "compact")
	f("FIRN_DEDUPLICATE", envBucket, "mem://", envDeduplicate, "yes")
	f("", envBucket, "mem://", envLimits, "batch=1000, body=4MB")
	f("FIRN_LIMITS", envBucket, "mem://", envLimits, "batches=1000")
	f("", envBucket, "mem://", envShares, "32", envSpread, "512", envWorkers, "https://lambda.example.org/2015-03-31/functions/q/invocations")
	f("FIRN_WORKER_SHARES", envBucket, "mem://", envShares, "0")
	f("FIRN_SPREAD_MB", envBucket, "mem://", envSpread, "much")
	f("FIRN_WORKERS_URL", envBucket, "mem://", envWorkers, "query")
	f("FIRN_LOG_LEVEL", envBucket, "mem://", envLogLevel, "loud")
	f("both set", envBucket, "mem://", envPublicKey, publicKey, envJWKS, "https://example.org/jwks")
	f("FIRN_JWT_PUBLIC_KEY", envBucket, "mem://", envPublicKey, "x")
	f("FIRN_JWKS_URL", envBucket, "mem://", envJWKS, "http://example.org/jwks")
	f("need FIRN_JWKS_URL", envBucket, "mem://", envIssuer, "me")
	f("FIRN_JWT_GRANT", envBucket, "mem://", envPublicKey, publicKey, envGrants, "everything")
}

// A function that everyone could call does not start.
func TestNoStartWithoutKeys(t *testing.T) {
	bucket := "file://" + t.TempDir()
	t.Setenv(envBucket, bucket)
	for _, name := range []string{envPublicKey, envJWKS, envIssuer, envAudience, envGrants} {
		t.Setenv(name, "")
	}
	if _, err := Serving(t.Context()); err == nil || !strings.Contains(err.Error(), "firn keys create") {
		t.Fatalf("it starts without keys: %v", err)
	}
	log, err := Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ring := access.NewRing(log.Log, querier.NewEngine(log.Log), nil)
	if _, _, err := ring.Create(t.Context(), "k", []string{"*:query"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	f, err := Serving(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	f.Handler(Query).ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "GET", "/v1/instances", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d", w.Code)
	}
}

func TestParts(t *testing.T) {
	for pattern, want := range map[string]Part{
		"POST /v1/instances/{instance}/events":    Ingest,
		"GET /v1/instances/{instance}/events":     Query,
		"GET /v1/instances/{instance}/tail":       Tail,
		"POST /v1/query":                          Query,
		"DELETE /v1/instances/{instance}":         Ingest,
		"POST /v1/keys":                           Ingest,
		"POST /{namespace}/api/v1/events":         Ingest,
		"POST /{namespace}/api/v1/events/get/{$}": Query,
		"POST /api/v1/events/stream":              Tail,
		"GET /api/v1/events/stream/{$}":           Tail,
		"POST /api/query/":                        Query,
		"POST /api/write/":                        Ingest,
		"POST /receiver/stsAgent/intake":          Ingest,
		"GET /codebolt":                           Socket,
		"GET /websocket/{$}":                      Socket,
		"GET /metrics":                            "",
		"OPTIONS /api/v1/events":                  Ingest,
	} {
		if got := Of(pattern); got != want {
			t.Errorf("%s is for %q, want %q", pattern, got, want)
		}
	}
}

func TestRoutesOfOthers(t *testing.T) {
	t.Setenv(envBucket, "mem://")
	t.Setenv(envPublicKey, publicKey)
	f, err := Serving(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := f.Handler(Query)
	for path, want := range map[string]string{"/v1/instances/x/tail": "function tail", "/metrics": "not served in the cloud", "/codebolt": "function socket"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

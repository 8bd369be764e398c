package api

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// keyed starts a server that asks for keys once there is one.
func keyed(t *testing.T) *server {
	t.Helper()
	log := commitlog.Open(store.NewMemory())
	engine := querier.NewEngine(log)
	ring := access.NewRing(log, engine, nil)
	logs := &syncBuffer{}
	s := front.New(front.Config{Log: log, Queries: engine, Store: log.Store(), Authenticate: access.New(access.Config{Ring: ring, Open: true}).Authenticate})
	srv := httptest.NewServer(s.Handler(Door(s), KeyDoor(s, ring)))
	t.Cleanup(srv.Close)
	return &server{t, srv.URL, logs}
}

// made returns the full key in an answer.
func made(t *testing.T, r reply) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(r.envelope.Data), `"key":"firn_`)
	if !ok {
		t.Fatalf("no key in %s", r.raw)
	}
	text, _, _ := strings.Cut(rest, `"`)
	return "firn_" + text
}

func TestKeyRoutes(t *testing.T) {
	s := keyed(t)
	s.do("POST", "/v1/instances", `{"id":"orders"}`).want(t, 201) // no key yet: open
	s.do("POST", "/v1/keys", `{"name":"x","grants":["nonsense"]}`).want(t, 400, "is no grant")
	s.do("POST", "/v1/keys", `{"name":"x","grants":["a:query"],"expires":"soon"}`).want(t, 400, "is no duration: write 90d or 12h30m, or a time such as")
	s.do("POST", "/v1/keys", `{"name":"x","grants":"a:query"}`).want(t, 400, "must be a list of strings")
	admin := made(t, s.do("POST", "/v1/keys", `{"name":"root","grants":["*:append,query,admin","_firn:query,admin"]}`).want(t, 201))
	s.do("GET", "/v1/instances", "").want(t, 401, `"code":"unauthenticated"`)
	s.do("GET", "/healthz", "").want(t, 200)
	as := func(key string) string { return "Authorization: Bearer " + key }
	writer := made(t, s.do("POST", "/v1/keys", `{"name":"shop","grants":["orders:append"],"expires":"90d"}`, as(admin)).want(t, 201))

	s.do("POST", "/v1/instances/orders/events", `{}`, as(writer)).want(t, 201)
	s.do("GET", "/v1/instances/orders/events", "", as(writer)).want(t, 403, `"code":"denied"`)
	s.do("GET", "/v1/keys", "", as(writer)).want(t, 403)
	s.do("DELETE", "/v1/instances/orders", "", as(writer)).want(t, 403)
	s.do("POST", "/v1/instances/other/events?autoCreate=true", `{}`, as(writer)).want(t, 403)
	s.do("GET", "/v1/instances/other", "", as(writer)).want(t, 403) // not there, and not for the asking
	s.do("GET", "/v1/instances/orders/events", "", as(admin)).want(t, 200)

	list := s.do("GET", "/v1/keys", "", as(admin)).want(t, 200, `"name":"shop"`, `"grants":["orders:append"]`)
	if strings.Contains(string(list.raw), "firn_") {
		t.Errorf("secrets are shown: %s", list.raw)
	}
	id := strings.Split(writer, "_")[1]
	next := made(t, s.do("POST", "/v1/keys/"+id+"/rotate", `{"overlap":"0s"}`, as(admin)).want(t, 200))
	s.do("POST", "/v1/instances/orders/events", `{}`, as(writer)).want(t, 401)
	s.do("POST", "/v1/instances/orders/events", `{}`, as(next)).want(t, 201)
	s.do("DELETE", "/v1/keys/"+id, "", as(admin)).want(t, 200, `"revoked"`)
	s.do("POST", "/v1/instances/orders/events", `{}`, as(next)).want(t, 401)
	s.do("DELETE", "/v1/keys/nothing", "", as(admin)).want(t, 404)

	// What happened to keys is read like all that is recorded, without secrets.
	kept := s.do("GET", "/v1/instances/_firn/events?stream=keys", "", as(admin)).want(t, 200, `"action":"create"`, `"action":"rotate"`, `"action":"revoke"`)
	for _, full := range []string{admin, writer, next} {
		if _, secret, _ := strings.Cut(strings.TrimPrefix(full, "firn_"), "_"); strings.Contains(string(kept.raw), secret) {
			t.Errorf("a secret is recorded: %s", kept.raw)
		}
	}
}

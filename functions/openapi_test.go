package functions

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

var rest = regexp.MustCompile(`\{(\w+)\.\.\.\}`)

// TestOpenAPIDescribesEveryRoute: each route of each door stands in the document
// that is served, and nothing else does.
func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	log := commitlog.Open(store.NewMemory())
	engine := querier.NewEngine(log)
	s := front.New(front.Config{Log: log, Queries: engine, Store: log.Store()})
	doors := New(s, Config{Keys: access.NewRing(log, engine, nil)}).List()

	w := httptest.NewRecorder()
	s.Handler(doors...).ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = false
		}
	}
	sockets := []string{"/codebolt", "/plugin", "/websocket"} // WebSockets are no matter of OpenAPI
	for _, d := range doors {
		for _, r := range d.Routes {
			method, path, _ := strings.Cut(r.Pattern, " ")
			path = strings.TrimRight(strings.TrimSuffix(rest.ReplaceAllString(path, "{$1}"), "{$}"), "/")
			if method == "OPTIONS" || slices.Contains(sockets, path) {
				continue
			}
			if _, ok := described[method+" "+path]; !ok {
				t.Errorf("%s: %s is not described as %s %s", d.Name, r.Pattern, method, path)
			}
			described[method+" "+path] = true
		}
	}
	for name, served := range described {
		if !served {
			t.Errorf("%s is described and not served", name)
		}
	}
	if !json.Valid(w.Body.Bytes()) {
		t.Error("the document is no JSON")
	}
}

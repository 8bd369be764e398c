package start

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firnlog/firn/infra"
)

// Whatever the gateway is asked goes to a function that serves it.
func TestGatewayRoutes(t *testing.T) {
	t.Setenv(envBucket, "mem://")
	t.Setenv(envPublicKey, publicKey)
	f, err := Serving(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	template, err := infra.Load()
	if err != nil {
		t.Fatal(err)
	}
	mux, took := http.NewServeMux(), ""
	for pattern, name := range template.Routes() {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) { took = name })
	}
	fill := strings.NewReplacer("{$}", "", "{", "", "}", "", "...", "")
	for _, door := range f.Doors.List() {
		for _, route := range door.Routes {
			method, path, _ := strings.Cut(route.Pattern, " ")
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, fill.Replace(path), nil))
			switch part := Of(route.Pattern); {
			case part == Ingest && took != "ingest":
				t.Errorf("%s goes to %s", route.Pattern, took)
			case part == Query && took != "query" && took != "ingest":
				t.Errorf("%s goes to %s", route.Pattern, took)
			}
		}
	}
}

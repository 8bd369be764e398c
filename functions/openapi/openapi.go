// Package openapi describes Firn's HTTP APIs, the native one and those of the
// dialects, in one OpenAPI 3 document, which is served as /openapi.json.
package openapi

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"go.yaml.in/yaml/v3"

	"github.com/firnlog/firn/functions/front"
)

//go:embed openapi.yaml
var source []byte

// Door returns the route of the document. What answers errors of routes that do
// not exist is another's concern.
func Door(fail func(http.ResponseWriter, *http.Request, error)) front.Door {
	document, err := asJSON(source)
	if err != nil {
		panic(err) // the document is part of the program, and tested
	}
	return front.Door{Name: "openapi", Fail: fail, Routes: []front.Route{{
		Pattern: "GET /openapi.json", Public: true,
		Serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(document)
		},
	}}}
}

// asJSON returns a YAML document as JSON.
func asJSON(doc []byte) ([]byte, error) {
	var v map[string]any
	if err := yaml.Unmarshal(doc, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

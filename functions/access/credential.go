package access

import (
	"net/http"
	"strings"
)

// credential returns what a request brings to be let in by, "" for nothing.
// Clients of all doors have their own places for it:
//
//	Authorization: Bearer …     everyone
//	Authorization: token …      clients of Vamp
//	Authorization: ApiKey …     newer agents of StackState
//	Authorization: Basic …      the password; the name does not matter
//	X-Api-Key, sts-api-key, DD-Api-Key
//	?api_key=…                  agents of StackState
//
// A header wins over the parameter, which gets into the logs of proxies.
func credential(r *http.Request) string {
	if given := r.Header.Get("Authorization"); given != "" {
		scheme, rest, _ := strings.Cut(given, " ")
		switch strings.ToLower(scheme) {
		case "bearer", "token", "apikey":
			return strings.TrimSpace(rest)
		case "basic":
			_, password, _ := r.BasicAuth()
			return password
		}
		return given // something: not nothing
	}
	for _, name := range []string{"X-Api-Key", "Sts-Api-Key", "Dd-Api-Key"} {
		if given := r.Header.Get(name); given != "" {
			return given
		}
	}
	return r.URL.Query().Get("api_key")
}

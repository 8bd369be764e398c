package api

import (
	"context"
	"net/http"
	"time"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// healthy says that the process is up.
func (a *API) healthy(http.ResponseWriter, *http.Request) (answer, error) {
	return answer{}, nil
}

// ready says whether the store can be reached, by listing one key.
func (a *API) ready(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if _, err := a.Store.List(ctx, store.ListOptions{Prefix: "catalog/", Max: 1}); err != nil {
		return answer{}, fault.New(fault.Unavailable, "the store cannot be listed: %w", err)
	}
	return answer{}, nil
}

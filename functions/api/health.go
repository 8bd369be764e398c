package api

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// healthy says that the process is up.
func (a *API) healthy(http.ResponseWriter, *http.Request) (answer, error) {
	return answer{}, nil
}

// ready says whether the store can be reached, by listing one key; and, when it
// did not take the last append, whether it can be written to again.
func (a *API) ready(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if _, err := a.Store.List(ctx, store.ListOptions{Prefix: "catalog/", Max: 1}); err != nil {
		return answer{}, fault.New(fault.Unavailable, "the store cannot be listed: %w", err)
	}
	if a.refusing.Load() {
		if err := a.writable(ctx); err != nil {
			return answer{}, fault.New(fault.Unavailable, "the store cannot be written to: %w", err)
		}
		a.refusing.Store(false)
	}
	return answer{}, nil
}

// writable stores and deletes an object as large as a commit can well be: a full
// disk may have room for a few bytes. A crash leaves it below probe/.
func (a *API) writable(ctx context.Context) error {
	key := "probe/" + uuid.NewString()
	if _, err := a.Store.Put(ctx, key, bytes.NewReader(make([]byte, 64<<10)), store.Always); err != nil {
		return err
	}
	return a.Store.Delete(ctx, key)
}

// appended notes whether the store took an append. Whatever else was wrong with
// one says nothing about the store.
func (a *API) appended(err error) {
	switch {
	case err == nil:
		a.refusing.Store(false)
	case fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Unknown):
		a.refusing.Store(true)
	}
}

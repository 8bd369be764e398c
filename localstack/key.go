//go:build unix

package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// prepare does what a deployment does: the lifecycle rule where the server has
// rules, and a first key, which is kept in a file for the next start.
func prepare(ctx context.Context, bucket, dir string) (key string, err error) {
	s, err := store.Open(ctx, bucket)
	if err != nil {
		return "", err
	}
	if rules, ok := store.RulesOf(s); ok {
		if _, err := rules.EnsureRule(ctx); err != nil {
			return "", err
		}
	}
	log := commitlog.Open(s)
	ring := access.NewRing(log, querier.NewEngine(log), nil)
	file := filepath.Join(dir, "key")
	text, err := os.ReadFile(file)
	switch {
	case err == nil && good(ctx, ring, strings.TrimSpace(string(text))):
		return strings.TrimSpace(string(text)), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	key, _, err = ring.Create(ctx, "local", []string{"*:append,query,admin", "_firn:query,admin"}, time.Time{})
	if err != nil {
		return "", err
	}
	return key, os.WriteFile(file, []byte(key+"\n"), 0o600)
}

// good reports whether the bucket knows a key.
func good(ctx context.Context, ring *access.Ring, key string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return false
	}
	r.Header.Set("Authorization", "Bearer "+key)
	_, err = access.New(access.Config{Ring: ring}).Authenticate(r)
	return err == nil
}

package front

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// AddCheck makes readiness hang on a part of Firn, too. The check MUST answer
// at once.
func (s *Service) AddCheck(name string, check func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks[name] = check
}

// Ready returns an error of kind Unavailable unless the store can be reached,
// by listing one key, every check passes and, when the store did not take the
// last append, it can be written to again.
func (s *Service) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := s.Store.List(ctx, store.ListOptions{Prefix: "catalog/", Max: 1}); err != nil {
		return fault.New(fault.Unavailable, "the store cannot be listed: %w", err)
	}
	if s.refusing.Load() {
		if err := s.writable(ctx); err != nil {
			return fault.New(fault.Unavailable, "the store cannot be written to: %w", err)
		}
		s.refusing.Store(false)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, check := range s.checks {
		if err := check(); err != nil {
			return fault.New(fault.Unavailable, "%s: %w", name, err)
		}
	}
	return nil
}

// writable stores and deletes an object as large as a commit can well be: a full
// disk may have room for a few bytes. A crash leaves it below probe/.
func (s *Service) writable(ctx context.Context) error {
	key := "probe/" + uuid.NewString()
	if _, err := s.Store.Put(ctx, key, bytes.NewReader(make([]byte, 64<<10)), store.Always); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key)
}

// appended notes whether the store took an append. Whatever else was wrong with
// one says nothing about the store.
func (s *Service) appended(err error) {
	switch {
	case err == nil:
		s.refusing.Store(false)
	case fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Unknown):
		s.refusing.Store(true)
	}
}

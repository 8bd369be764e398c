package compactor

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// Data files that retention dropped are left to the bucket's lifecycle rule: once
// their grace is over they bear a tag, and the rule deletes what bears it. It is
// the sweeper that deletes them where the store has no such rules, where an
// erasure is under way in their shard, whose last byte is to be gone at a known
// time, and where they were dropped for another reason: what a merge replaced is
// there twice.

// ruleAge is how long a compactor goes by what it knows of the bucket's rules.
const ruleAge = time.Hour

// rules is what a compactor knows of the bucket's lifecycle rules.
type rules struct {
	asked  time.Time
	works  bool
	tagged map[string]bool // keys of objects that are known to bear the tag
}

// ruled reports whether the bucket deletes what is tagged, and has it do so where
// it can. A store that refuses is one whose objects the sweeper deletes.
func (c *Compactor) ruled(ctx context.Context) bool {
	if c.rules.asked.IsZero() || time.Since(c.rules.asked) > ruleAge {
		c.rules = rules{asked: time.Now(), tagged: map[string]bool{}}
		if bucket, ok := store.RulesOf(c.Log.Store()); ok {
			works, err := bucket.EnsureRule(ctx)
			c.rules.works = works && err == nil
		}
	}
	return c.rules.works
}

// left reports whether a data file that no snapshot names any more is left to the
// bucket's rule.
func (s *sweep) left(ctx context.Context, key string) (bool, error) {
	if !s.expired(ctx, key) {
		return false, nil
	}
	if s.c.rules.tagged[key] {
		return true, nil
	}
	tags, err := s.c.Log.Store().Tags(ctx, key)
	if fault.Is(err, fault.NotFound) { // the rule was faster
		return true, nil
	}
	if err != nil {
		return false, err
	}
	tagged := maps.Equal(tags, store.Dropped)
	if !s.dryRun {
		s.c.rules.tagged[key] = tagged
	}
	return tagged, nil
}

// drop gets rid of an object that a snapshot dropped.
func (s *sweep) drop(ctx context.Context, key string) error {
	if !s.expired(ctx, key) {
		return s.delete(ctx, key)
	}
	s.swept, s.done[key] = append(s.swept, key), true
	if s.dryRun {
		return nil
	}
	err := s.c.Log.Store().SetTags(ctx, key, store.Dropped)
	if fault.Is(err, fault.NotFound) {
		return nil // who was here before has done it, and the rule
	}
	s.c.rules.tagged[key] = err == nil
	return err
}

// expired reports whether an object is a data file that the bucket's rule may
// have: one of a day that retention hides as a whole.
func (s *sweep) expired(ctx context.Context, key string) bool {
	name, ok := strings.CutPrefix(key, layout.Data(s.id)+"day=")
	if !ok {
		return false
	}
	day, shard, _ := strings.Cut(name, "/")
	at, err := time.Parse(time.DateOnly, day)
	if err != nil || event.ToMicros(at.AddDate(0, 0, 1)) > s.hidden(ctx) {
		return false
	}
	for n := range s.erasing {
		if strings.HasPrefix(shard, layout.Shard(n)+"/") {
			return false
		}
	}
	return s.dryRun || s.c.ruled(ctx)
}

// hidden returns the time before which retention hides events of the instance;
// of one that is no more it hides nothing, and the sweeper deletes all.
func (s *sweep) hidden(ctx context.Context) event.Micros {
	inst, err := s.c.Log.Instance(ctx, s.id)
	if err != nil {
		return event.MinTime
	}
	return inst.HiddenBefore(event.ToMicros(s.now))
}

package store

import "context"

// Dropped are the tags of objects that the bucket's lifecycle rule deletes.
var Dropped = map[string]string{"firn-state": "dropped"}

// Rules is what a [Store] has beside objects where its service deletes by rules of
// its own, and may keep what was deleted.
type Rules interface {
	// EnsureRule makes sure that the bucket has the rule by which the store's
	// objects that are tagged [Dropped] are deleted within days. Where it lacks it
	// the rule is added, and no other one touched. False where the service has no
	// rules, or does not let this program see or set them.
	EnsureRule(ctx context.Context) (bool, error)
	// Versioned reports whether the bucket keeps former versions of objects, so
	// that what is deleted may still lie in it.
	Versioned(ctx context.Context) (bool, error)
}

// RulesOf returns the rules of a store, also where it is counted.
func RulesOf(s Store) (Rules, bool) {
	if c, ok := s.(*Counted); ok {
		s = c.store
	}
	r, ok := s.(Rules)
	return r, ok
}

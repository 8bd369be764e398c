package verify

import (
	"context"
	"time"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// links checks that the objects of a newest-first chain, as listed, hang
// together.
type links struct {
	out    *findings
	prefix string
	ids    map[string]string // of writers: the key that bears each
	above  int64             // number of the object before
	stored time.Time         // when that was stored
	ended  bool
}

// follows checks that object n stands behind the one before, and reports
// whether it belongs to the chain. A hole is a fault, unless what lies behind it
// was stored later than what lies before it: then the past was swept, and one
// who had slept wrote into it, which is of no effect.
func (l *links) follows(n int64, o store.Info) bool {
	switch {
	case l.ended:
		return false
	case l.above == 0 || n == l.above-1:
	case o.Modified.After(l.stored):
		l.out.warn(Late, o.Key, "the object was written behind the end of the chain, by a process that had slept; it is of no effect")
		return false
	default:
		l.out.fault(Chain, layout.Descending(l.prefix, l.above-1), "the chain has objects %d and %d and none between", n, l.above)
		l.ended = true
		return false
	}
	l.above, l.stored = n, o.Modified
	return true
}

// identify checks the number and the writer's id that object n bears.
func (l *links) identify(key string, n, number int64, id string) {
	if number != n {
		l.out.fault(Misplaced, key, "the object says that it is number %d, not %d", number, n)
	}
	if id == "" {
		l.out.fault(Content, key, "the object bears no writer's id")
	} else if other, ok := l.ids[id]; ok {
		l.out.fault(Duplicate, key, "the object bears the writer's id %s, as %s does", id, other)
	}
	l.ids[id] = key
}

// list returns all objects whose keys begin with prefix, in the order of their
// keys, and the store time of the first answer.
func list(ctx context.Context, s store.Store, prefix string) ([]store.Info, time.Time, error) {
	var all []store.Info
	var began time.Time
	for after := ""; ; {
		page, err := s.List(ctx, store.ListOptions{Prefix: prefix, StartAfter: after})
		if err != nil {
			return nil, began, fault.Wrap(err, "listing %s", prefix)
		}
		if began.IsZero() {
			began = page.StoreTime
		}
		all = append(all, page.Objects...)
		if !page.More {
			return all, began, nil
		}
		after = page.Objects[len(page.Objects)-1].Key
	}
}

// unreadable notes an error in reading an object as a fault of the object, if
// it is one, and returns it if it is the store's.
func unreadable(out *findings, key string, err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		out.fault(Missing, key, "the object is not there")
	case fault.Corrupt, fault.Invalid: // Invalid is a range behind the end
		out.fault(Unreadable, key, "%v", err)
	default:
		return err
	}
	return nil
}

// guard turns a panic of a decoder, which only bytes of a foreign form can
// cause, into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Corrupt, "the object cannot be decoded: %v", p)
		}
	}()
	return f()
}

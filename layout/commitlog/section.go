package commitlog

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// Section is what another process needs to read some files and commits of a view: at
// the view's point, no older and no newer, and under its erasures. Whoever reads it
// looks nothing up but whether the instance is still there, so that a section is only
// good for an hour of the store's time.
type Section struct {
	Instance     string       `json:"instance"` // its id
	Point        Point        `json:"point"`
	HiddenBefore event.Micros `json:"hidden"`
	// Seen is the store's time at which what the view reads was known to be there.
	Seen  time.Time       `json:"seen"`
	Files []snapshot.File `json:"files,omitempty"`
	Tail  []Spot          `json:"tail,omitempty"`
	// Erasures are those that the view knows of, by shard.
	Erasures map[int][]snapshot.Erasure `json:"erasures,omitempty"`
	// Later says that the erasures are of a later time than the files, as with a
	// cursor: files may be from before they were rewritten.
	Later bool `json:"later,omitempty"`
}

// Spot is the place of a commit.
type Spot struct {
	Shard    int   `json:"shard"`
	Position int64 `json:"position"`
}

// Section returns the section of the view that some of its files and commits are.
func (v *View) Section(files []snapshot.File, tail []*Commit) Section {
	s := Section{Instance: v.Instance.ID, Point: v.Point, HiddenBefore: v.HiddenBefore, Seen: v.seen,
		Files: files, Erasures: map[int][]snapshot.Erasure{}, Later: v.erased != nil}
	know := func(shard int) {
		if _, known := s.Erasures[shard]; !known {
			if list := v.Erasures(shard); len(list) > 0 {
				s.Erasures[shard] = list
			}
		}
	}
	for _, f := range files {
		know(f.Shard)
	}
	for _, c := range tail {
		s.Tail = append(s.Tail, Spot{c.Shard, c.Position})
		know(c.Shard)
	}
	return s
}

// Section returns the view of a section: of its Tail the commits in question, in their
// order, and no snapshot. NotFound and Gone when the instance was deleted, Gone when the section
// is too old, Invalid for one that no view can have given.
func (l *Log) Section(ctx context.Context, s Section) (*View, error) {
	inst, err := l.sectionOf(ctx, s)
	if err != nil {
		return nil, err
	}
	v := &View{Instance: inst, Point: s.Point, HiddenBefore: s.HiddenBefore, log: l, began: s.Seen, seen: s.Seen,
		snap: &snapshot.Snapshot{Number: s.Point.Snapshot}, tails: make([][]*Commit, inst.Shards), dropped: make([]int64, inst.Shards)}
	for shard, list := range s.Erasures {
		v.snap.Shards = append(v.snap.Shards, snapshot.Shard{Shard: shard, Erasures: list})
	}
	if s.Later {
		later := *v
		v.erased = &later
	}
	v.Tail = make([]*Commit, len(s.Tail))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i, at := range s.Tail {
		group.Go(func() (err error) {
			v.Tail[i], err = l.commit(gctx, inst.ID, at.Shard, at.Position, s.Seen)
			if errors.Is(err, errMoved) || fault.Is(err, fault.NotFound) && v.old() {
				err = tooLate(inst)
			} else if fault.Is(err, fault.NotFound) {
				err = missing(layout.Commit(inst.ID, at.Shard, at.Position))
			}
			return err
		})
	}
	return v, group.Wait()
}

// sectionOf returns the instance of a section, in the life that the section is of.
func (l *Log) sectionOf(ctx context.Context, s Section) (catalog.Instance, error) {
	inst, err := l.Instance(ctx, s.Instance)
	if err == nil && inst.Generation < s.Point.Generation { // made again since it was looked up
		inst, err = l.freshInstance(ctx, inst.ID)
	}
	switch {
	case err != nil:
		return inst, err
	case inst.ID != s.Instance || inst.Generation != s.Point.Generation || len(s.Point.Ends) != inst.Shards:
		return inst, fault.New(fault.Gone, "instance %s was deleted while the query ran", s.Instance)
	}
	within := func(shard int) bool { return shard >= 0 && shard < inst.Shards }
	for _, f := range s.Files {
		if !within(f.Shard) || !strings.HasPrefix(f.Key, layout.Data(inst.ID)) {
			return inst, fault.New(fault.Invalid, "%q is no data file of instance %s", f.Key, inst.ID)
		}
	}
	for _, at := range s.Tail {
		if !within(at.Shard) || at.Position < 1 || at.Position > s.Point.Ends[at.Shard] {
			return inst, fault.New(fault.Invalid, "shard %d has no position %d at that point of instance %s", at.Shard, at.Position, inst.ID)
		}
	}
	return inst, nil
}

func tooLate(inst catalog.Instance) error {
	return fault.New(fault.Gone, "this share of a query comes over an hour late: what it reads of instance %s may be gone", inst.ID)
}

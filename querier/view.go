package querier

import (
	"context"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// Source gives views of instances; it is a [commitlog.Log].
type Source interface {
	// Pin returns the instance as it is now. Every event that was acknowledged
	// before the call MUST be in the view.
	Pin(ctx context.Context, instance string) (*commitlog.View, error)
	// PinOver is Pin for who wants the data files of a time (both inclusive).
	PinOver(ctx context.Context, instance string, from, to event.Micros) (*commitlog.View, error)
	// At returns the instance as it was at a point that Pin gave, with the same
	// events; Gone when it no longer can, Invalid when there was no such point.
	At(ctx context.Context, instance string, p commitlog.Point) (*commitlog.View, error)
	// Section returns a part of a view that another process has, with the same
	// events; Gone when it no longer can, Invalid when there was no such view.
	Section(ctx context.Context, s commitlog.Section) (*commitlog.View, error)
}

// view is an instance at one point, as the engine needs it.
type view interface {
	point() commitlog.Point
	hiddenBefore() event.Micros
	tail() []*commitlog.Commit
	// Files MUST return every data file with an event from … to (both
	// inclusive) that is not hidden; an event is in one file or one commit.
	Files(ctx context.Context, from, to event.Micros) ([]snapshot.File, error)
	Open(ctx context.Context, f snapshot.File) (*segment.File, error)
	// Fetch is Open that may keep all of a small file in memory.
	Fetch(ctx context.Context, f snapshot.File) (*segment.File, error)
	// FileMask and TailMask MUST return what is erased of a data file or a commit
	// of the tail and still lies in it, as of now; nil for nothing.
	FileMask(ctx context.Context, f snapshot.File) (*commitlog.Mask, error)
	TailMask(ctx context.Context, c *commitlog.Commit) (*commitlog.Mask, error)
	// cut returns what another process needs to read some of its files and commits.
	cut(files []snapshot.File, tail []*commitlog.Commit) commitlog.Section
}

// pinner is a [Source] of such views.
type pinner interface {
	pin(ctx context.Context, instance string, from, to event.Micros) (view, error)
	at(ctx context.Context, instance string, p commitlog.Point) (view, error)
	section(ctx context.Context, s commitlog.Section) (view, error)
}

// logView is a view of the commit log.
type logView struct{ *commitlog.View }

func (v logView) point() commitlog.Point     { return v.Point }
func (v logView) hiddenBefore() event.Micros { return v.HiddenBefore }
func (v logView) tail() []*commitlog.Commit  { return v.Tail }
func (v logView) cut(files []snapshot.File, tail []*commitlog.Commit) commitlog.Section {
	return v.Section(files, tail)
}

// logPinner makes a pinner of a Source.
type logPinner struct{ src Source }

func (l logPinner) pin(ctx context.Context, instance string, from, to event.Micros) (view, error) {
	v, err := l.src.PinOver(ctx, instance, from, to)
	return logView{v}, err
}

func (l logPinner) at(ctx context.Context, instance string, p commitlog.Point) (view, error) {
	v, err := l.src.At(ctx, instance, p)
	return logView{v}, err
}

func (l logPinner) section(ctx context.Context, s commitlog.Section) (view, error) {
	v, err := l.src.Section(ctx, s)
	return logView{v}, err
}

package front

import (
	"cmp"
	"context"
	"strings"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// Instance returns the active instance with the id or unique name given, if the
// caller has one of the rights on it. NotFound when there is none.
func (s *Service) Instance(ctx context.Context, ref string, rights ...Right) (catalog.Instance, error) {
	inst, err := s.Log.Instance(ctx, ref)
	if err != nil {
		inst.ID = ref // who may not see it must not learn that it does not exist
	}
	for _, r := range rights {
		if CallerOf(ctx).May(r, inst.ID) {
			return inst, err
		}
	}
	return catalog.Instance{}, Allow(ctx, rights[0], ref)
}

// Instances returns the active instances on which the caller has any right, by
// id, without Firn's own.
func (s *Service) Instances(ctx context.Context) ([]catalog.Instance, error) {
	all, err := s.Log.Instances(ctx)
	var seen []catalog.Instance
	for _, i := range all {
		if i.ID[0] != '_' && CallerOf(ctx).May(CanAppend|CanQuery|CanAdmin, i.ID) {
			seen = append(seen, i)
		}
	}
	return seen, err
}

// CreateInstance makes an instance and records that. Exists, with the existing
// instance beside it, when the id or the name is taken.
func (s *Service) CreateInstance(ctx context.Context, spec catalog.Instance) (catalog.Instance, error) {
	id := spec.ID
	if id == "" {
		id = commitlog.Slug(spec.Name)
	}
	if id != "" { // else the log says what is wrong with the name
		if err := catalog.CheckID(id); err != nil {
			return catalog.Instance{}, err
		}
	}
	if err := cmp.Or(notOwn(id), Allow(ctx, CanAdmin, id), mayName(ctx, spec.Name)); err != nil {
		return catalog.Instance{}, err
	}
	made, err := s.Log.CreateInstance(ctx, spec)
	switch {
	case err == nil:
		return made, s.archive(ctx, "create", made)
	case fault.Is(err, fault.Exists) && !CallerOf(ctx).May(CanAdmin, made.ID):
		made = catalog.Instance{} // the name is that of another's instance
	}
	return made, err
}

// UpdateInstance changes settings and records that.
func (s *Service) UpdateInstance(ctx context.Context, ref string, u commitlog.Update) (catalog.Instance, error) {
	inst, err := s.Instance(ctx, ref, CanAdmin)
	if err = cmp.Or(err, notOwn(inst.ID)); err == nil && u.Name != nil {
		err = mayName(ctx, *u.Name)
	}
	if err != nil {
		return inst, err
	}
	if inst, err = s.Log.UpdateInstance(ctx, inst.ID, u); err != nil {
		return inst, err
	}
	return inst, s.archive(ctx, "update", inst)
}

// mayName returns an error unless the caller may give an instance a name. Names are
// as good as ids where an instance is asked for, so one that could be an id is for
// those who have the right to admin an instance with that id: else a tenant could
// take in what is meant for another's instance that is yet to be made.
func mayName(ctx context.Context, name string) error {
	if catalog.CheckID(name) != nil && !strings.HasPrefix(name, "_") {
		return nil
	}
	return cmp.Or(notOwn(name), Allow(ctx, CanAdmin, name))
}

// DeleteInstance drops an instance with all its events and records that.
func (s *Service) DeleteInstance(ctx context.Context, ref string) (catalog.Instance, error) {
	inst, err := s.Instance(ctx, ref, CanAdmin)
	if err = cmp.Or(err, notOwn(inst.ID)); err != nil {
		return inst, err
	}
	if inst, err = s.Log.DeleteInstance(ctx, inst.ID); err != nil {
		return inst, err
	}
	return inst, s.archive(ctx, "delete", inst)
}

// Append stores a batch; see [commitlog.Log.Append] for what errors say. Where
// create is given, and there is no instance ref, one is made from it first;
// whoever makes it at the same time is as welcome. The caller needs the right
// to append, and no other: a door decides which instances make themselves.
func (s *Service) Append(ctx context.Context, ref string, b commitlog.Batch, create *catalog.Instance) (commitlog.Receipt, error) {
	inst, err := s.Instance(ctx, ref, CanAppend)
	if fault.Is(err, fault.NotFound) && create != nil {
		inst, err = s.autoCreate(ctx, *create)
	}
	if err = cmp.Or(err, notOwn(inst.ID)); err != nil {
		return commitlog.Receipt{}, err
	}
	if err := s.Limits.checkBatch(b.Events); err != nil {
		return commitlog.Receipt{}, err
	}
	receipt, err := s.Log.Append(ctx, inst.ID, b)
	s.appended(err)
	if err == nil && !receipt.Replayed {
		for _, p := range receipt.Parts {
			if p.Err == nil {
				s.metrics.appended.Add(float64(p.Count))
			}
		}
	}
	return receipt, err
}

// notOwn returns an error for Firn's own instances, which no door writes to.
func notOwn(id string) error {
	if strings.HasPrefix(id, "_") {
		return fault.New(fault.Denied, "instances whose id begins with an underscore, such as %q, are Firn's own: they can be read, and nothing else", shorten(id))
	}
	return nil
}

// autoCreate makes an instance for an append.
func (s *Service) autoCreate(ctx context.Context, spec catalog.Instance) (catalog.Instance, error) {
	if err := notOwn(spec.ID); err != nil {
		return spec, err
	}
	made, err := s.Log.CreateInstance(ctx, spec)
	if fault.Is(err, fault.Exists) {
		return made, Allow(ctx, CanAppend, made.ID)
	}
	if err != nil {
		return made, err
	}
	return made, s.archive(ctx, "create", made)
}

// Query answers a query whose instance may be given by id or unique name. Its
// cursor is one that an answer bore, and nothing else.
func (s *Service) Query(ctx context.Context, q *querier.Query) (*querier.Result, error) {
	inst, err := s.Instance(ctx, q.Instance, CanQuery)
	if err != nil {
		return nil, err
	}
	q.Instance = inst.ID
	ask := *q
	if q.Cursor != "" {
		var ok bool
		if ask.Cursor, ok = openCursor(&inst, q.Cursor); !ok {
			return nil, fault.New(fault.Invalid, "cursor: it is none: give the cursor of the page before as it was")
		}
	}
	release, err := s.queries.take(ctx)
	if err != nil {
		return nil, err
	}
	res, err := s.Queries.Run(ctx, &ask)
	release()
	if err == nil {
		err = hold(ctx, res)
	}
	if err == nil && res.Cursor != "" {
		res.Cursor = sealCursor(&inst, res.Cursor)
	}
	return res, err
}

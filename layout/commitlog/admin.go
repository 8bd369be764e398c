package commitlog

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// CreateInstance makes an instance from spec's ID (made from Name where empty),
// Name (ID where empty), Description, Shards (0 means 1), RetentionDays and
// MaxEventAgeSeconds.
// Errors: Invalid; Exists, with the existing instance beside it, when the id or
// the name is taken.
func (l *Log) CreateInstance(ctx context.Context, spec catalog.Instance) (catalog.Instance, error) {
	spec, err := complete(spec)
	if err != nil {
		return catalog.Instance{}, err
	}
	if err := l.finishDeletion(ctx, spec.ID); err != nil {
		return catalog.Instance{}, err
	}
	var made, there catalog.Instance
	err = l.catalog.Change(ctx, func(list []catalog.Instance, now event.Micros) ([]catalog.Instance, error) {
		made, there = spec, catalog.Instance{}
		made.State, made.Generation, made.CreatedAt, made.UpdatedAt = catalog.Active, 1, now, now
		made.Secret = rand.Text()
		at := -1
		for i, other := range list {
			if other.State == catalog.Active && (other.Answers(spec.ID) || other.Answers(spec.Name)) {
				there = other
				return nil, fault.New(fault.Exists, "instance %q already exists", other.ID)
			}
			if other.ID == spec.ID {
				at = i
			}
		}
		if at < 0 {
			return append(list, made), nil
		}
		if list[at].State == catalog.Deleting {
			return nil, fault.New(fault.Unavailable, "instance %q is being deleted", spec.ID)
		}
		made.Generation, made.Secret = list[at].Generation+1, cmp.Or(list[at].Secret, made.Secret)
		made.FormerShards = max(list[at].Shards, list[at].FormerShards)
		list[at] = made
		return list, nil
	})
	if fault.Is(err, fault.Exists) {
		return there, err
	}
	return made, err
}

// complete checks the settings of a new instance and fills in what is left out.
func complete(spec catalog.Instance) (catalog.Instance, error) {
	if spec.ID == "" {
		spec.ID = Slug(spec.Name)
	}
	if spec.Name == "" {
		spec.Name = spec.ID
	}
	if spec.Shards == 0 {
		spec.Shards = 1
	}
	out := catalog.Instance{ID: spec.ID, Name: spec.Name, Description: spec.Description, Shards: spec.Shards, RetentionDays: spec.RetentionDays,
		MaxEventAgeSeconds: spec.MaxEventAgeSeconds}
	return out, out.Check()
}

// Slug makes an id out of a name: its letters and digits in lower case, all
// else as single hyphens. Names without any of a-z and 0-9 give no id.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			b.WriteRune(r)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	s := b.String()
	return strings.Trim(s[:min(len(s), 63)], "-")
}

// Instance returns the active instance with the id or unique name given.
// NotFound when there is none.
func (l *Log) Instance(ctx context.Context, idOrName string) (catalog.Instance, error) {
	inst, err := l.catalog.Get(ctx, idOrName, catalog.MaxAge)
	if err != nil {
		return inst, err
	}
	return active(inst)
}

// freshInstance is [Log.Instance] with settings as they are now.
func (l *Log) freshInstance(ctx context.Context, id string) (catalog.Instance, error) {
	inst, err := l.catalog.Get(ctx, id, 0)
	if err != nil {
		return inst, err
	}
	return active(inst)
}

func active(inst catalog.Instance) (catalog.Instance, error) {
	if inst.State != catalog.Active {
		return catalog.Instance{}, fault.New(fault.NotFound, "instance %q was deleted", inst.ID)
	}
	return inst, nil
}

// Instances returns all active instances by id.
func (l *Log) Instances(ctx context.Context) ([]catalog.Instance, error) {
	list, err := l.catalog.List(ctx, catalog.MaxAge)
	return slices.DeleteFunc(list, func(i catalog.Instance) bool { return i.State != catalog.Active }), err
}

// IDs returns the ids of all instances that there ever were, deleted ones
// included: these too have garbage to be swept.
func (l *Log) IDs(ctx context.Context) ([]string, error) {
	list, err := l.catalog.List(ctx, 0)
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids, err
}

// Update is what UpdateInstance changes; nil leaves a setting as it is.
type Update struct {
	Name, Description *string
	RetentionDays     *int
	// MaxEventAgeSeconds is for events that come from then on.
	MaxEventAgeSeconds *int
}

// UpdateInstance changes settings. Lengthening the retention does not show again
// what the shorter one hid.
func (l *Log) UpdateInstance(ctx context.Context, idOrName string, u Update) (catalog.Instance, error) {
	inst, err := l.freshInstance(ctx, idOrName)
	if err != nil {
		return inst, err
	}
	var updated catalog.Instance
	err = l.catalog.Change(ctx, func(list []catalog.Instance, now event.Micros) ([]catalog.Instance, error) {
		at := slices.IndexFunc(list, func(i catalog.Instance) bool { return i.ID == inst.ID && i.State == catalog.Active })
		if at < 0 {
			return nil, fault.New(fault.NotFound, "there is no instance %q", inst.ID)
		}
		updated = list[at]
		updated.UpdatedAt = now
		if u.Name != nil {
			updated.Name = *u.Name
		}
		if u.Description != nil {
			updated.Description = *u.Description
		}
		if u.RetentionDays != nil {
			if hidden := updated.HiddenBefore(updated.UpdatedAt); hidden > event.MinTime && !bug.In(bug.HiddenComesBack) {
				updated.VisibleFrom = hidden
			}
			updated.RetentionDays = *u.RetentionDays
		}
		if u.MaxEventAgeSeconds != nil {
			updated.MaxEventAgeSeconds = *u.MaxEventAgeSeconds
		}
		for i, other := range list {
			if i != at && other.State == catalog.Active && other.Answers(updated.Name) {
				return nil, fault.New(fault.Exists, "the name %q already exists, as that of instance %q", updated.Name, other.ID)
			}
		}
		list[at] = updated
		return list, updated.Check()
	})
	return updated, err
}

// DeleteInstance drops the instance and all its events, for ever, and returns it
// as it was. It marks the instance, writes a drop commit into each shard, and
// marks it again; a crash between them leaves it deleted for everyone, and the
// next creation or deletion of the id finishes the rest. So does an error then,
// whose kind is Unknown.
func (l *Log) DeleteInstance(ctx context.Context, idOrName string) (catalog.Instance, error) {
	inst, err := l.freshInstance(ctx, idOrName)
	if fault.Is(err, fault.NotFound) {
		err = cmp.Or(l.finishDeletion(ctx, idOrName), err)
	}
	if err != nil {
		return inst, err
	}
	err = l.catalog.Change(ctx, func(list []catalog.Instance, _ event.Micros) ([]catalog.Instance, error) {
		at := slices.IndexFunc(list, func(i catalog.Instance) bool { return i.ID == inst.ID })
		if at < 0 || list[at].State != catalog.Active || list[at].Generation != inst.Generation {
			return nil, fault.New(fault.NotFound, "instance %q was deleted", inst.ID)
		}
		list[at].State = catalog.Deleting
		return list, nil
	})
	if err != nil {
		return catalog.Instance{}, err
	}
	if err := l.finishDeletion(ctx, inst.ID); err != nil {
		return inst, fault.New(fault.Unknown, "instance %q is marked as deleted: %w", inst.ID, err)
	}
	return inst, nil
}

// finishDeletion writes the drop commits of an instance that is being deleted,
// if it is, and marks it as deleted. Doing so twice does no harm: a drop ends a
// generation once.
func (l *Log) finishDeletion(ctx context.Context, id string) error {
	inst, err := l.catalog.Get(ctx, id, 0)
	if fault.Is(err, fault.NotFound) || err == nil && inst.State != catalog.Deleting {
		return nil
	}
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for shard := range inst.Shards {
		if shard > 0 && bug.In(bug.DropMisses) {
			break
		}
		group.Go(func() error {
			r := newRequest(Batch{}, inst.Generation, l.now())
			r.drop = true
			return l.writer(inst.ID, shard).submit(gctx, r).err
		})
	}
	if err := group.Wait(); err != nil {
		return fault.Wrap(err, "deleting instance %q", id)
	}
	return l.catalog.Change(ctx, func(list []catalog.Instance, _ event.Micros) ([]catalog.Instance, error) {
		for i := range list {
			if list[i].ID == id && list[i].Generation == inst.Generation {
				list[i].State = catalog.Deleted
			}
		}
		return list, nil
	})
}

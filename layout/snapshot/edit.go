package snapshot

import (
	"context"
	"slices"
	"strings"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
)

// Edit is one step of a compactor: files taken out of the table, files put in,
// files whose entry alone changes, and the shards' new state. It can be applied to any snapshot
// that still names everything that it takes out.
type Edit struct {
	Remove []File
	Add    []File
	Change []File // new entries of files that stay, by key
	Shards []ShardEdit
}

// ShardEdit replaces one shard's state.
type ShardEdit struct {
	From Shard // the state that the edit was made from
	To   Shard
}

// Empty reports whether the edit changes nothing.
func (e *Edit) Empty() bool { return len(e.Remove)+len(e.Add)+len(e.Change)+len(e.Shards) == 0 }

// Apply returns the snapshot that follows base by the edit, with what it drops
// listed. It reports false where base no longer names what the edit was made
// from: another compactor was faster, and the edit is void.
func (t Table) Apply(ctx context.Context, base *Snapshot, e Edit) (*Snapshot, bool, error) {
	next := &Snapshot{Shards: slices.Clone(base.Shards)}
	for _, se := range e.Shards {
		if !next.replaceShard(se) {
			return nil, false, nil
		}
		next.Dropped = append(next.Dropped, gone(se.From.Heads, se.To.Heads)...)
		next.Dropped = append(next.Dropped, gone(se.From.Keys, se.To.Keys)...)
		for _, e := range se.From.Erasures {
			stays := func(o Erasure) bool { return o.Position == e.Position && o.Gone == 0 }
			if e.Gone == 0 && !slices.ContainsFunc(se.To.Erasures, stays) {
				next.Dropped = append(next.Dropped, layout.Commit(t.Instance, se.To.Shard, e.Position))
			}
		}
	}
	remove := byEntry(base.Days, append(slices.Clip(e.Remove), e.Change...))
	add := byEntry(base.Days, append(slices.Clip(e.Add), e.Change...))
	for _, d := range base.Days {
		if len(remove[d.Day])+len(add[d.Day]) == 0 {
			next.Days = append(next.Days, d)
			continue
		}
		files, err := t.Files(ctx, d)
		if err != nil {
			return nil, false, err
		}
		kept, ok := without(files, remove[d.Day])
		if !ok {
			return nil, false, nil
		}
		if d.Manifest != "" {
			next.Dropped = append(next.Dropped, d.Manifest)
		}
		if kept = append(kept, add[d.Day]...); len(kept) > 0 {
			next.Days = append(next.Days, summary(d.Day, kept))
		}
		delete(add, d.Day)
		delete(remove, d.Day)
	}
	if len(remove) > 0 && !bug.In(bug.EditUnchecked) {
		return nil, false, nil
	}
	for day, files := range add {
		next.Days = append(next.Days, summary(day, files))
	}
	slices.SortFunc(next.Days, func(a, b Day) int { return strings.Compare(a.Day, b.Day) })
	for _, f := range e.Remove {
		next.Dropped = append(next.Dropped, f.Key)
	}
	return next, true, nil
}

// replaceShard puts se.To in the place of se.From, if that is still there.
func (s *Snapshot) replaceShard(se ShardEdit) bool {
	for i := range s.Shards {
		if s.Shards[i].Shard == se.To.Shard {
			if bug.In(bug.EditUnchecked) {
				s.Shards[i] = se.To
				return true
			}
			if s.Shards[i].Folded != se.From.Folded || !slices.Equal(s.Shards[i].Heads, se.From.Heads) || !slices.Equal(s.Shards[i].Keys, se.From.Keys) ||
				!slices.Equal(s.Shards[i].Erasures, se.From.Erasures) {
				return false
			}
			s.Shards[i] = se.To
			return true
		}
	}
	if se.From.Folded != 0 {
		return false
	}
	s.Shards = append(s.Shards, se.To)
	slices.SortFunc(s.Shards, func(a, b Shard) int { return a.Shard - b.Shard })
	return true
}

// ShardState returns a shard's state, that of an unfolded log where the
// snapshot has none.
func (s *Snapshot) ShardState(shard int) Shard {
	for _, st := range s.Shards {
		if st.Shard == shard {
			return st
		}
	}
	return Shard{Shard: shard}
}

// gone returns the keys of the objects of the runs that are in old and not in now.
func gone(old, now []Run) []string {
	var keys []string
	for _, r := range old {
		if !slices.Contains(now, r) {
			keys = append(keys, r.Objects()...)
		}
	}
	return keys
}

// byEntry returns files by the entries that they belong in.
func byEntry(days []Day, files []File) map[string][]File {
	out := map[string][]File{}
	for _, f := range files {
		name := entryOf(days, f.MinTime.Day())
		out[name] = append(out[name], f)
	}
	return out
}

// without returns files less those to remove, and whether all of these were there.
func without(files, remove []File) ([]File, bool) {
	keys := make(map[string]bool, len(remove))
	for _, f := range remove {
		keys[f.Key] = true
	}
	kept := make([]File, 0, len(files))
	for _, f := range files {
		if keys[f.Key] {
			delete(keys, f.Key)
			continue
		}
		kept = append(kept, f)
	}
	return kept, len(keys) == 0 || bug.In(bug.EditUnchecked)
}

// summary returns the day's entry for its files.
func summary(day string, files []File) Day {
	d := Day{Day: day, MinTime: event.MaxTime, MaxTime: event.MinTime, Types: map[string]int64{}, Files: files}
	for _, f := range files {
		d.Count++
		d.Rows += f.Rows
		d.Bytes += f.Bytes
		d.MinTime = min(d.MinTime, f.MinTime)
		d.MaxTime = max(d.MaxTime, f.MaxTime)
		d.Types = AddTypes(d.Types, f.Types)
	}
	return d
}

// AddTypes adds the counts in more to those in sum. Nil stands for unknown, which
// counts of more than [MaxTypes] types become, and of types whose names are longer
// than [MaxTypeBytes] together.
func AddTypes(sum, more map[string]int64) map[string]int64 {
	if sum == nil || more == nil {
		return nil
	}
	for t, n := range more {
		sum[t] += n
	}
	if size := 0; len(sum) > 0 {
		for t := range sum {
			size += len(t)
		}
		if len(sum) > MaxTypes || size > MaxTypeBytes {
			return nil
		}
	}
	return sum
}

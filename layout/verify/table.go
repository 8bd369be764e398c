package verify

import (
	"context"
	"maps"
	"strings"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/snapshot"
)

// dayFile is a data file as the table has it.
type dayFile struct {
	snapshot.File
	day string
	by  string // key of the manifest or snapshot that lists it
}

// table checks the newest snapshot by itself and gathers the data files that
// it names, and the names of all other objects that it needs.
func (p *pass) table(ctx context.Context) error {
	last := -1
	for _, st := range p.snap.Shards {
		if st.Shard <= last || st.Shard > 255 || st.Folded < 1 {
			p.out.fault(Disorder, p.newest.Key, "shard %d, folded up to %d, comes behind shard %d", st.Shard, st.Folded, last)
		}
		last = max(last, st.Shard)
		for _, r := range st.Heads {
			p.nameRun(r, aHeads, st.Shard)
		}
		for _, r := range st.Keys {
			p.nameRun(r, aKeys, st.Shard)
		}
	}
	before := ""
	for _, d := range p.snap.Days {
		if d.Day <= before || before != "" && strings.HasPrefix(d.Day, before) {
			p.out.fault(Disorder, p.newest.Key, "day %s comes behind day %s", d.Day, before)
		}
		before = d.Day
		if err := p.readDay(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// name notes that the snapshot names a key, which must be one of that form,
// shard and day.
func (p *pass) name(key string, f form, shard int, day string) {
	if p.named[key] {
		p.out.fault(Duplicate, key, "the newest snapshot names the object twice")
	}
	p.named[key] = true
	if got := parseKey(p.inst.ID, key); got != (place{form: f, shard: shard, day: day}) {
		p.out.fault(Misplaced, key, "the newest snapshot names it as an object of shard %d %s, which its key does not say", shard, day)
	}
}

// readDay takes in the files of a day.
func (p *pass) readDay(ctx context.Context, d snapshot.Day) error {
	files, by := d.Files, p.newest.Key
	if d.Manifest != "" {
		p.name(d.Manifest, aManifest, 0, "")
		m, err := p.readManifest(ctx, d.Manifest)
		if err := unreadable(p.out, d.Manifest, err); err != nil {
			return err
		}
		if err != nil {
			p.lost = true
			return nil
		}
		if m.Day != d.Day || len(d.Files) > 0 {
			p.out.fault(Misplaced, d.Manifest, "the manifest is of day %s, and the snapshot names it, and %d files beside it, for day %s", m.Day, len(d.Files), d.Day)
		}
		files, by = m.Files, d.Manifest
	}
	for _, f := range files {
		day := d.Day // of an entry of several days, each file has its own
		if of := parseKey(p.inst.ID, f.Key).day; strings.HasPrefix(of, d.Day) {
			day = of
		}
		p.name(f.Key, aData, f.Shard, day)
		p.files[f.Shard] = append(p.files[f.Shard], dayFile{f, day, by})
		p.sum.Files++
	}
	if diff := differ(d, total(files)); diff != "" {
		p.out.fault(Mismatch, by, "the snapshot's totals of day %s are not those of its files: %s", d.Day, diff)
	}
	return nil
}

func (p *pass) readManifest(ctx context.Context, key string) (snapshot.Manifest, error) {
	var m snapshot.Manifest
	if err := readJSON(ctx, p.s, key, &m); err != nil {
		return m, err
	}
	if err := known(m.Format, snapshot.Format); err != nil {
		return m, err
	}
	return m, seal.At(key, m.Key)
}

// total sums up files as a day's totals do.
func total(files []snapshot.File) snapshot.Day {
	d := snapshot.Day{Count: len(files), MinTime: event.MaxTime, MaxTime: event.MinTime, Types: map[string]int64{}}
	for _, f := range files {
		d.Rows += f.Rows
		d.Bytes += f.Bytes
		d.MinTime, d.MaxTime = min(d.MinTime, f.MinTime), max(d.MaxTime, f.MaxTime)
		d.Types = snapshot.AddTypes(d.Types, f.Types)
	}
	return d
}

// differ says in what the totals of a day are not what they should be.
func differ(has, want snapshot.Day) string {
	return firstOf(
		unequal("count", has.Count, want.Count),
		unequal("rows", has.Rows, want.Rows),
		unequal("bytes", has.Bytes, want.Bytes),
		unequal("min_time", has.MinTime, want.MinTime),
		unequal("max_time", has.MaxTime, want.MaxTime),
		unequalTypes(has.Types, want.Types))
}

func unequalTypes(has, want map[string]int64) string {
	if !maps.Equal(has, want) {
		return "the counts of types differ"
	}
	return ""
}

// logKey is the key of a commit of the instance.
func (p *pass) logKey(shard int, position int64) string {
	return layout.Commit(p.inst.ID, shard, position)
}

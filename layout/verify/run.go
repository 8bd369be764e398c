package verify

import (
	"context"

	"github.com/firnlog/firn/layout/snapshot"
)

// nameRun notes that the snapshot needs a run's objects.
func (p *pass) nameRun(r snapshot.Run, f form, shard int) {
	for _, key := range r.Objects() {
		p.name(key, f, shard, "")
	}
}

// readRun reads a run that the snapshot names, part by part, and hands each entry
// to see, with the key of its object. It reports whether all of it could be read,
// and has else noted why.
func readRun[T snapshot.Entry](ctx context.Context, p *pass, r snapshot.Run, see func(object string, e T)) (whole bool, err error) {
	whole = true
	var rows, bytes int64
	for part := range r.Count() {
		key := r.Object(part)
		entries, ok, err := readPart[T](ctx, p, r, part)
		if err != nil {
			return false, err
		}
		whole = whole && ok
		rows, bytes = rows+int64(len(entries)), bytes+p.objects[key].Size
		for i, e := range entries {
			name := e.Name()
			if i > 0 && name <= entries[i-1].Name() {
				p.out.fault(Disorder, key, "%q comes behind %q", name, entries[i-1].Name())
			}
			if want := snapshot.PartOf(name, r.Count()); want != part {
				p.out.fault(Misplaced, key, "%q belongs in part %d of the run", name, want)
			}
			see(key, e)
		}
	}
	if whole && (rows != r.Rows || rows == 0) {
		p.out.fault(Mismatch, r.Object(0), "the run has %d entries, and the snapshot says %d", rows, r.Rows)
	}
	if whole && bytes != r.Bytes {
		p.out.fault(Mismatch, r.Object(0), "the run has %d bytes, and the snapshot says %d", bytes, r.Bytes)
	}
	return whole, nil
}

// readPart reads a part of a run.
func readPart[T snapshot.Entry](ctx context.Context, p *pass, r snapshot.Run, part int) (entries []T, ok bool, err error) {
	key := r.Object(part)
	if _, ok := p.objects[key]; !ok {
		p.out.fault(Missing, key, "the newest snapshot names the run, and it is not there")
		return nil, false, nil
	}
	err = guard(func() (err error) {
		entries, err = snapshot.ReadRun[T](ctx, p.s, r, part)
		return err
	})
	return entries, err == nil, unreadable(p.out, key, err)
}

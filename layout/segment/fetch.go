package segment

import (
	"io"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A request to an object store costs about as long as reading this many bytes,
// so that columns lying closer together than this are read at once.
const mergeGap = 256 << 10

// piece is a part of a file in memory.
type piece struct {
	from int64
	data []byte
}

// pieces serve reads of a file from its parts that were fetched beforehand.
type pieces []piece

// fetch reads the pages of the columns with as few reads as pay, all at once.
func (g *Group) fetch(cols Columns) (pieces, error) {
	type span struct{ from, to int64 }
	var spans []span
	for _, c := range cols.List() {
		from, to := g.span(c)
		spans = append(spans, span{from, to})
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	var merged []span
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from-merged[n-1].to <= mergeGap {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	out := make(pieces, len(merged))
	var group errgroup.Group
	for i, s := range merged {
		group.Go(func() error {
			out[i] = piece{s.from, make([]byte, s.to-s.from)}
			n, err := g.file.r.ReadAt(out[i].data, s.from)
			if n == len(out[i].data) || err == io.EOF { // itself: an error of the store may wrap one
				err = nil // a file that ends early shows when its pages are decoded
			}
			return err
		})
	}
	return out, group.Wait()
}

// ReadAt reads at an offset of the whole file.
func (ps pieces) ReadAt(p []byte, off int64) (int, error) {
	for _, pc := range ps {
		if off >= pc.from && off < pc.from+int64(len(pc.data)) {
			n := copy(p, pc.data[off-pc.from:])
			if n < len(p) {
				return n, io.EOF
			}
			return n, nil
		}
	}
	return 0, io.EOF
}

package segment

import (
	"cmp"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/fault"
)

// A request to an object store costs about as long as reading this many bytes,
// so that columns lying closer together than this are read at once.
const mergeGap = 256 << 10

// span is a part of a file.
type span struct{ from, to int64 }

// piece is a part of a file in memory.
type piece struct {
	from int64
	data []byte
}

// read fills in the piece. A file that ends early shows when it is decoded.
func (p *piece) read(r io.ReaderAt) error {
	n, err := r.ReadAt(p.data, p.from)
	if n == len(p.data) || err == io.EOF { // itself: an error of the store may wrap one
		return nil
	}
	return err
}

// pieces serve reads of a file from its parts that were fetched beforehand.
type pieces []piece

// fetch reads the pages that the requests need for some rows, nil for all, with
// as few reads as pay, all at once. It notes in the requests which pages.
func (g *Group) fetch(reqs []request, rows Rows) (pieces, error) {
	var spans []span
	for i := range reqs {
		s, err := g.needed(&reqs[i], rows)
		if err != nil {
			return nil, err
		}
		spans = append(spans, s...)
	}
	for _, s := range spans {
		if s.from < 0 || s.to < s.from || s.to > g.file.pq.Size() {
			return nil, fault.New(fault.Corrupt, "the footer has pages from byte %d to %d of %d", s.from, s.to, g.file.pq.Size())
		}
	}
	merged := mergeSpans(spans)
	out := make(pieces, len(merged))
	var group errgroup.Group
	for i, s := range merged {
		group.Go(func() error {
			out[i] = piece{s.from, make([]byte, s.to-s.from)}
			return out[i].read(g.file.r)
		})
	}
	return out, group.Wait()
}

// needed returns the parts of the file that a request needs.
func (g *Group) needed(q *request, rows Rows) ([]span, error) {
	whole := g.span(q.leaf)
	if rows == nil {
		return []span{whole}, nil
	}
	offsets, err := g.offsets(q.leaf)
	if err != nil {
		return nil, err
	}
	var out []span
	for i := range offsets.NumPages() {
		if rows.Intersect(Rows{g.pageRows(offsets, i)}) == nil {
			continue
		}
		q.pages = append(q.pages, i)
		from := offsets.Offset(i)
		out = append(out, span{from, from + offsets.CompressedPageSize(i)})
	}
	if m := g.meta(q.leaf); len(out) > 0 && m.DictionaryPageOffset != 0 {
		out = append(out, span{whole.from, m.DataPageOffset})
	}
	return out, nil
}

// mergeSpans joins spans that lie close to each other.
func mergeSpans(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var merged []span
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from-merged[n-1].to <= mergeGap {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	return merged
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

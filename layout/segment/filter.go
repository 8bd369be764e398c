package segment

import (
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/layout/fault"
)

// filtersKey holds the checksums of a data file's bloom filters in its footer:
// XXH64 in 16 hex digits each, in the order of row groups and columns. A filter
// that lost a bit would hide events.
const filtersKey = "firn.filters"

// sumDigits is the length of one checksum.
const sumDigits = 16

// filters returns the bloom filters of a file by the plan.
func (p *Plan) filters() []parquet.BloomFilterColumn {
	out := []parquet.BloomFilterColumn{parquet.SplitBlockFilter(filterBits, leaves[Stream]...)}
	if p.IDBits > 0 {
		out = append(out, parquet.SplitBlockFilter(uint(p.IDBits), leaves[ID]...))
	}
	for _, f := range p.Fields {
		if f.FilterBits > 0 {
			out = append(out, parquet.SplitBlockFilter(uint(f.FilterBits), f.columnPath()...))
		}
	}
	return out
}

// filters are the bloom filters of a file being written. They come behind all
// row groups, in the order in which their buffers were got.
type filters struct {
	parquet.BufferPool
	all []io.ReadWriteSeeker
}

func newFilters() *filters { return &filters{BufferPool: parquet.NewBufferPool()} }

// GetBuffer implements [parquet.BufferPool].
func (f *filters) GetBuffer() io.ReadWriteSeeker {
	b := f.BufferPool.GetBuffer()
	f.all = append(f.all, b)
	return b
}

// sums returns the checksums of all filters.
func (f *filters) sums() (string, error) {
	var out strings.Builder
	for _, b := range f.all {
		h := xxhash.New()
		if _, err := io.Copy(h, b); err != nil {
			return "", err
		}
		if _, err := b.Seek(0, io.SeekStart); err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%016x", h.Sum64())
	}
	return out.String(), nil
}

// MayHold reports whether a row of the group may have a text as its Stream or
// ID. False is certain; true means that the bloom filter has it, or that there
// is none. It costs one read of the file the first time. Errors are those of
// reading; a damaged filter is Corrupt.
func (g *Group) MayHold(c Column, text string) (bool, error) {
	return g.mayHold(g.file.leaf[c], text)
}

// FieldMayHold is MayHold for the string field at a path, and true for a path
// that is none.
func (g *Group) FieldMayHold(path, text string) (bool, error) {
	f := g.file.fieldAt(path)
	if f == nil || len(text) > MaxFieldText {
		return true, nil
	}
	return g.mayHold(f.leaf, text)
}

func (g *Group) mayHold(leaf int, text string) (may bool, err error) {
	defer g.file.named(&err)
	defer recovered(&err)
	m := g.meta(leaf)
	sum, known := g.file.filterSums[m.BloomFilterOffset]
	if !known {
		return true, nil
	}
	filter, ok := g.filters.Load(leaf)
	if !ok {
		p := piece{m.BloomFilterOffset, make([]byte, m.BloomFilterLength)}
		if err := p.read(g.file.r); err != nil {
			return true, err
		}
		if Sum(p.data) != sum {
			return true, fault.New(fault.Corrupt, "the bloom filter of column %d in row group %d does not match its checksum", leaf, g.index)
		}
		if filter, err = g.chunk(leaf).BloomFilterFrom(pieces{p}); err != nil {
			return true, readError(err)
		}
		g.filters.Store(leaf, filter)
	} else {
		g.file.r.reads.Spared.Add(1)
	}
	return filter.(*parquet.FileBloomFilter).Check(parquet.ByteArrayValue(bytesIn(text)))
}

// readFilterSums takes the checksums of bloom filters out of the footer, by the
// filters' places in the file. Files of a writer that gave none have no filters
// to be trusted.
func (f *File) readFilterSums() error {
	text := f.Meta(filtersKey)
	if text == "" {
		return nil
	}
	f.filterSums = map[int64]string{}
	for _, g := range f.groups {
		for leaf := range g.chunks {
			at := g.meta(leaf).BloomFilterOffset
			if at == 0 {
				continue
			}
			if len(text) < sumDigits {
				return fault.New(fault.Corrupt, "%s in the footer has too few checksums", filtersKey)
			}
			f.filterSums[at], text = text[:sumDigits], text[sumDigits:]
		}
	}
	return nil
}

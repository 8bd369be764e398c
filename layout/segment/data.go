package segment

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
	"github.com/firnlog/firn/layout/store"
)

// Sum is the checksum of a data file or of its end, from [File.End] on: XXH64 in
// 16 hex digits. That of the end guards what the checksums of pages do not when
// only parts of a file are read.
func Sum(data []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(data)) }

// OpenData opens a data file by one request for its end. Pages are read later, by
// ranged requests under the same ctx, or another one: see [File.In]. Where they are
// little beside the end, the same request brings them, and they are kept with it.
// Corrupt when what was read is not what the manifest says.
func OpenData(ctx context.Context, s store.Store, f snapshot.File) (*File, error) {
	if little(f.End, f.Bytes-f.End) {
		return openFrom(ctx, s, f, 0)
	}
	return openFrom(ctx, s, f, f.End)
}

// FetchData is [OpenData] for who goes on to read pages: of a file that is small
// the same request brings all, for as long as the file returned is in use, though
// not for others that come from it by [File.In].
func FetchData(ctx context.Context, s store.Store, f snapshot.File) (*File, error) {
	if f.Bytes > mergeGap {
		return OpenData(ctx, s, f)
	}
	return openFrom(ctx, s, f, 0)
}

// decoded is how many times as large as in the file the end is in memory, as
// profiles of many small files say.
const decoded = 10

// little reports whether the pages of a file, in bytes, take no more memory than
// its end does: so they do in the files of a few events that come late.
func little(pages, end int64) bool { return pages <= decoded*end && pages+end <= mergeGap }

// openFrom reads a file from a byte on, the first one or that of its end.
func openFrom(ctx context.Context, s store.Store, of snapshot.File, from int64) (*File, error) {
	all := make([]byte, of.Bytes-from)
	open := func(ctx context.Context) io.ReaderAt { return store.NewReaderAt(ctx, s, of.Key, of.Bytes) }
	r := &reader{ReaderAt: open(ctx), reads: &Reads{}}
	if _, err := r.ReadAt(all, from); err != nil {
		return nil, err
	}
	if from == 0 && Sum(all) != of.Sum {
		return nil, fault.New(fault.Corrupt, "%s: the file does not match its checksum", of.Key)
	}
	data := bytes.Clone(all[of.End-from:]) // is kept, the rest seldom
	if Sum(data) != of.EndSum {
		return nil, fault.New(fault.Corrupt, "%s: the file's end does not match its checksum", of.Key)
	}
	// Opening touches nothing but the end, and what keeps the file keeps no context.
	f, err := Open(pieces{{of.End, data}}, of.Bytes)
	if err != nil {
		return nil, fault.Wrap(err, "%s", of.Key)
	}
	f.name, f.open = of.Key, open
	r.pages, r.end = piece{from, all[:of.End-from]}, piece{of.End, data}
	return f.under(ctx, r), nil
}

// In returns the file for another reader: its pages are read under ctx, where they
// are not kept with its end, and what reading costs is counted anew. Nothing is read
// for that. A file in memory is the same file, for the time of ctx.
func (f *File) In(ctx context.Context) *File {
	r := *f.r
	if f.open != nil {
		if !r.keeps() {
			r.pages = piece{}
		}
		r.ReaderAt, r.reads = f.open(ctx), &Reads{}
	}
	return f.under(ctx, &r)
}

// under returns a file that shares all but the reader and the context.
func (f *File) under(ctx context.Context, r *reader) *File {
	out := *f
	out.ctx, out.r = ctx, r
	out.groups = make([]*Group, len(f.groups))
	for i, g := range f.groups {
		own := *g
		own.file = &out
		out.groups[i] = &own
	}
	return &out
}

// Reads counts reads of files beyond what is in memory: the requests, and the
// bytes that they bring. Spared are those that memory made needless: of ends of
// files, of filters, and of columns of small files that came with their ends. It
// is safe for concurrent use.
type Reads struct{ Requests, Bytes, Spared atomic.Int64 }

// CountIn takes what reading the file has cost so far, and from now on all that it
// will cost, into r. It must not be called while the file is read.
func (f *File) CountIn(r *Reads) {
	if f.r.reads.Requests.Load() == 0 {
		r.Spared.Add(1) // its end
	}
	r.Requests.Add(f.r.reads.Requests.Load())
	r.Bytes.Add(f.r.reads.Bytes.Load())
	f.r.reads = r
}

// Size returns about how many bytes the file takes in memory when all its indexes
// and bloom filters were read, without pages that are not kept with them.
func (f *File) Size() int64 {
	n := decoded * int64(len(f.r.end.data))
	if f.r.keeps() {
		n += int64(len(f.r.pages.data))
	}
	for _, g := range f.groups {
		for leaf := range g.chunks {
			n += int64(g.meta(leaf).BloomFilterLength)
		}
		for _, leaf := range f.filterLeaf {
			n += g.meta(leaf).TotalUncompressedSize
		}
	}
	return n
}

// reader reads a file, whose end, and pages, may be in memory, and counts what it
// reads beyond that.
type reader struct {
	io.ReaderAt
	pages piece // from the file's first byte on; or nothing
	end   piece
	reads *Reads
}

// keeps reports whether the pages, if they are there, are kept with the end.
func (r *reader) keeps() bool {
	return little(int64(len(r.pages.data)), int64(len(r.end.data)))
}

// ReadAt implements [io.ReaderAt].
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if len(r.end.data) > 0 && off >= r.end.from {
		return pieces{r.end}.ReadAt(p, off)
	}
	if off+int64(len(p)) <= int64(len(r.pages.data)) {
		r.reads.Spared.Add(1)
		return copy(p, r.pages.data[off:]), nil
	}
	n, err := r.ReaderAt.ReadAt(p, off)
	r.reads.Requests.Add(1)
	r.reads.Bytes.Add(int64(n))
	return n, err
}

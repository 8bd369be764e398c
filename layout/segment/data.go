package segment

import (
	"context"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// Sum is the checksum of a data file or of its end, from [File.End] on: XXH64 in
// 16 hex digits. That of the end guards what the checksums of pages do not when
// only parts of a file are read.
func Sum(data []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(data)) }

// OpenData opens the data file at key, of size bytes, by one request for its
// end, which must have the checksum sum. Pages are read later, by ranged
// requests under the same ctx. Corrupt when the end is not what it was.
func OpenData(ctx context.Context, s store.Store, key string, size, end int64, sum string) (*File, error) {
	r := store.NewReaderAt(ctx, s, key, size)
	data := make([]byte, size-end)
	if _, err := r.ReadAt(data, end); err != nil {
		return nil, err
	}
	if Sum(data) != sum {
		return nil, fault.New(fault.Corrupt, "%s: the file's end does not match its checksum", key)
	}
	f, err := Open(&endCached{r, piece{end, data}}, size)
	if err != nil {
		return nil, fault.Wrap(err, "%s", key)
	}
	f.name = key
	return f, nil
}

// endCached reads a file whose end is in memory.
type endCached struct {
	io.ReaderAt
	end piece
}

// ReadAt implements [io.ReaderAt].
func (c *endCached) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.end.from {
		return pieces{c.end}.ReadAt(p, off)
	}
	return c.ReaderAt.ReadAt(p, off)
}

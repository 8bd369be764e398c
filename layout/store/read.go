package store

import (
	"context"
	"io"

	"github.com/firnlog/firn/layout/fault"
)

// ReadAll returns the whole object at key, and the closed Object for what it
// tells beside its content. An answer that ends early is an error of kind
// Unavailable.
func ReadAll(ctx context.Context, s Store, key string) ([]byte, *Object, error) {
	o, err := s.Get(ctx, key, Range{})
	if err != nil {
		return nil, nil, err
	}
	defer o.Body.Close()
	data := make([]byte, o.Size)
	if err := readFull(o, data); err != nil {
		return nil, nil, err
	}
	return data, o, nil
}

// readFull fills p from o's body, which must then be at its end.
func readFull(o *Object, p []byte) error {
	n, err := io.ReadFull(o.Body, p)
	if err == io.EOF { // which would tell a reader that all is well
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fault.New(fault.Unavailable, "get %s: %d of %d bytes: %w", o.Key, n, len(p), err)
	}
	if n, _ := o.Body.Read(make([]byte, 1)); n > 0 {
		return fault.New(fault.Unavailable, "get %s: more than the %d bytes asked for", o.Key, len(p))
	}
	return nil
}

type readerAt struct {
	ctx  context.Context
	s    Store
	key  string
	size int64
}

// NewReaderAt returns an [io.ReaderAt] over the object at key, of size bytes,
// for the time of ctx. Each ReadAt is one ranged Get. Errors of ReadAt other
// than io.EOF are those of Get, and Corrupt when the object has another size.
func NewReaderAt(ctx context.Context, s Store, key string, size int64) io.ReaderAt {
	return &readerAt{ctx, s, key, size}
}

// ReadAt implements [io.ReaderAt].
func (r *readerAt) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fault.New(fault.Invalid, "read %s at %d", r.key, offset)
	}
	if offset >= r.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.size-offset))
	if n == 0 {
		return 0, nil
	}
	o, err := r.s.Get(r.ctx, r.key, Range{Offset: offset, Length: int64(n)})
	if fault.Is(err, fault.Invalid) { // the range lies behind the end
		return 0, fault.New(fault.Corrupt, "object %s has fewer than %d bytes: %w", r.key, r.size, err)
	}
	if err != nil {
		return 0, err
	}
	defer o.Body.Close()
	if o.Size != r.size {
		return 0, fault.New(fault.Corrupt, "object %s has %d bytes, not %d", r.key, o.Size, r.size)
	}
	if err := readFull(o, p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

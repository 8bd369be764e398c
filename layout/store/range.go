package store

import (
	"fmt"
	"math"

	"github.com/firnlog/firn/layout/fault"
)

// check refuses what is no range of any object.
func (r Range) check() error {
	if r.Length < 0 || r.Offset < 0 && r.Length != 0 || r.Offset == math.MinInt64 {
		return fault.New(fault.Invalid, "range of %d bytes from %d: the length must not be negative, "+
			"and 0 where a negative offset counts from the end", r.Length, r.Offset)
	}
	return nil
}

// within returns the first byte and the number of bytes that r names in an
// object of the given size. r has passed check.
func (r Range) within(size int64) (offset, length int64, err error) {
	if r.Offset < 0 {
		offset = max(0, size+r.Offset)
		return offset, size - offset, nil
	}
	if r != (Range{}) && r.Offset >= size {
		return 0, 0, behindEnd(r, size)
	}
	length = size - r.Offset
	if r.Length > 0 {
		length = min(length, r.Length)
	}
	return r.Offset, length, nil
}

func behindEnd(r Range, size int64) error {
	return fault.New(fault.Invalid, "range from byte %d of an object of %d bytes", r.Offset, size)
}

// header returns r as the value of an HTTP Range header, "" for all of an
// object. r has passed check.
func (r Range) header() string {
	switch {
	case r == Range{}:
		return ""
	case r.Offset < 0:
		return fmt.Sprintf("bytes=%d", r.Offset)
	case r.Length == 0 || r.Offset > math.MaxInt64-r.Length:
		return fmt.Sprintf("bytes=%d-", r.Offset)
	default:
		return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1)
	}
}

// Package footer looks at the footer of a Parquet file before the library does,
// which believes the lengths that it finds there: a few forged bytes would make it
// ask for gigabytes.
package footer

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Check reports an error when the footer of the file of the given size behind r
// names more than the bytes of the footer can hold. Whether it is a footer of
// Parquet beyond that, the library says.
func Check(r io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < int64(len(tail)) {
		return fmt.Errorf("the file has %d bytes", size)
	}
	if _, err := r.ReadAt(tail[:], size-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-int64(len(tail)) {
		return fmt.Errorf("the footer has %d bytes, and the file %d", n, size)
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-int64(len(tail))-n); err != nil && err != io.EOF {
		return err
	}
	_, err := skipStruct(b, 0)
	return err
}

// Types of Thrift's compact protocol:
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
const (
	typeStop   = 0
	typeFalse  = 2 // and 1 for true: fields without a value
	typeByte   = 3
	typeInt64  = 6 // and 4 and 5 for shorter ones: varints
	typeDouble = 7
	typeBinary = 8
	typeList   = 9
	typeSet    = 10
	typeMap    = 11
	typeStruct = 12
)

// maxDepth is how deep values may lie in each other; those of Parquet do not beyond
// eight.
const maxDepth = 32

// skip returns what follows a value. Each value takes at least a byte, so that a
// list never has more elements than there are bytes.
func skip(b []byte, kind byte, depth int) ([]byte, error) {
	switch {
	case depth > maxDepth:
		return nil, fmt.Errorf("the footer has values %d deep", depth)
	case kind <= typeByte:
		return cut(b, 1)
	case kind <= typeInt64:
		_, b, err := varint(b)
		return b, err
	}
	switch kind {
	case typeDouble:
		return cut(b, 8)
	case typeBinary:
		n, b, err := varint(b)
		if err != nil {
			return nil, err
		}
		return cut(b, n)
	case typeList, typeSet:
		return skipList(b, depth)
	case typeMap:
		return skipMap(b, depth)
	case typeStruct:
		return skipStruct(b, depth)
	}
	return nil, fmt.Errorf("the footer has a value of type %d", kind)
}

func skipStruct(b []byte, depth int) (_ []byte, err error) {
	for {
		if len(b) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		head := b[0]
		b = b[1:]
		kind := head & 15
		if kind == typeStop {
			return b, nil
		}
		if head>>4 == 0 { // the field's number follows
			if _, b, err = varint(b); err != nil {
				return nil, err
			}
		}
		if kind <= typeFalse {
			continue
		}
		if b, err = skip(b, kind, depth+1); err != nil {
			return nil, err
		}
	}
}

func skipList(b []byte, depth int) (_ []byte, err error) {
	if len(b) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	kind, n := b[0]&15, uint64(b[0]>>4)
	b = b[1:]
	if n == 15 {
		if n, b, err = varint(b); err != nil {
			return nil, err
		}
	}
	return skipMany(b, n, depth, kind)
}

func skipMap(b []byte, depth int) ([]byte, error) {
	n, b, err := varint(b)
	if err != nil || n == 0 {
		return b, err
	}
	if len(b) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return skipMany(b[1:], n, depth, b[0]>>4, b[0]&15)
}

// skipMany skips n times a value of each kind.
func skipMany(b []byte, n uint64, depth int, kinds ...byte) (_ []byte, err error) {
	if n > uint64(len(b)) {
		return nil, fmt.Errorf("the footer has a list of %d, and %d bytes are left", n, len(b))
	}
	for range n {
		for _, kind := range kinds {
			if b, err = skip(b, kind, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

func varint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return v, b[n:], nil
}

func cut(b []byte, n uint64) ([]byte, error) {
	if n > uint64(len(b)) {
		return nil, io.ErrUnexpectedEOF
	}
	return b[n:], nil
}

package main

import (
	"bytes"
	"encoding/binary"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Events on their way through the sorter are bytes that can be compared without
// being read: a uint32 with the length of what follows, the time of ingestion as a
// uint64 of which greater is later, the stream, the sequence number as a uint64,
// and the other members, of which each has its length before it. All of that is
// big endian, but for lengths of members, which are uvarints. It is written and
// read by one process and no format of Firn's.

const (
	lengthBytes = 4
	numberBytes = 8
)

// appendSortable appends the event, which was ingested at a time.
func (r *record) appendSortable(b []byte, at event.Micros) []byte {
	start := len(b)
	b = append(b, make([]byte, lengthBytes)...)
	b = binary.BigEndian.AppendUint64(b, uint64(at)^1<<63)
	b = appendMember(b, r.Stream)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Sequence))
	for _, text := range [...]string{r.Ingested, r.Type, r.Time, r.ID} {
		b = appendMember(b, text)
	}
	b = appendMember(appendMember(b, []byte(r.Payload)), []byte(r.Metadata))
	b = binary.AppendUvarint(b, uint64(len(r.Tags)))
	for _, tag := range r.Tags {
		b = appendMember(b, tag)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-lengthBytes))
	return b
}

func appendMember[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// compareSortable orders events by time of ingestion, stream and sequence number.
// Either may be followed by others.
func compareSortable(a, b []byte) int {
	a, b = a[lengthBytes:], b[lengthBytes:]
	if c := bytes.Compare(a[:numberBytes], b[:numberBytes]); c != 0 {
		return c
	}
	a, b = a[numberBytes:], b[numberBytes:]
	aLength, aSize := binary.Uvarint(a)
	bLength, bSize := binary.Uvarint(b)
	a, b = a[aSize:], b[bSize:]
	if c := bytes.Compare(a[:aLength], b[:bLength]); c != 0 {
		return c
	}
	return bytes.Compare(a[aLength:][:numberBytes], b[bLength:][:numberBytes])
}

// sortableLength returns how long the event is at whose beginning b stands.
func sortableLength(b []byte) int { return lengthBytes + int(binary.BigEndian.Uint32(b)) }

// readSortable sets the event to what appendSortable wrote, without keeping it.
func (r *record) readSortable(b []byte) error {
	in := sortableReader{b[lengthBytes+numberBytes:], true}
	r.Stream = string(in.member())
	r.Sequence = int64(in.number())
	for _, to := range [...]*string{&r.Ingested, &r.Type, &r.Time, &r.ID} {
		*to = string(in.member())
	}
	r.Payload, r.Metadata = in.document(), in.document()
	for range in.length() {
		r.Tags = append(r.Tags, string(in.member()))
	}
	if !in.ok || len(in.rest) > 0 {
		return fault.New(fault.Internal, "an event came back from the sorting's temporary file as something else")
	}
	return nil
}

// sortableReader reads members. Behind one that is not there ok is false, and all
// others are empty.
type sortableReader struct {
	rest []byte
	ok   bool
}

// take returns the next n bytes.
func (r *sortableReader) take(n uint64) []byte {
	if r.ok = r.ok && n <= uint64(len(r.rest)); !r.ok {
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *sortableReader) number() uint64 {
	if b := r.take(numberBytes); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// length returns a length, which is no more than what is left.
func (r *sortableReader) length() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.ok = r.ok && size > 0 && n <= uint64(len(r.rest)-size); !r.ok {
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *sortableReader) member() []byte { return r.take(r.length()) }

// document returns a copy of a member, nil for an empty one, which no JSON is.
func (r *sortableReader) document() []byte { return append([]byte(nil), r.member()...) }

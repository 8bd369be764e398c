// Package store is Firn's only way to durable state: a bucket of immutable
// objects behind one small interface, with drivers for a folder, for memory
// and for S3.
//
// What Firn asks of a bucket is little: get, ranged get, list, put, tag and
// delete, and one primitive that decides every race, put-if-absent. Drivers
// prove themselves in the conformance suite of storetest; [Probe] checks at
// start that a bucket honours put-if-absent at all.
package store

import (
	"context"
	"io"
	"time"
)

// Store is a bucket. Its methods are safe for concurrent use, also between
// processes on the same bucket.
//
// Keys are slash-separated, relative, clean paths of [a-zA-Z0-9=._-] segments
// that do not begin with a dot; [CheckKey] says exactly. A key is never a
// prefix of another at a slash: k and k/x never exist together.
//
// Errors are of these kinds (package fault): Invalid for a bad key or range;
// NotFound; Exists from a put-if-absent that found the key taken; Conflict
// from a put that collided with another one under way and was not applied;
// Unavailable where nothing was changed; Unknown where a put, delete or tag
// may or may not have been, or may yet be, applied. No driver repeats a put by
// itself after an unknown outcome.
type Store interface {
	// Get returns the object at key, or the part of it that r names. The
	// caller MUST close the object's Body. NotFound when there is none, with the
	// store's clock of then, which AbsentAt reads.
	Get(ctx context.Context, key string, r Range) (*Object, error)

	// Put stores body at key and returns once it is durable and visible to
	// every later Get and List in any process. With IfAbsent it MUST store
	// nothing and fail with Exists when the key is taken; of any number of
	// concurrent calls at most one succeeds. A reader never sees a part of an
	// object, whatever crashes.
	Put(ctx context.Context, key string, body Body, cond Condition) (Receipt, error)

	// List returns the objects whose keys begin with opts.Prefix, in byte
	// order of their keys. It MUST show every object whose Put returned before
	// the call, and none that a crash could still take back.
	List(ctx context.Context, opts ListOptions) (Page, error)

	// Delete removes the object at key. Deleting what is not there succeeds.
	Delete(ctx context.Context, key string) error

	// SetTags replaces the tags of the object at key. NotFound when there is
	// none. Tags are what lifecycle rules select by; they are no part of the
	// object's content.
	SetTags(ctx context.Context, key string, tags map[string]string) error

	// Tags returns the tags of the object at key, an empty map for none.
	Tags(ctx context.Context, key string) (map[string]string, error)
}

// Body is the content of a Put: bytes.NewReader for what is in memory,
// io.NewSectionReader over a temporary file for what is not. A driver may read
// it more than once, and in parts.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Condition says when a Put is carried out.
type Condition int

const (
	// Always stores the body and replaces what was there.
	Always Condition = iota
	// IfAbsent stores the body only when nothing is at the key.
	IfAbsent
)

// Range names a part of an object in bytes. The zero Range is the whole
// object. A Range with a negative Offset is the last -Offset bytes (all of it,
// where it is shorter) and has Length 0. Otherwise Length bytes from Offset
// are meant, or as many of them as there are; a Length of 0 reads to the end.
// An Offset at or behind the end is Invalid.
type Range struct {
	Offset, Length int64
}

// Info describes a stored object.
type Info struct {
	Key      string
	Size     int64     // bytes of the whole object
	Modified time.Time // when it was stored, in store time
}

// Object is an object, or a part of one, opened for reading.
type Object struct {
	Info
	Body      io.ReadCloser
	StoreTime time.Time // the store's clock when it answered
}

// Receipt is the store's answer to a Put.
type Receipt struct {
	StoreTime time.Time // the store's clock when it answered
}

// ListOptions select the objects of a List.
type ListOptions struct {
	Prefix     string // any string; it need not end at a slash
	StartAfter string // only keys behind this one in byte order
	Max        int    // at most so many, and never more than 1000; 0 means 1000
}

// Page is the answer to a List.
type Page struct {
	Objects   []Info
	More      bool      // there may be further objects behind the last; never so after an empty page
	StoreTime time.Time // the store's clock when it answered
}

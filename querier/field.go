package querier

import (
	"strings"
	"unicode/utf8"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
)

// base is the part of an event that a field reads.
type base uint8

const (
	baseNone base = iota
	baseID
	baseInstance
	baseStream
	baseType
	basePayload
	baseMetadata
	baseTime
	baseSequence
	baseTags
	baseIngested
	basePlace
)

// Field names a field of events. Its text form is the name that it was given
// by, which is also what groups show it as.
type Field struct {
	name string
	base base
	path string // segments joined by dots, only within payload and metadata
}

// The fields of every event.
var (
	ID        = Field{name: "id", base: baseID}
	Instance  = Field{name: "instanceId", base: baseInstance}
	Stream    = Field{name: "stream_id", base: baseStream}
	Type      = Field{name: "event_type", base: baseType}
	Payload   = Field{name: "payload", base: basePayload}
	Metadata  = Field{name: "metadata", base: baseMetadata}
	Timestamp = Field{name: "timestamp", base: baseTime}
	Sequence  = Field{name: "sequence_number", base: baseSequence}
	Tags      = Field{name: "tags", base: baseTags}
	Ingested  = Field{name: "ingested_at", base: baseIngested}
	// Place stands for append order. It can only be ordered by.
	Place = Field{name: "$place", base: basePlace}
)

var fieldsByName = map[string]base{
	"id": baseID, "instanceId": baseInstance, "instance_id": baseInstance,
	"stream_id": baseStream, "streamId": baseStream, "event_type": baseType, "eventType": baseType,
	"payload": basePayload, "metadata": baseMetadata, "timestamp": baseTime,
	"sequence_number": baseSequence, "sequenceNumber": baseSequence, "tags": baseTags,
	"ingested_at": baseIngested, "ingestedAt": baseIngested, "$place": basePlace,
}

// ParseField reads a field's name: one of the fields of every event, a path
// into payload or metadata, or any other path, which means one into the
// payload. Errors are Invalid.
func ParseField(name string) (Field, error) {
	switch {
	case name == "":
		return Field{}, fault.New(fault.Invalid, "a field needs a name, such as event_type or payload.amount")
	case len(name) > MaxField || !utf8.ValidString(name):
		return Field{}, fault.New(fault.Invalid, "a field's name has at most %d bytes of UTF-8", MaxField)
	case strings.Count(name, ".") >= MaxDepth:
		return Field{}, fault.New(fault.Invalid, "a field's path has at most %d parts", MaxDepth)
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return Field{}, fault.New(fault.Invalid, "%q has an empty part: paths are written like payload.user.id", shorten(name))
		}
	}
	head, path, nested := strings.Cut(name, ".")
	b, known := fieldsByName[head]
	switch {
	case !known:
		return Field{name, basePayload, name}, nil
	case nested && b != basePayload && b != baseMetadata:
		return Field{}, fault.New(fault.Invalid, "%s has no parts: only payload and metadata have (if the payload's is meant, write payload.%s)", head, shorten(name))
	}
	return Field{name, b, path}, nil
}

// String returns the name that the field was given by.
func (f Field) String() string { return f.name }

// canonical returns the one name of the field.
func (f *Field) canonical() string {
	name := baseNames[f.base]
	if f.path != "" {
		return name + "." + f.path
	}
	return name
}

var baseNames = [...]string{baseID: ID.name, baseInstance: Instance.name, baseStream: Stream.name, baseType: Type.name,
	basePayload: Payload.name, baseMetadata: Metadata.name, baseTime: Timestamp.name, baseSequence: Sequence.name,
	baseTags: Tags.name, baseIngested: Ingested.name, basePlace: Place.name}

var baseColumns = [...]segment.Columns{
	baseID:     segment.Set(segment.ID, segment.Position, segment.Ordinal),
	baseStream: segment.Set(segment.Stream), baseType: segment.Set(segment.Type),
	basePayload: segment.Set(segment.Payload), baseMetadata: segment.Set(segment.Metadata),
	baseTime: segment.Set(segment.Time), baseSequence: segment.Set(segment.Sequence),
	baseTags: segment.Set(segment.Tags), baseIngested: segment.Set(segment.Ingested),
	basePlace: placeColumns,
}

// placeColumns are those that tell an event's place.
var placeColumns = segment.Set(segment.Position, segment.Ordinal)

// columns returns the columns that the field is read from.
func (f *Field) columns() segment.Columns { return baseColumns[f.base] }

// isJSON reports whether reading the field takes parsing JSON.
func (f *Field) isJSON() bool { return f.base == basePayload || f.base == baseMetadata }

// isTime reports whether the field holds times.
func (f *Field) isTime() bool { return f.base == baseTime || f.base == baseIngested }

// always reports whether every event has the field, with a value but null.
func (f *Field) always() bool { return !f.isJSON() && f.base != baseTags }

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

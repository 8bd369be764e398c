package querier

import (
	"strconv"

	"github.com/firnlog/firn/layout/event"
)

// AppendEvent appends an event of an instance as the JSON object that a query
// without select shows of it.
func AppendEvent(b []byte, instance string, e *event.Event) []byte {
	member := func(of base) { b = append(appendQuoted(append(b, ','), baseNames[of]), ':') }
	b = appendQuoted(append(b, `{"id":`...), e.EventID())
	member(baseInstance)
	b = appendQuoted(b, instance)
	member(baseStream)
	b = appendQuoted(b, e.Stream)
	member(baseType)
	b = appendQuoted(b, e.Type)
	member(basePayload)
	b = appendDocument(b, e.Payload)
	member(baseMetadata)
	b = appendDocument(b, e.Metadata)
	member(baseTime)
	b = appendTime(b, e.Time)
	member(baseSequence)
	b = strconv.AppendInt(b, e.Sequence, 10)
	if len(e.Tags) > 0 {
		member(baseTags)
		b = appendList(b, e.Tags, appendQuoted)
	}
	member(baseIngested)
	return append(appendTime(b, e.Ingested), '}')
}

// appendDocument appends a payload or metadata; that of no text at all is {}.
func appendDocument(b, text []byte) []byte {
	if len(text) == 0 {
		return append(b, "{}"...)
	}
	return append(b, text...)
}

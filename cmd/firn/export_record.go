package main

import (
	"bytes"
	"encoding/json"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// record is an event on its way out of an instance or into one, by the members
// of its JSON. What is empty or nil is not there.
type record struct {
	Stream   string          `json:"stream_id"`
	Type     string          `json:"event_type"`
	Time     string          `json:"timestamp"`
	ID       string          `json:"id"`
	Tags     []string        `json:"tags"`
	Payload  json.RawMessage `json:"payload"`
	Metadata json.RawMessage `json:"metadata"`

	Sequence int64  `json:"sequence_number"` // 0 on the way in: Firn gives these two
	Ingested string `json:"ingested_at"`
}

// readJSON reads an event as Firn shows it. Documents are kept byte for byte.
func (r *record) readJSON(text []byte) error {
	if err := jsonv2.Unmarshal(text, r, jsontext.AllowDuplicateNames(true)); err != nil {
		return fault.New(fault.Internal, "an event of the answer cannot be read: %w", err)
	}
	return nil
}

// appendLine appends the record as a line of NDJSON. Documents stay as they are
// but for line breaks between their tokens, which become spaces: lines end there.
func (r *record) appendLine(b []byte) (_ []byte, err error) {
	text := func(name, value string) {
		b = append(append(append(b, `,"`...), name...), `":`...)
		var bad error
		if b, bad = jsontext.AppendQuote(b, value); bad != nil && err == nil {
			err = fault.New(fault.Invalid, "%s is not valid UTF-8", name)
		}
	}
	start := len(b)
	text("stream_id", r.Stream)
	b[start] = '{'
	text("event_type", r.Type)
	if r.Time != "" {
		text("timestamp", r.Time)
	}
	if r.ID != "" {
		text("id", r.ID)
	}
	if len(r.Tags) > 0 {
		tags, bad := appendTags(append(b, `,"tags":`...), r.Tags)
		if b = tags; bad != nil && err == nil {
			err = bad
		}
	}
	b = appendDocument(b, "payload", r.Payload)
	b = appendDocument(b, "metadata", r.Metadata)
	if r.Sequence > 0 {
		b = strconv.AppendInt(append(b, `,"sequence_number":`...), r.Sequence, 10)
		text("ingested_at", r.Ingested)
	}
	return append(b, "}\n"...), err
}

func appendTags(b []byte, tags []string) (_ []byte, err error) {
	for i, tag := range tags {
		var bad error
		if b, bad = jsontext.AppendQuote(append(b, "[,"[min(i, 1)]), tag); bad != nil {
			err = fault.New(fault.Invalid, "a tag is not valid UTF-8")
		}
	}
	return append(b, ']'), err
}

func appendDocument(b []byte, name string, text []byte) []byte {
	if text == nil {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":`...)
	start := len(b)
	b = append(b, text...)
	for line := b[start:]; ; {
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			return b
		}
		line[i] = ' '
		line = line[i+1:]
	}
}

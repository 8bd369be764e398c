package main

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// eventSource is a file that is read event by event.
type eventSource interface {
	// next returns an event as a line of NDJSON, which is valid until the next
	// call, and the number of its line or row; [io.EOF] behind the last one.
	next() ([]byte, int, error)
	// place is what numbers of lines or rows are written behind.
	place() string
	close()
}

// openSource opens a file in its format and notes once which columns are left out.
func openSource(f importFile, r *importRun) (eventSource, error) {
	if f.format == formatParquet {
		return openParquet(f.name, r)
	}
	in, err := openInput(f.name, nil, &r.read)
	if err != nil {
		return nil, err
	}
	if f.format == formatCSV {
		src, err := newCSVSource(in, r)
		if err != nil {
			in.close()
			return nil, err
		}
		return src, nil
	}
	return &ndjsonSource{in, newBatcher(in.name, in, importBatch)}, nil
}

// importBatch bounds the events of a batch. It and batchBytes say how files are
// cut, and so what the numbers in idempotency keys mean: with others, an import
// that an earlier version began would be refused.
const importBatch = 5_000

// sourceBatcher cuts a source into batches, the same ones each time.
type sourceBatcher struct {
	eventSource
	pending []byte // the line that the next batch begins with, nil for none
	at      int    // its number
}

func (s *sourceBatcher) next() (batch, error) {
	var out batch
	for len(out.lines) < importBatch {
		if s.pending == nil {
			line, at, err := s.eventSource.next()
			if err == io.EOF && len(out.lines) > 0 {
				return out, nil
			}
			if err != nil {
				return batch{}, err
			}
			s.pending, s.at = line, at
		}
		if len(out.lines) > 0 && len(out.ndjson)+len(s.pending) > batchBytes {
			return out, nil
		}
		out.ndjson = append(out.ndjson, s.pending...)
		out.lines = append(out.lines, s.at)
		s.pending = nil
	}
	return out, nil
}

// ndjsonSource reads NDJSON as firn export writes it and firn append takes it.
type ndjsonSource struct {
	in    *input
	lines *batcher
}

func (n *ndjsonSource) next() ([]byte, int, error) {
	line, err := n.lines.scan()
	if err != nil {
		return nil, 0, err
	}
	return append(withoutGiven(line), '\n'), n.lines.line, nil
}

func (n *ndjsonSource) place() string { return n.in.name }
func (n *ndjsonSource) close()        { n.in.close() }

// given are the members that Firn gives events itself. Import leaves them out.
var given = [][]byte{[]byte(`"sequence_number"`), []byte(`"ingested_at"`), []byte(`"instance_id"`)}

// withoutGiven returns a copy of the line without the members that Firn gives,
// and everything else byte for byte. A line that is no JSON object comes back as
// it is, for the check to say what is wrong with it.
func withoutGiven(line []byte) []byte {
	whole := bytes.Clone(line)
	some := false
	for _, name := range given {
		some = some || bytes.Contains(line, name)
	}
	if !some {
		return whole
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(line), jsontext.AllowDuplicateNames(true))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return whole
	}
	out := []byte{'{'}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return whole
		}
		left := isGiven(name)
		if !left {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(out, name...), ':')
		}
		value, err := dec.ReadValue()
		if err != nil {
			return whole
		}
		if !left {
			out = append(out, value...)
		}
	}
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '}' {
		return whole
	}
	return append(append(out, '}'), line[dec.InputOffset():]...) // what follows is an error to be told of
}

func isGiven(name []byte) bool {
	for _, g := range given {
		if bytes.Equal(name, g) {
			return true
		}
	}
	return false
}

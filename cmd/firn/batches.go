package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

const (
	// batchBytes is where a batch ends, however few its events are: it ends
	// before the line that goes beyond it.
	batchBytes = 4 << 20
	// lineBytes bounds a line: the largest event, with room for white space.
	lineBytes = event.MaxEventBytes + 1<<20
)

// batch is a part of an input: events as NDJSON, without blank lines.
type batch struct {
	ndjson []byte
	lines  []int // the line in the input of each event, from 1
}

// batcher cuts an input into batches. The same input and limit give the same
// batches each time, which is what idempotency keys rest on.
type batcher struct {
	name    string
	limit   int // events a batch
	scanner *bufio.Scanner
	line    int    // number of the line scanned last
	pending []byte // the line that the next batch begins with, nil for none
}

func newBatcher(name string, r io.Reader, limit int) *batcher {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), lineBytes)
	return &batcher{name: name, limit: limit, scanner: s}
}

// next returns the next batch, [io.EOF] behind the last one. Input that cannot
// be read to its end is an error before the batch that it breaks off in.
func (b *batcher) next() (batch, error) {
	var out batch
	for len(out.lines) < b.limit {
		if b.pending == nil {
			line, err := b.scan()
			if err == io.EOF && len(out.lines) > 0 {
				return out, nil
			}
			if err != nil {
				return batch{}, err
			}
			b.pending = line
		}
		if len(out.lines) > 0 && len(out.ndjson)+len(b.pending) > batchBytes {
			return out, nil
		}
		out.ndjson = append(append(out.ndjson, b.pending...), '\n')
		out.lines = append(out.lines, b.line)
		b.pending = nil
	}
	return out, nil
}

// scan returns the next line that is not blank. It is valid until the next call.
func (b *batcher) scan() ([]byte, error) {
	for b.scanner.Scan() && b.scanner.Err() == nil {
		b.line++
		if line := bytes.Trim(b.scanner.Bytes(), " \t\r"); len(line) > 0 {
			return line, nil
		}
	}
	switch err := b.scanner.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fault.New(fault.Limit, "%s:%d: the line has more than %d bytes", b.name, b.line+1, lineBytes)
	default:
		return nil, inFile(b.name, b.line+1, err)
	}
}

// inFile says where in an input something is wrong; line 0 is all of it.
func inFile(name string, line int, err error) error {
	if line == 0 {
		return fault.New(fault.Invalid, "%s: %w", name, err)
	}
	return fault.New(fault.Invalid, "%s:%d: %w", name, line, err)
}

// place names a batch by its lines.
func (b batch) place(name string) string {
	first, last := b.lines[0], b.lines[len(b.lines)-1]
	if first == last {
		return fmt.Sprintf("%s:%d", name, first)
	}
	return fmt.Sprintf("%s:%d-%d", name, first, last)
}

package client

import (
	"bufio"
	"io"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// maxLine bounds a line of a stream: an event of 8 MB with every byte escaped.
const maxLine = 64 << 20

// serverEvent is what stands between two blank lines of a stream of server-sent
// events (WHATWG HTML, section 9.2). Comments alone make one without anything.
type serverEvent struct {
	name string // "" for the default
	id   string // "" where none is given
	data []byte
}

// eventReader reads server-sent events, whose lines end at LF or CR LF.
type eventReader struct{ lines *bufio.Scanner }

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	return &eventReader{lines}
}

// next returns the next event. The end of the stream is io.ErrUnexpectedEOF: a
// stream has no other.
func (r *eventReader) next() (serverEvent, error) {
	var e serverEvent
	seen := false
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			if seen {
				return e, nil
			}
			continue
		}
		seen = true
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			e.name = value
		case "id":
			if !strings.ContainsRune(value, 0) {
				e.id = value
			}
		case "data":
			if e.data != nil {
				e.data = append(e.data, '\n')
			}
			e.data = append(e.data, value...)
		}
	}
	if err := r.lines.Err(); err != nil {
		return e, fault.New(fault.Unavailable, "%w", err)
	}
	return e, io.ErrUnexpectedEOF
}

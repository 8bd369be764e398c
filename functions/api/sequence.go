package api

import (
	"io"
	"strconv"

	"github.com/firnlog/firn/querier"
)

// typeSequence is the media type of JSON text sequences (RFC 7464).
const typeSequence = "application/json-seq"

// separator begins each record of a sequence. It cannot occur in JSON.
const separator = 0x1e

// sequence writes rows as a JSON text sequence: byte for byte as they were sent,
// line breaks and spaces between tokens included, which no other stream does. Its
// last record is the envelope of the answer, by which a reader knows that it has
// all rows, or why it has not.
type sequence struct {
	w    io.Writer
	part []byte
	rows int64
}

func newSequence(w io.Writer) querier.BatchWriter { return &sequence{w: w} }

// Write implements [querier.BatchWriter].
func (s *sequence) Write(b *querier.Batch) error {
	for i := range b.Rows() {
		row, err := b.JSON(i)
		if err != nil {
			return err
		}
		s.part = append(append(append(s.part, separator), row...), '\n')
		s.rows++
		if len(s.part) > 64<<10 {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return s.flush()
}

func (s *sequence) flush() error {
	_, err := s.w.Write(s.part)
	s.part = s.part[:0]
	return err
}

// Close implements [querier.BatchWriter]. The end is written by [sequence.end].
func (s *sequence) Close() error { return nil }

// data is the envelope's: how many rows came before it.
func (s *sequence) data() []byte {
	return append(strconv.AppendInt([]byte(`{"rows":`), s.rows, 10), '}')
}

// end writes the last record, which is a line as the envelope always is.
func (s *sequence) end(envelope []byte) error {
	s.part = append(append(s.part, separator), envelope...)
	return s.flush()
}

package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/firnlog/firn/layout/fault"
)

// jsonSequence is the stream whose events are as they were sent, and which ends
// with the envelope of the answer: a JSON text sequence (RFC 7464).
const jsonSequence = "application/json-seq"

// separator begins each record of a sequence.
const separator = 0x1e

// maxRecord bounds a record of a sequence: well above the largest event.
const maxRecord = 64 << 20

// Records calls each with every event that a query in the JSON of the query
// language finds, as JSON whose documents are byte for byte those that were sent.
// They come in the order in which they are stored, which is any, all as of one
// moment, and are good until each returns. Unless the error is nil there may be
// more: that of each, one of the server, or kind Unavailable where the answer
// broke off.
func (c *Client) Records(ctx context.Context, dsl []byte, each func(event []byte) error) error {
	body, err := c.open(ctx, dsl, jsonSequence, true)
	if err != nil {
		return err
	}
	defer body.Close()
	return readRecords(body, each)
}

// readRecords calls each with all records of a sequence but the last.
func readRecords(body io.Reader, each func([]byte) error) error {
	in := &sequence{r: bufio.NewReaderSize(body, 256<<10)}
	if first, err := in.next(); err != nil || len(first) > 0 {
		return brokenOff(orCut(err))
	}
	var rows int64
	for ; ; rows++ {
		record, err := in.next()
		if err != nil {
			return ended(record, err, rows)
		}
		if err := each(record); err != nil {
			return err
		}
	}
}

// ended says how an answer of so many rows ended, by its last record and the error
// behind it.
func ended(record []byte, err error, rows int64) error {
	var e envelope
	if !bytes.HasSuffix(record, []byte("\n")) || json.Unmarshal(record, &e) != nil || e.Success == nil {
		return brokenOff(orCut(err))
	}
	if failed := e.failure(); failed != nil {
		return failed
	}
	var data struct{ Rows *int64 }
	if json.Unmarshal(e.Data, &data) != nil || data.Rows == nil || *data.Rows != rows {
		return fault.New(fault.Internal, "the server's answer has %d events, and says otherwise: %s", rows, e.Data)
	}
	return nil
}

var errCut = errors.New("it has no end")

// orCut returns what cut an answer off.
func orCut(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return errCut
	}
	return err
}

// sequence reads what stands between separators.
type sequence struct {
	r      *bufio.Reader
	record []byte
}

// next returns what stands before the next separator. With an error, which is
// io.EOF at the end, that is what there was until then.
func (s *sequence) next() ([]byte, error) {
	s.record = s.record[:0]
	for {
		part, err := s.r.ReadSlice(separator)
		s.record = append(s.record, part...)
		switch {
		case err == nil:
			return s.record[:len(s.record)-1], nil
		case len(s.record) > maxRecord:
			return nil, fault.New(fault.Internal, "a record has more than %d bytes", maxRecord)
		case !errors.Is(err, bufio.ErrBufferFull):
			return s.record, err
		}
	}
}

package compactor

import (
	"io"
	"os"

	"github.com/firnlog/firn/layout/fault"
)

// spoolBytes is how much of a data file is gathered in memory before it goes to a
// temporary file: small files never do.
const spoolBytes = 1 << 20

// spool holds a data file until it is stored.
type spool struct {
	file  *os.File // nil as long as all is in rest
	begun int64    // bytes in file
	rest  []byte   // what comes behind these
}

// Write implements [io.Writer].
func (s *spool) Write(p []byte) (int, error) {
	if len(s.rest)+len(p) > spoolBytes {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	s.rest = append(s.rest, p...)
	return len(p), nil
}

func (s *spool) flush() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "firn-*.parquet"); err != nil {
			return fault.New(fault.Unavailable, "no temporary file for a data file: %w", err)
		}
	}
	n, err := s.file.Write(s.rest)
	s.begun, s.rest = s.begun+int64(n), s.rest[:0]
	if err != nil {
		return fault.New(fault.Unavailable, "writing a data file: %w", err)
	}
	return nil
}

// Size returns the bytes written so far.
func (s *spool) Size() int64 { return s.begun + int64(len(s.rest)) }

// ReadAt implements [io.ReaderAt] over all that was written.
func (s *spool) ReadAt(p []byte, off int64) (n int, err error) {
	if off < s.begun {
		n, err = s.file.ReadAt(p[:min(int64(len(p)), s.begun-off)], off)
		if err != nil && err != io.EOF {
			return n, err
		}
	}
	if at := off + int64(n) - s.begun; at >= 0 && at < int64(len(s.rest)) {
		n += copy(p[n:], s.rest[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// discard removes the temporary file, if there is one.
func (s *spool) discard() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}

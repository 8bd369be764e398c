package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// spillWindow is the window of the compression: each run that is merged takes
// memory for it.
const spillWindow = 256 << 10

// spill is the temporary file of an export: runs of events, each in order and
// compressed by itself, one behind the other. It is made once it is needed.
type spill struct {
	create func() (*os.File, error)
	file   *os.File
	end    int64
	runs   []spillRun
}

// spillRun is where in the file sorted events lie.
type spillRun struct{ start, end int64 }

// spillBeside returns how the temporary file of an export to a file is made: beside
// it, or for "" in the directory for temporary files. It has no name any more where
// the system allows that, so that not even a crash leaves it behind.
func spillBeside(name string) func() (*os.File, error) {
	return func() (*os.File, error) {
		dir, pattern := "", "firn-export-*"
		if name != "" {
			dir, pattern = filepath.Dir(name), filepath.Base(name)+".part-*"
		}
		file, err := os.CreateTemp(dir, pattern)
		if err == nil {
			_ = os.Remove(file.Name()) // or else by close
		}
		return file, err
	}
}

// close removes the file.
func (s *spill) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// add writes all events of a source as a run.
func (s *spill) add(from ordered) (err error) {
	if s.file == nil {
		if s.file, err = s.create(); err != nil {
			return s.explain(err)
		}
	}
	to := &offsetWriter{s.file, s.end}
	if err := writeRun(to, from); err != nil {
		return s.explain(err)
	}
	s.runs = append(s.runs, spillRun{s.end, to.at})
	s.end = to.at
	return nil
}

// explain adds to an error what the file is for.
func (s *spill) explain(err error) error {
	if err == errInterrupted {
		return err
	}
	return &advisedError{fmt.Errorf("the events cannot be sorted on disk: %w", err),
		"an export that does not fit in memory needs a temporary file about as large as itself, compressed: beside\n" +
			"the file of --out, or in the directory for temporary files ($TMPDIR); firn export --from --to takes less at a time"}
}

func writeRun(w io.Writer, from ordered) error {
	zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(spillWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(zip, 64<<10)
	for {
		text, err := from.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			_, err = b.Write(text)
		}
		if err != nil {
			return err
		}
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return zip.Close()
}

// offsetWriter writes into a file from an offset on.
type offsetWriter struct {
	file *os.File
	at   int64
}

// Write implements [io.Writer].
func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.at)
	w.at += int64(n)
	return n, err
}

// merge merges the first n runs and other sources.
func (s *spill) merge(ctx context.Context, n int, others ...ordered) (_ *merge, err error) {
	m := newMerge(ctx)
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	for _, r := range s.runs[:n] {
		unzip, err := zstd.NewReader(io.NewSectionReader(s.file, r.start, r.end-r.start), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		if err := m.add(&runSource{unzip: unzip, in: bufio.NewReaderSize(unzip, 32<<10)}); err != nil {
			return nil, s.explain(err)
		}
	}
	for _, other := range others {
		if err := m.add(other); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// runSource gives the events of a run.
type runSource struct {
	unzip *zstd.Decoder
	in    *bufio.Reader
	text  []byte
}

func (r *runSource) next() ([]byte, error) {
	r.text = append(r.text[:0], make([]byte, lengthBytes)...)
	if _, err := io.ReadFull(r.in, r.text); err != nil {
		return nil, err // io.EOF where a run ends
	}
	rest := int(binary.BigEndian.Uint32(r.text))
	r.text = append(r.text, make([]byte, rest)...)
	_, err := io.ReadFull(r.in, r.text[lengthBytes:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return r.text, err
}

func (r *runSource) close() { r.unzip.Close() }

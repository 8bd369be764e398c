package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// input is a file of NDJSON that is being read.
type input struct {
	io.Reader
	name  string
	read  *atomic.Int64 // bytes of the file, as it is stored, read by now
	close func()
}

// openInput opens a file, or standard input for "-", and decompresses it as its
// name says: .gz or .zst.
func openInput(name string, stdin io.Reader, read *atomic.Int64) (*input, error) {
	in := &input{name: name, read: read, close: func() {}}
	var src io.Reader = stdin
	if name == "-" {
		in.name = "standard input"
	} else {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		src, in.close = file, func() { file.Close() }
	}
	in.Reader = &countingReader{src, read}
	switch {
	case strings.HasSuffix(name, ".gz"):
		zip, err := gzip.NewReader(in.Reader)
		if err != nil {
			in.close()
			return nil, inFile(name, 0, fmt.Errorf("it is not whole and valid gzip: %w", err))
		}
		in.Reader = zip
	case strings.HasSuffix(name, ".zst"):
		zst, err := zstd.NewReader(in.Reader)
		if err != nil {
			in.close()
			return nil, inFile(name, 0, fmt.Errorf("it is not whole and valid zstd: %w", err))
		}
		closeFile := in.close
		in.Reader, in.close = zst, func() { zst.Close(); closeFile() }
	}
	return in, nil
}

// countingReader counts what is read.
type countingReader struct {
	io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// sizeOf returns the bytes of all files, -1 when one of them cannot tell.
func sizeOf(names []string) int64 {
	var sum int64
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err != nil || !info.Mode().IsRegular() {
			return -1
		}
		sum += info.Size()
	}
	return sum
}

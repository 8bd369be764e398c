package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/firnlog/firn/layout/fault"
)

// cutAll returns the batches of an input as their lines' numbers.
func cutAll(t *testing.T, b *batcher) ([][]int, error) {
	t.Helper()
	var out [][]int
	for {
		next, err := b.next()
		if err != nil {
			return out, err
		}
		if n := bytes.Count(next.ndjson, []byte("\n")); n != len(next.lines) {
			t.Errorf("a batch of %d lines says that it has %d", n, len(next.lines))
		}
		out = append(out, next.lines)
	}
}

func TestBatches(t *testing.T) {
	f := func(input string, limit int, want ...[]int) {
		t.Helper()
		got, err := cutAll(t, newBatcher("in", strings.NewReader(input), limit))
		if err != io.EOF || !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%.40q by %d: %v, %v, want %v", input, limit, got, err, want)
		}
	}
	f("", 2)
	f("\n \t\r\n", 2)
	f("{}", 2, []int{1})
	f("{}\n{}\n", 2, []int{1, 2})
	f("{}\n\n{}\r\n{}\n\n", 2, []int{1, 3}, []int{4})
	half := strings.Repeat("x", batchBytes/2-1) + "\n"
	f(half+half+half, 10, []int{1, 2}, []int{3})
	large := strings.Repeat("x", batchBytes+1) + "\n"
	f("a\n"+large+"b\n", 10, []int{1}, []int{2}, []int{3})
}

func TestBatchesOfLinesTooLong(t *testing.T) {
	input := "a\n" + strings.Repeat("x", lineBytes+1) + "\nb\n"
	got, err := cutAll(t, newBatcher("in", strings.NewReader(input), 10))
	if len(got) != 0 || !fault.Is(err, fault.Limit) || !strings.HasPrefix(err.Error(), "in:2: ") {
		t.Errorf("got %v, %v, want no batch and line 2 refused", got, err)
	}
}

// brokenReader gives some text and then fails.
type brokenReader struct{ text io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.text.Read(p)
	if err == io.EOF {
		err = errors.New("the disk is on fire")
	}
	return n, err
}

// The line in which reading breaks off may look whole and not be.
func TestBatchesOfBrokenInput(t *testing.T) {
	got, err := cutAll(t, newBatcher("in", brokenReader{strings.NewReader("a\nb\n{}")}, 2))
	if len(got) != 1 || err == io.EOF || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("got %v, %v, want one batch and the error", got, err)
	}
}

func TestCompressedInputs(t *testing.T) {
	var zip, zst bytes.Buffer
	g := gzip.NewWriter(&zip)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := io.WriteString(w, "{}\n"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"a.ndjson": []byte("{}\n"), "a.gz": zip.Bytes(), "a.zst": zst.Bytes()} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		var read atomic.Int64
		in, err := openInput(file, nil, &read)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		in.close()
		if err != nil || string(got) != "{}\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if read.Load() != int64(len(content)) {
			t.Errorf("%s: %d bytes counted, want %d", name, read.Load(), len(content))
		}
	}
}

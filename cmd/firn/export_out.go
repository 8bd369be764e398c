package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The formats of events in files.
const (
	formatNDJSON  = "ndjson"
	formatCSV     = "csv"
	formatParquet = "parquet"
)

// formatOf returns the format given, else the one that a file's name tells, else
// NDJSON where there is no name.
func formatOf(name, given string) (string, error) {
	plain := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(plain), "."))
	switch {
	case given != "":
		format = strings.ToLower(given)
	case name == "" || format == "jsonl" || format == "json":
		format = formatNDJSON
	}
	switch {
	case !slices.Contains([]string{formatNDJSON, formatCSV, formatParquet}, format) && given != "":
		return "", usage("--format %q: it is ndjson, csv or parquet", given)
	case !slices.Contains([]string{formatNDJSON, formatCSV, formatParquet}, format):
		return "", usage("%s: the name does not tell the format: give --format ndjson, csv or parquet", name)
	case format == formatParquet && plain != name:
		return "", usage("%s: Parquet is compressed inside: leave out the .gz or .zst", name)
	}
	return format, nil
}

// writeOut has fill write a file, or standard output for "". A file appears under
// its name once it is complete and on disk. A process that is killed before that
// leaves it behind as NAME.part-…, and a file of that name as it was.
func writeOut(name string, stdout io.Writer, fill func(io.Writer) error) error {
	if name == "" {
		return buffered(stdout, fill)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return usage("--out %s is no regular file; without --out the events go to standard output", name)
	}
	part := name + ".part-" + uuid.NewString()[:8]
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	err = compressed(name, file, fill)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		_ = os.Remove(part) // the error that is reported came first
	}
	return err
}

// compressed has fill write to w through the compression that the name tells.
func compressed(name string, w io.Writer, fill func(io.Writer) error) error {
	var zip io.WriteCloser
	switch {
	case strings.HasSuffix(name, ".gz"):
		zip = gzip.NewWriter(w)
	case strings.HasSuffix(name, ".zst"):
		enc, err := zstd.NewWriter(w)
		if err != nil {
			return err
		}
		zip = enc
	default:
		return buffered(w, fill)
	}
	return errors.Join(buffered(zip, fill), zip.Close())
}

func buffered(w io.Writer, fill func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 256<<10)
	if err := fill(b); err != nil {
		return err
	}
	return b.Flush()
}

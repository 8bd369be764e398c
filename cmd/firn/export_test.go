package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// lines is an event whose documents have line breaks, as the API takes them.
func lines() *record {
	return &record{Stream: "a", Type: "t", Time: "2026-01-01T00:00:00.000001Z", ID: "i", Tags: []string{"x", `"`},
		Payload: []byte("{\n\t\"a\" : 1.0}"), Metadata: []byte("{\n}"), Sequence: 3, Ingested: "2026-01-01T00:00:00.000001Z"}
}

func TestLineBreaksBecomeSpaces(t *testing.T) {
	e := lines()
	got, err := e.appendLine(nil)
	want := `{"stream_id":"a","event_type":"t","timestamp":"2026-01-01T00:00:00.000001Z","id":"i","tags":["x","\""],` +
		"\"payload\":{ \t\"a\" : 1.0},\"metadata\":{ },\"sequence_number\":3,\"ingested_at\":\"2026-01-01T00:00:00.000001Z\"}\n"
	if string(got) != want || err != nil {
		t.Errorf("%s%v, want %s", got, err, want)
	}
	if string(e.Payload) != "{\n\t\"a\" : 1.0}" {
		t.Errorf("the event itself was changed: %s", e.Payload)
	}
}

// CSV and Parquet hold documents byte for byte.
func TestLineBreaksStay(t *testing.T) {
	var b bytes.Buffer
	w := newEventWriter(formatCSV, &b)
	if err := errors.Join(w.write(lines()), w.close()); err != nil || !bytes.Contains(b.Bytes(), []byte("\"{\n\t\"\"a\"\" : 1.0}\"")) {
		t.Errorf("%s%v", b.Bytes(), err)
	}
	b.Reset()
	w = newEventWriter(formatParquet, &b)
	if err := errors.Join(w.write(lines()), w.close()); err != nil {
		t.Fatal(err)
	}
	rows := rowsOf[parquetRow](t, b.Bytes())
	if e := rows[0]; string(e.Payload) != "{\n\t\"a\" : 1.0}" || string(e.Metadata) != "{\n}" || e.Time != 1767225600000001 || e.Ingested != e.Time {
		t.Errorf("%+v", e)
	}
}

// A file that is not complete never has the name, and what had it stays.
func TestWriteOut(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out.ndjson")
	write := func(text string, end error) error {
		return writeOut(name, nil, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, end)
		})
	}
	broken := errors.New("broken")
	if err := write("half", broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if found, _ := os.ReadDir(dir); len(found) != 0 {
		t.Errorf("%v is left behind", found)
	}
	if err := write("whole", nil); err != nil {
		t.Fatal(err)
	}
	if err := write("other", broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(name); string(got) != "whole" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/internal/forge"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// FuzzImportNDJSON, FuzzImportCSV and FuzzImportParquet read files as firn import
// does before it stores anything.
func FuzzImportNDJSON(f *testing.F) {
	f.Add(`{"stream_id":"s","payload":1}` + "\n\n" + `{"sequence_number":7,"stream_id":"s","payload":{},"tags":["a"]}`)
	f.Add(`{"stream_id":"s","payload":1}{"instance_id":"x"}`)
	name := filepath.Join(f.TempDir(), "events.ndjson")
	f.Fuzz(func(t *testing.T, text string) { checkImport(t, name, []byte(text)) })
}

func FuzzImportCSV(f *testing.F) {
	f.Add("stream_id,event_type,timestamp,payload,tags\ns,t,2020-01-02T03:04:05Z,\"{\"\"a\"\":1}\",\"[\"\"x\"\"]\"\n")
	f.Add("\ufeffstream_id,event_type,timestamp,payload,id,metadata,other\r\ns,t,,1,i,{},o\r\n")
	f.Add("payload,timestamp,stream_id,event_type\n\"1}\",,s,t")
	name := filepath.Join(f.TempDir(), "events.csv")
	f.Fuzz(func(t *testing.T, text string) { checkImport(t, name, []byte(text)) })
}

func FuzzImportParquet(f *testing.F) {
	type row struct {
		Stream   string    `parquet:"stream_id,dict"`
		Type     *string   `parquet:"event_type,optional"`
		Time     time.Time `parquet:"timestamp,timestamp(microsecond:utc)"`
		Payload  string    `parquet:"payload"`
		Tags     []string  `parquet:"tags,optional,list"`
		Metadata *string   `parquet:"metadata,optional,zstd"`
	}
	var buf bytes.Buffer
	some := `{"m":1}`
	w := parquet.NewGenericWriter[row](&buf)
	for range 2 {
		if _, err := w.Write([]row{{"s", &some, time.Unix(1, 0), "1", []string{"a", "b"}, &some}, {"s", nil, time.Unix(2, 0), "2", nil, nil}}); err != nil {
			f.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(0), []byte(nil))
	f.Add(uint16(40), []byte{0x16, 0x80, 0x80, 0x80, 0x80, 0x80, 0x0f})
	name := filepath.Join(f.TempDir(), "events.parquet")
	f.Fuzz(func(t *testing.T, fromEnd uint16, damage []byte) {
		checkImport(t, name, forge.Overwrite(buf.Bytes(), fromEnd, damage))
	})
}

// checkImport reads a file. It is refused as invalid, or each of its lines or rows is
// one event, and it is the same file when it is read again.
func checkImport(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	format, err := formatOf(name, "")
	if err != nil {
		t.Fatal(err)
	}
	read := func() (string, error) {
		r := &importRun{appendRun: appendRun{app: &app{stderr: io.Discard}, bar: &progress{}}}
		file := importFile{name: name, format: format}
		if err := r.check(context.Background(), &file); err != nil {
			return "", err
		}
		return file.identity, r.each(context.Background(), file, wholeBatch)
	}
	forge.Within(t, 256<<20, func() {
		first, err := read()
		if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.Limit {
			t.Fatalf("kind %v: %v", k, err)
		}
		if second, err2 := read(); second != first || (err == nil) != (err2 == nil) {
			t.Fatalf("read as %s, %v, and then as %s, %v", first, err, second, err2)
		}
	})
}

// wholeBatch wants an event of every line: no text becomes two, or none.
func wholeBatch(_ string, b batch) error {
	events, err := event.DecodeNDJSON(b.ndjson, 0)
	if err == nil && len(events) != len(b.lines) {
		err = errors.New("events are not as many as lines")
	}
	return err
}

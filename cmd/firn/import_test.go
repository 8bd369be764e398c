package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
)

func rowsOf[T any](t *testing.T, file []byte) []T {
	t.Helper()
	rows, err := parquet.Read[T](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// importing returns an import into the log of a server.
func importing(server, file string) (*importCmd, *app, *bytes.Buffer) {
	var out bytes.Buffer
	return &importCmd{Instance: "log", Files: []string{file}, Create: true},
		&app{globals: globals{Server: server}, stdout: &out, stderr: io.Discard}, &out
}

// An import whose batch was stored while its answer was lost goes on when it is
// run again, and each event is there once.
func TestInterruptedImport(t *testing.T) {
	dir := t.TempDir()
	server, err := startServer(dir, os.Environ(), "--bucket", "file://bucket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.kill)
	file := filepath.Join(dir, "events.ndjson")
	var text bytes.Buffer
	const events = 2*importBatch + 10
	for i := range events {
		fmt.Fprintf(&text, `{"stream_id":"s%d","payload":%d}`+"\n", i%7, i)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	losing := httptest.NewServer(losesAnswers(t, server.url, 2, cancel))
	defer losing.Close()
	cmd, a, _ := importing(losing.URL, file)
	err = cmd.Run(ctx, a)
	var told bytes.Buffer
	if report(&told, err); !fault.Is(err, fault.Unknown) || !strings.Contains(told.String(), "5,000 events were stored before that\nto go on, run the same command again") {
		t.Fatalf("the interrupted import says %q", told.String())
	}

	cmd, a, out := importing(server.url, file)
	if err := cmd.Run(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "imported 10,010 events") || !strings.Contains(out.String(), "10,000 of them had been stored before") {
		t.Errorf("the repeated import says %q", out.String())
	}
	c, err := client.New(server.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, reduce := range []string{`{"type":"count"}`, `{"type":"sum","field":"payload"}`} {
		res, err := c.Query(t.Context(), []byte(`{"from":{"instance":"log"},"reduce":`+reduce+`}`))
		want := fmt.Sprint(events)
		if strings.Contains(reduce, "sum") {
			want = fmt.Sprint(events * (events - 1) / 2)
		}
		if err != nil || !strings.Contains(string(res.Aggregation), want) {
			t.Errorf("%s: %s, %v, want %s", reduce, res.Aggregation, err, want)
		}
	}
}

// losesAnswers passes requests on to a server, but loses the answers from the
// given request on, counted from 1, and calls also.
func losesAnswers(t *testing.T, server string, from int64, also func()) http.Handler {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	var seen atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) < from {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		also()
		panic(http.ErrAbortHandler)
	})
}

// foreign is an event in Parquet as other programs write it.
type foreign struct {
	Colour  map[string]string `parquet:"colour"`
	Payload *string           `parquet:"payload,optional"`
	Type    *string           `parquet:"event_type,optional,dict"`
	Stream  string            `parquet:"stream_id"`
	Time    *int64            `parquet:"timestamp,optional,timestamp(millisecond:utc)"`
	Tags    []string          `parquet:"tags,optional,list"`
	ID      *string           `parquet:"id,optional"`
}

func parquetFile[T any](t *testing.T, rows ...T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.parquet")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := parquet.NewGenericWriter[T](file, parquet.MaxRowsPerRowGroup(2))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// read returns all lines of a Parquet file.
func readParquet(name string) (string, error) {
	p, err := openParquet(name, &importRun{appendRun: appendRun{bar: &progress{}, app: &app{stderr: io.Discard}}})
	if err != nil {
		return "", err
	}
	defer p.close()
	var all strings.Builder
	for {
		line, _, err := p.next()
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
		all.Write(line)
	}
}

func TestForeignParquet(t *testing.T) {
	text := func(s string) *string { return &s }
	at := int64(-1)
	name := parquetFile(t,
		foreign{Stream: "a", Type: text("t"), Time: &at, Payload: text("{\n\"x\": 1.0}"), Tags: []string{"p", "q"}, Colour: map[string]string{"k": "v", "l": "w"}},
		foreign{Stream: "b", Type: text("t"), Payload: text("null"), ID: text("own")},
		foreign{Stream: "c", Type: text("t"), Tags: []string{"r"}})
	got, err := readParquet(name)
	want := `{"stream_id":"a","event_type":"t","timestamp":"1969-12-31T23:59:59.999Z","tags":["p","q"],"payload":{ "x": 1.0}}
{"stream_id":"b","event_type":"t","id":"own","payload":null}
{"stream_id":"c","event_type":"t","tags":["r"]}
`
	if got != want || err != nil {
		t.Errorf("got\n%s%v, want\n%s", got, err, want)
	}
}

func TestBadParquet(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		_, err := readParquet(name)
		if err == nil || err.Error() != name+want || !fault.Is(err, fault.Invalid) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	type names struct {
		Stream string `parquet:"stream_id"`
		Type   string `parquet:"event_type"`
	}
	f(parquetFile(t, names{}), ": there is no column timestamp; it has stream_id, event_type")
	type numbers struct {
		names
		Time    int64  `parquet:"timestamp"`
		Payload string `parquet:"payload"`
	}
	f(parquetFile(t, numbers{}), ": the column timestamp is INT(64,true), and must be a timestamp, or a string with one")
	type object struct {
		names
		Time    string                 `parquet:"timestamp"`
		Payload struct{ A, B float64 } `parquet:"payload"`
	}
	f(parquetFile(t, object{}), ": the column payload is a group with A, and must be JSON in a string or bytes")
	type texts struct {
		names
		Time    string `parquet:"timestamp"`
		Payload string `parquet:"payload"`
		Tags    string `parquet:"tags"`
	}
	f(parquetFile(t, texts{Payload: "1", Tags: `["a"]`}, texts{Payload: "1"}, texts{Payload: "one"}),
		`:row:3: payload: "one" is not valid JSON; a text is written in double quotes`)
	f(parquetFile(t, texts{Payload: "1", Tags: "a"}), `:row:1: tags: "a" is no JSON list of strings, such as ["a","b"]`)
}

// Damage anywhere in a file is an error, or makes no difference.
func TestDamagedParquet(t *testing.T) {
	var b bytes.Buffer
	w := newEventWriter(formatParquet, &b)
	for range 50 {
		if err := w.write(lines()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.parquet")
	for at := 0; at < b.Len(); at += 7 {
		bad := bytes.Clone(b.Bytes())
		bad[at] ^= 0x41
		if err := os.WriteFile(name, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readParquet(name); err != nil && (!fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), name)) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// exporting returns an export of the log of a server that holds a few events only.
func exporting(server, file string) (*exportCmd, *app) {
	return &exportCmd{Instance: "log", Out: file, Memory: 5_000}, &app{globals: globals{Server: server}, stdout: io.Discard, stderr: io.Discard}
}

// fillLog appends events of many streams in several shards, many of them days
// late, a part of which compaction folds.
func fillLog(t *testing.T, dir string, c *client.Client) (events int) {
	t.Helper()
	if _, err := c.CreateInstance(t.Context(), client.Spec{ID: "log", Shards: 3}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for batch := range 8 {
		var text bytes.Buffer
		for range 400 {
			at := time.Date(2026, 11, 1+rng.IntN(5), rng.IntN(24), 0, 0, 0, time.UTC).Format(time.RFC3339)
			fmt.Fprintf(&text, `{"stream_id":"s%d","timestamp":%q,"id":"e%d","payload":{"n" :%d},"tags":["t%d"]}`+"\n", rng.IntN(60), at, events, events, batch)
			events++
		}
		if _, err := c.Append(t.Context(), client.Append{Instance: "log", NDJSON: text.Bytes()}); err != nil {
			t.Fatal(err)
		}
		if batch == 4 {
			p, err := start(dir, os.Environ(), "compact", "--bucket", "file://bucket")
			if err != nil {
				t.Fatal(err)
			}
			if <-p.ended; p.err != nil {
				t.Fatalf("%v: %s", p.err, p.stderr.Bytes())
			}
		}
	}
	return events
}

// paged are all events as pages show them, by ids, without the instance.
func paged(t *testing.T, c *client.Client, instance string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for cursor := ""; ; {
		res, err := c.Query(t.Context(), fmt.Appendf(nil, `{"from":{"instance":%q},"limit":1000,"cursor":%q}`, instance, cursor))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range res.Events {
			var e record
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			line, err := e.appendLine(nil)
			if err != nil {
				t.Fatal(err)
			}
			all[e.ID] = string(line)
		}
		if cursor = res.Cursor; cursor == "" {
			return all
		}
	}
}

// An export that does not fit in memory has the events that pages have, in order,
// and comes back the same.
func TestLargeExport(t *testing.T) {
	dir := t.TempDir()
	server, err := startServer(dir, os.Environ(), "--bucket", "file://bucket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.kill)
	c, err := client.New(server.url)
	if err != nil {
		t.Fatal(err)
	}
	events := fillLog(t, dir, c)
	file := filepath.Join(dir, "all.ndjson")
	cmd, a := exporting(server.url, file)
	if err := cmd.Run(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	last, latest := map[string]int64{}, event.Micros(0)
	for line := range strings.Lines(string(text)) {
		var e record
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if last[e.Stream]++; e.Sequence != last[e.Stream] {
			t.Fatalf("behind event %d of stream %s comes %d", last[e.Stream]-1, e.Stream, e.Sequence)
		}
		at, err := event.ParseTime(e.Ingested)
		if err != nil || at < latest {
			t.Fatalf("%s comes late, %v", line, err)
		}
		got[e.ID], latest = line, at
	}
	if want := paged(t, c, "log"); len(got) != events || !maps.Equal(got, want) {
		t.Errorf("%d events, and %d in pages, of %d, or others", len(got), len(want), events)
	}
	roundTrip(t, c, server.url, file, got)
	if found, _ := filepath.Glob(filepath.Join(dir, "*part-*")); len(found) > 0 {
		t.Errorf("%v is left behind", found)
	}
}

// roundTrip imports a file, and compares but what Firn gives anew.
func roundTrip(t *testing.T, c *client.Client, server, file string, want map[string]string) {
	t.Helper()
	cmd, a, _ := importing(server, file)
	cmd.Instance = "again"
	if err := cmd.Run(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got := paged(t, c, "again")
	for _, all := range []map[string]string{got, want} {
		for id, line := range all {
			all[id], _, _ = strings.Cut(line, `,"ingested_at"`)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d events came back of %d, or others", len(got), len(want))
	}
}

// endless serves a sequence: so many events of 8 KB, whereupon it calls then.
func endless(t *testing.T, events int, then func(*http.Request)) string {
	t.Helper()
	pad := strings.Repeat("x", 8<<10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		for i := range events {
			fmt.Fprintf(w, "\x1e"+`{"id":"i","stream_id":"s","event_type":"t","payload":"%s","metadata":{},"timestamp":"2026-01-01T00:00:00Z","sequence_number":%d,"ingested_at":"2026-01-01T00:00:00Z"}`+"\n", pad, events-i)
		}
		_ = http.NewResponseController(w).Flush()
		then(r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// An export that breaks off or is interrupted leaves the file of that name as it
// was, and nothing else.
func TestUnfinishedExport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, c := range []struct {
		then func(*http.Request)
		want string
	}{
		{func(*http.Request) {}, "firn: the answer broke off: unexpected EOF (unavailable)\nnothing was exported\n"},
		{func(r *http.Request) { cancel(); <-r.Context().Done() }, "firn: interrupted\n"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "all.parquet")
		if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, a := exporting(endless(t, 100, c.then), file)
		err := cmd.Run(ctx, a)
		var told strings.Builder
		if status := report(&told, err); status != exitFailure || told.String() != c.want {
			t.Errorf("status %d: %s", status, told.String())
		}
		text, _ := os.ReadFile(file)
		if found, _ := os.ReadDir(dir); len(found) != 1 || string(text) != "before" {
			t.Errorf("there are %v, and the file has %q", found, text)
		}
	}
}

// An answer that is too large for who gives it is refused with what to do.
func TestRefusedExport(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, `{"success":false,"error":"too large","code":"limit"}`)
	}))
	defer srv.Close()
	cmd, a := exporting(srv.URL, filepath.Join(t.TempDir(), "x.csv"))
	var told strings.Builder
	if report(&told, cmd.Run(t.Context(), a)); !fault.Is(cmd.Run(t.Context(), a), fault.Limit) || !strings.Contains(told.String(), "by --from and --to") {
		t.Error(told.String())
	}
}

// A process that is killed once it sorts on disk leaves a file that does not look
// finished, and nothing of the sorting.
func TestKilledExport(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("files without a name are Linux's")
	}
	read := make(chan struct{})
	server := endless(t, exportMemory/(8<<10)+2_000, func(r *http.Request) { close(read); <-r.Context().Done() })
	dir := t.TempDir()
	p, err := start(dir, os.Environ(), "export", "log", "--out", "all.csv", "--server", server)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-read:
	case <-p.ended:
		t.Fatalf("it ended: %s", p.stderr.Bytes())
	}
	p.kill()
	found, err := os.ReadDir(dir)
	if err != nil || len(found) != 1 || !strings.HasPrefix(found[0].Name(), "all.csv.part-") {
		t.Errorf("it leaves %v, %v", found, err)
	}
}

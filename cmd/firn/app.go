package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// app is what commands run in.
type app struct {
	globals
	sources        map[string]source
	stdin          io.Reader
	stdout, stderr io.Writer
}

// logger returns the log, on standard error.
func (a *app) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: a.LogLevel}))
}

// bucketURL returns the bucket, for commands that work on nothing else. The path
// of a folder is made absolute.
func (a *app) bucketURL(command string) (string, error) {
	if a.sources["server"] == fromFlag {
		return "", usage("firn %s works on a bucket, not on a server: give --bucket URL alone", command)
	}
	if a.Bucket == "" {
		return "", usage("firn %s needs a bucket: give --bucket URL or set FIRN_BUCKET, such as --bucket file://./firn-data", command)
	}
	return absolute(a.Bucket), nil
}

// absolute makes the path of a folder's URL absolute.
func absolute(bucket string) string {
	if dir, ok := folderOf(bucket); ok {
		if abs, err := filepath.Abs(dir); err == nil {
			return "file://" + abs
		}
	}
	return bucket
}

// folderOf returns the path of a folder's URL.
func folderOf(bucket string) (string, bool) {
	dir, ok := strings.CutPrefix(bucket, "file:")
	dir = strings.TrimPrefix(dir, "//")
	return dir, ok && dir != ""
}

// openExisting opens a bucket, and makes none: a folder that is not there is an
// error, so that a misspelt path does not pass for an empty bucket.
func openExisting(ctx context.Context, bucket string) (store.Store, error) {
	if dir, ok := folderOf(bucket); ok {
		if _, err := os.Stat(dir); err != nil {
			return nil, fault.New(fault.NotFound, "there is no bucket at %s: %w", bucket, err)
		}
	}
	return store.Open(ctx, bucket)
}

// client returns a client of the server, or of the same API in this process on
// the bucket. A folder that does not exist is made only where a command creates.
func (a *app) client(ctx context.Context, creates bool) (*client.Client, error) {
	bucket, server := a.sources["bucket"], a.sources["server"]
	switch {
	case a.Bucket == "" && a.Server == "":
		return nil, usage("where are the events? Give --server URL, such as http://127.0.0.1:7480, or --bucket URL, such as file://./firn-data")
	case a.Bucket != "" && a.Server != "" && bucket == server:
		return nil, usage("--bucket and --server (or their settings) are both given: give the one to work on")
	case a.Bucket == "" || server > bucket:
		c, err := client.New(a.Server)
		if err != nil {
			return nil, err
		}
		return c.WithKey(a.Key), nil
	}
	open := openExisting
	if creates {
		open = store.Open
	}
	s, err := open(ctx, absolute(a.Bucket))
	if err != nil {
		return nil, err
	}
	log := commitlog.Open(s)
	// Failures come back as errors; the log need not tell of them again.
	quiet := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: max(a.LogLevel, slog.LevelError)}))
	events := front.New(front.Config{Log: log, Queries: querier.NewEngine(log), Store: s, Logger: quiet, Authenticate: commandLine})
	ring := access.NewRing(log, events.Queries, nil)
	return client.Local(events.Handler(api.Door(events), api.KeyDoor(events, ring))), nil
}

// commandLine lets commands do everything: who can reach the bucket can do that
// without Firn. Audit events name the user of the machine.
func commandLine(*http.Request) (front.Caller, error) {
	name := "command line"
	if u, err := user.Current(); err == nil {
		name += " of " + u.Username
	}
	return front.Caller{Name: name, Grants: front.Anyone.Grants}, nil
}

// json reports whether programs read the output.
func (a *app) json() bool { return a.Output == "json" }

// printJSON prints a value as one line of JSON.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// note tells people something beside the output.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }

// terminal returns the width of the terminal that f is, 0 if it is none.
func terminal(f any) int {
	file, ok := f.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

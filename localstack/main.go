//go:build unix

// Command localstack runs the whole serverless form of Firn on this machine: the
// functions' real binaries, the gateway with their routes, a queue and a
// schedule. See docs/operating.md.
//
//	go run ./localstack -functions build/local
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/localstack/cloud"
	"github.com/firnlog/firn/querier"
)

// keyFile keeps the key that was made on the first start.
const keyFile = "firn-local.key"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "localstack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	programs := flag.String("functions", "build/local", "directory with the functions' programs")
	bucket := flag.String("bucket", "file://./firn-local", "bucket: a folder, or an S3 server's with ?endpoint=URL&path-style=true and credentials in the environment")
	listen := flag.String("listen", "127.0.0.1:7490", "loopback address of the gateway")
	each := flag.Int("environments", 4, "environments of each function at most")
	flag.Parse()
	if dir, ok := strings.CutPrefix(*bucket, "file://"); ok {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		*bucket = "file://" + abs
	}
	key, err := firstKey(ctx, *bucket)
	if err != nil {
		return err
	}
	var env []string
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		value := os.Getenv(name)
		if value == "" && name != "AWS_SESSION_TOKEN" {
			value = "local" // the queue and the gateway here take any
		}
		env = append(env, name+"="+value)
	}
	s, err := cloud.Start(cloud.Options{Functions: *programs, Bucket: *bucket, Listen: *listen, Concurrency: *each, Schedule: time.Minute,
		Timeout: 5 * time.Minute, Env: env, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer s.Stop()
	fmt.Printf(`firn's functions are ready (bucket %s)

  HTTP API       %s
  live tails     %s/stream
  WebSocket API  ws%s/ws

  export FIRN_KEY=%s
  curl --json '{"stream_id":"a","event_type":"made","payload":{"n":1}}' -H "Authorization: Bearer $FIRN_KEY" '%s/v1/instances/my-log/events?autoCreate=true'
  curl -H "Authorization: Bearer $FIRN_KEY" %s/v1/instances/my-log/events
`, *bucket, s.URL, s.URL, strings.TrimPrefix(s.URL, "http"), key, s.URL, s.URL)
	<-ctx.Done()
	return nil
}

// firstKey returns the key of the first start, or makes one.
func firstKey(ctx context.Context, bucket string) (string, error) {
	text, err := os.ReadFile(keyFile)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	s, err := store.Open(ctx, bucket)
	if err != nil {
		return "", err
	}
	log := commitlog.Open(s)
	key, _, err := access.NewRing(log, querier.NewEngine(log), nil).Create(ctx, "local", []string{"*:append,query,admin", "_firn:query,admin"}, time.Time{})
	if err != nil {
		return "", err
	}
	return key, os.WriteFile(keyFile, []byte(key+"\n"), 0o600)
}

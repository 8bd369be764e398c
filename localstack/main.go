//go:build unix

// Command localstack runs the whole serverless form of Firn on this machine: the
// functions' real binaries behind a gateway with their routes, an S3 server, a
// queue and a schedule. See docs/operating.md.
//
//	go run ./localstack -functions build/local
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/firnlog/firn/localstack/cloud"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "localstack:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	programs, bucket, data, listen string
	each                           int
}

func flags() (s settings) {
	flag.StringVar(&s.programs, "functions", "build/local", "directory with the functions' programs")
	flag.StringVar(&s.bucket, "bucket", "", "bucket: a folder, or an S3 server's with ?endpoint=URL&path-style=true and credentials in the environment; by default that of an S3 server which is started here")
	flag.StringVar(&s.data, "data", "firn-local", "directory for the server's data and the first key")
	flag.StringVar(&s.listen, "listen", "127.0.0.1:7490", "loopback address of the gateway")
	flag.IntVar(&s.each, "environments", 4, "environments of each function at most")
	flag.Parse()
	return s
}

func run(ctx context.Context) error {
	s := flags()
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return err
	}
	bucket, what, err := s.open(ctx)
	if err != nil {
		return err
	}
	key, err := prepare(ctx, bucket, s.data)
	if err != nil {
		return err
	}
	stack, err := cloud.Start(cloud.Options{Functions: s.programs, Bucket: bucket, Listen: s.listen, Concurrency: s.each, Schedule: time.Minute,
		Timeout: 5 * time.Minute, Env: credentialsFromHere(), Log: os.Stderr})
	if err != nil {
		return err
	}
	defer stack.Stop()
	fmt.Printf(`firn's functions are ready, up to %d environments of each, over %s

  HTTP API           %s
  streamed queries   %s/answers
  live tails         %s/stream
  WebSocket API      ws%s/ws
  compactor          every minute, and when the log grows fast

  export FIRN_URL=%s FIRN_KEY=%s
  curl -sS -H "Authorization: Bearer $FIRN_KEY" --json '{"stream_id":"a","event_type":"made","payload":{"n":1}}' "$FIRN_URL/v1/instances/my-log/events?autoCreate=true"
  curl -sS -H "Authorization: Bearer $FIRN_KEY" -H 'Prefer: respond-async' --json '{"stream_id":"a","payload":{"n":2}}' "$FIRN_URL/v1/instances/my-log/events"
  curl -sS -H "Authorization: Bearer $FIRN_KEY" "$FIRN_URL/v1/instances/my-log/events"
  curl -sSN -H "Authorization: Bearer $FIRN_KEY" "$FIRN_URL/stream/v1/instances/my-log/tail?after=start"
`, s.each, what, stack.URL, stack.URL, stack.URL, strings.TrimPrefix(stack.URL, "http"), stack.URL, key)
	<-ctx.Done()
	return nil
}

// open returns the bucket's URL, and what it is: the one that was asked for, that
// of an S3 server which it starts, or a folder.
func (s settings) open(ctx context.Context) (bucket, what string, err error) {
	bucket = s.bucket
	if server, program := installed(); bucket == "" && program != "" {
		bucket, err = server.start(ctx, program, s.data)
		return bucket, filepath.Base(program) + ", " + server.note, err
	}
	if bucket == "" {
		bucket = "file://" + filepath.Join(s.data, "bucket")
		fmt.Fprintln(os.Stderr, "no S3 server is installed (make tools installs two): the bucket is a folder")
	}
	if dir, ok := strings.CutPrefix(bucket, "file://"); ok {
		if dir, err = filepath.Abs(dir); err != nil {
			return "", "", err
		}
		bucket = "file://" + dir
	}
	return bucket, bucket, nil
}

// credentialsFromHere returns the credentials of this process for the functions;
// where there are none the queue and the gateway here take any.
func credentialsFromHere() (env []string) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		value := os.Getenv(name)
		if value == "" && name != "AWS_SESSION_TOKEN" {
			value = "local"
		}
		env = append(env, name+"="+value)
	}
	return env
}

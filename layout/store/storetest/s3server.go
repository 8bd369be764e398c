package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The S3 servers of the tests, as `make tools` installs them.
const (
	versitygw = "versitygw-v1.8.0"
	minio     = "minio-v0.0.0-20260212201848-7aac2a2c5b7c"
)

const (
	accessKey = "firn"
	region    = "us-east-1"
)

// secretKey differs between processes, so that none takes another's server,
// which got a port that both had seen free, for its own.
var secretKey = rand.Text()

// S3Server is an S3 server for the time of a test.
type S3Server struct {
	// Endpoint is the server's URL, such as http://127.0.0.1:41234.
	Endpoint string
	// Dir is the directory with its data: an object lies at, or below, its bucket
	// and key.
	Dir string

	t       testing.TB
	mu      sync.Mutex
	buckets map[string]bool
}

// StartS3 starts an S3 server (versitygw) on a free loopback port with its
// data in a temporary directory, sets the environment's AWS credentials to its
// own for the time of t, and ends it with t. It skips the test where the
// program is not installed, and fails it where CI is set.
func StartS3(t testing.TB) *S3Server {
	t.Helper()
	return start(t, findProgram(t, versitygw, "FIRN_VERSITYGW"), func(program, address, dir string) *exec.Cmd {
		cmd := exec.Command(program, "--port", address, "--region", region, "--keep-alive", "--quiet", "posix", dir)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
		return cmd
	})
}

// StartMinIO is StartS3 with a server that carries out lifecycle rules (MinIO),
// and looks all the time for what these select.
func StartMinIO(t testing.TB) *S3Server {
	t.Helper()
	return start(t, findProgram(t, minio, "FIRN_MINIO"), func(program, address, dir string) *exec.Cmd {
		cmd := exec.Command(program, "server", "--quiet", "--address", address, dir)
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+accessKey, "MINIO_ROOT_PASSWORD="+secretKey,
			"MINIO_SCANNER_SPEED=fastest", "MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=1")
		return cmd
	})
}

// start starts a server, of which command makes one try.
func start(t testing.TB, program string, command func(program, address, dir string) *exec.Cmd) *S3Server {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	dir := t.TempDir()
	for range 5 { // another process may take the port between its choice and its use
		address := freeAddress(t)
		if startServer(t, command(program, address, dir), address) {
			return &S3Server{Endpoint: "http://" + address, Dir: dir, t: t, buckets: map[string]bool{}}
		}
	}
	t.Fatal("the S3 server does not start")
	return nil
}

// findProgram returns a program of the tests: the one that a variable of the
// environment names, or that was installed.
func findProgram(t testing.TB, name, variable string) string {
	t.Helper()
	if program := os.Getenv(variable); program != "" {
		return program
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	program := filepath.Join(cache, "firn", "bin", name)
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: run make tools", program)
	}
	t.Skipf("NOT TESTED ON S3: %s is not installed: run make tools", program)
	return ""
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startServer runs the server until the end of t and reports whether it came
// to answer. What it prints is logged if the test fails.
func startServer(t testing.TB, cmd *exec.Cmd, address string) bool {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the S3 server: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	stop := func() {
		_ = cmd.Process.Kill()
		<-exited
	}
	if !answers(address, exited) {
		stop()
		t.Logf("the S3 server at %s:\n%s", address, &output)
		return false
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("the S3 server:\n%s", &output)
		}
	})
	return true
}

// answers waits until the server at address answers, or has exited.
func answers(address string, exited <-chan struct{}) bool {
	client := newClient("http://" + address)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := client.ListBuckets(ctx, &s3.ListBucketsInput{}); err == nil {
			return true
		}
		select {
		case <-exited:
			return false
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// URL returns the URL for store.Open of a place on the server, "bucket" or
// "bucket/prefix", and makes the bucket if this server has none of that name.
func (s *S3Server) URL(place string) string {
	s.t.Helper()
	bucket, _, _ := strings.Cut(place, "/")
	s.makeBucket(bucket)
	query := url.Values{"endpoint": {s.Endpoint}, "region": {region}, "path-style": {"true"}}
	return fmt.Sprintf("s3://%s?%s", place, query.Encode())
}

func (s *S3Server) makeBucket(bucket string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucket] {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := s.Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	if _, owned := errors.AsType[*types.BucketAlreadyOwnedByYou](err); err != nil && !owned {
		s.t.Fatalf("create bucket %s: %v", bucket, err)
	}
	s.buckets[bucket] = true
}

// Client returns a plain client of the server, for what a store does not do.
func (s *S3Server) Client() *s3.Client { return newClient(s.Endpoint) }

// PutAged stores an object of some age in MinIO, which takes a time from the
// service that it believes to replicate from.
func (s *S3Server) PutAged(bucket, key string, body []byte, age time.Duration) {
	s.t.Helper()
	at := time.Now().Add(-age).UTC().Format(time.RFC3339Nano)
	_, err := s.Client().PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)}, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("X-Minio-Source-Mtime", at),
			smithyhttp.AddHeaderValue("X-Minio-Source-Replication-Request", "true"))
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func newClient(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint,
		Region:       region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		Retryer:      aws.NopRetryer{},
	})
}

//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// server is an S3 server of this machine, as `make tools` installs it.
type server struct {
	name string
	note string // what it does about lifecycle rules
	// command runs it on an address over a directory.
	command func(program, address, dir string) []string
	secrets [2]string // names of the variables with its credentials
	env     []string
}

// servers are in the order of preference.
var servers = []server{
	{"minio", "which carries out the lifecycle rule for dropped files",
		func(program, address, dir string) []string {
			return []string{program, "server", "--quiet", "--address", address, dir}
		}, [2]string{"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}, []string{"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=1"}},
	{"versitygw", "which knows no lifecycle rules: the compactor deletes dropped files itself",
		func(program, address, dir string) []string {
			return []string{program, "--port", address, "--region", "us-east-1", "--keep-alive", "--quiet", "posix", dir}
		}, [2]string{"ROOT_ACCESS_KEY", "ROOT_SECRET_KEY"}, nil},
}

// installed returns the first server that is there, and its program.
func installed() (server, string) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return server{}, ""
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir == "" { // where scripts/tools.sh puts it on every system
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	for _, s := range servers {
		found, _ := filepath.Glob(filepath.Join(cache, "firn", "bin", s.name+"-*"))
		if len(found) > 0 {
			return s, slices.Max(found)
		}
	}
	return server{}, ""
}

// start runs the server over a directory until ctx ends, makes a bucket, and sets
// this process' credentials to its own. It returns the bucket's URL.
func (s server) start(ctx context.Context, program, dir string) (string, error) {
	dir = filepath.Join(dir, s.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	l.Close()
	user, secret := "firn", rand.Text()
	args := s.command(program, address, dir)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), s.env...), s.secrets[0]+"="+user, s.secrets[1]+"="+secret)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", err
	}
	go func() { _ = cmd.Wait() }() // it ends with ctx
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": ""} {
		os.Setenv(name, value)
	}
	endpoint := "http://" + address
	if err := makeBucket(ctx, endpoint, user, secret); err != nil {
		return "", fmt.Errorf("%s: %w", s.name, err)
	}
	query := url.Values{"endpoint": {endpoint}, "region": {"us-east-1"}, "path-style": {"true"}}
	return "s3://" + bucketName + "/firn?" + query.Encode(), nil
}

const bucketName = "firn-local"

// makeBucket waits until the server answers, and makes the bucket.
func makeBucket(ctx context.Context, endpoint, user, secret string) error {
	client := s3.New(s3.Options{BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(user, secret, "")})
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
		if _, owned := errors.AsType[*types.BucketAlreadyOwnedByYou](err); err == nil || owned {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
)

// old stores an object that is three days old in MinIO, which takes a time from
// the service that it believes to replicate from.
func old(t *testing.T, server *storetest.S3Server, bucket, key string, tags string) {
	t.Helper()
	at := time.Now().AddDate(0, 0, -3).UTC().Format(time.RFC3339Nano)
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte("events"))}
	if tags != "" {
		in.Tagging = &tags
	}
	_, err := server.Client().PutObject(t.Context(), in, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue("X-Minio-Source-Mtime", at),
			smithyhttp.AddHeaderValue("X-Minio-Source-Replication-Request", "true"))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rulesOf opens a place of a server and its rules.
func rulesOf(t *testing.T, server *storetest.S3Server, place string) (store.Store, store.Rules) {
	t.Helper()
	s, err := store.Open(t.Context(), server.URL(place))
	if err != nil {
		t.Fatal(err)
	}
	s = store.NewCounted(s)
	rules, ok := store.RulesOf(s)
	if !ok {
		t.Fatal("a bucket on S3 has no rules")
	}
	return s, rules
}

// TestRule: the lifecycle rule deletes what is tagged as dropped and of its own
// prefix, on the server's disk, and that only; and others' rules stay.
func TestRule(t *testing.T) {
	server := storetest.StartMinIO(t)
	s, rules := rulesOf(t, server, "bucket/mine")
	ctx := t.Context()
	foreign := types.LifecycleRule{ID: aws.String("theirs"), Status: types.ExpirationStatusEnabled,
		Filter: &types.LifecycleRuleFilter{Prefix: aws.String("elsewhere/")}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(30)}}
	_, err := server.Client().PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String("bucket"), LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{foreign}}})
	if err != nil {
		t.Fatal(err)
	}
	const dropped = "firn-state=dropped"
	old(t, server, "bucket", "mine/data/gone", dropped)
	old(t, server, "bucket", "mine/data/untagged", "")
	old(t, server, "bucket", "mine/data/other-tag", "firn-state=kept")
	old(t, server, "bucket", "other/data/dropped", dropped)
	old(t, server, "bucket", "mine/data/tagged-later", "")
	if err := s.SetTags(ctx, "data/tagged-later", store.Dropped); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there
		if ok, err := rules.EnsureRule(ctx); !ok || err != nil {
			t.Fatalf("the rule is not there: %v", err)
		}
	}
	waitGone(t, server, "mine/data/gone", "mine/data/tagged-later")
	for _, key := range []string{"mine/data/untagged", "mine/data/other-tag", "other/data/dropped"} {
		if _, err := os.Stat(filepath.Join(server.Dir, "bucket", key)); err != nil {
			t.Errorf("the rule deleted what it should not: %v", err)
		}
	}
	out, err := server.Client().GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String("bucket")})
	if err != nil || len(out.Rules) != 2 || *out.Rules[0].ID != "theirs" || *out.Rules[0].Expiration.Days != 30 || *out.Rules[0].Filter.Prefix != "elsewhere/" {
		t.Errorf("the bucket's rules are %+v, %v", out.Rules, err)
	}
}

// waitGone waits until objects are gone from the server's disk.
func waitGone(t *testing.T, server *storetest.S3Server, keys ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, key := range keys {
		for {
			if _, err := os.Stat(filepath.Join(server.Dir, "bucket", key)); os.IsNotExist(err) {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("the rule does not delete %s", key)
			}
		}
	}
}

// TestDisabledRule: who disabled the rule meant it.
func TestDisabledRule(t *testing.T) {
	server := storetest.StartMinIO(t)
	_, rules := rulesOf(t, server, "bucket")
	ctx := t.Context()
	if ok, err := rules.EnsureRule(ctx); !ok || err != nil {
		t.Fatal(err)
	}
	out, err := server.Client().GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String("bucket")})
	if err != nil {
		t.Fatal(err)
	}
	out.Rules[0].Status = types.ExpirationStatusDisabled
	_, err = server.Client().PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String("bucket"), LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: out.Rules}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := rules.EnsureRule(ctx); ok || err != nil {
		t.Errorf("a rule that is disabled deletes: %v, %v", ok, err)
	}
}

// TestVersioned: a bucket that keeps former versions is told from one that does
// not.
func TestVersioned(t *testing.T) {
	server := storetest.StartMinIO(t)
	_, rules := rulesOf(t, server, "bucket")
	if kept, err := rules.Versioned(t.Context()); kept || err != nil {
		t.Fatalf("%v, %v", kept, err)
	}
	_, err := server.Client().PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: aws.String("bucket"),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := rules.Versioned(t.Context()); !kept || err != nil {
		t.Errorf("%v, %v", kept, err)
	}
}

// TestNoRules: what cannot delete by rules says so.
func TestNoRules(t *testing.T) {
	for name, s := range map[string]store.Store{"memory": store.NewMemory(), "folder": openFolder(t, t.TempDir())} {
		if _, ok := store.RulesOf(s); ok {
			t.Errorf("a %s has rules", name)
		}
	}
	_, rules := rulesOf(t, storetest.StartS3(t), "bucket")
	if ok, err := rules.EnsureRule(t.Context()); ok || err != nil {
		t.Errorf("versitygw deletes by rules: %v, %v", ok, err)
	}
}

package store

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/firnlog/firn/layout/fault"
)

// S3 is a bucket, or the part of one below a prefix, on a service that speaks
// S3 and honours If-None-Match: * on PutObject and CompleteMultipartUpload.
type S3 struct {
	client *s3.Client
	bucket string
	prefix string // "" or ends with a slash
}

// S3Options say where a bucket is. Credentials, and what is left empty here,
// come from where the AWS SDK and command line look for them: environment,
// shared files, the machine's or function's role.
type S3Options struct {
	Bucket    string
	Prefix    string // keys lie below it; empty or a key itself
	Endpoint  string // such as http://127.0.0.1:9000; empty means AWS
	Region    string // with an Endpoint, empty means us-east-1
	PathStyle bool   // bucket in the path of URLs, not in the host name
}

// OpenS3 returns the bucket that opts describe. It sends nothing to the
// service: a first request, best that of [Probe], tells whether it is there.
func OpenS3(ctx context.Context, opts S3Options) (*S3, error) {
	if opts.Prefix != "" {
		if err := CheckKey(opts.Prefix); err != nil {
			return nil, fault.Wrap(err, "bucket prefix")
		}
		opts.Prefix += "/"
	}
	if len(opts.Prefix) > 100 {
		return nil, fault.New(fault.Invalid, "bucket prefix %s has more than 99 bytes", opts.Prefix)
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(opts.Region), config.WithHTTPClient(httpClient()),
		config.WithRetryer(readRetryer), config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "load the AWS configuration: %w", err)
	}
	if cfg.Region == "" && opts.Endpoint != "" {
		cfg.Region = "us-east-1" // where the service is not AWS the name only enters signatures
	}
	if cfg.Region == "" {
		return nil, fault.New(fault.Invalid, "bucket %s: no region: set AWS_REGION or add ?region=…", opts.Bucket)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = opts.PathStyle
		o.DisableLogOutputChecksumValidationSkipped = true
		if opts.Endpoint != "" {
			o.BaseEndpoint = &opts.Endpoint
		}
	})
	return &S3{client: client, bucket: opts.Bucket, prefix: opts.Prefix}, nil
}

// readRetryer tries reads three times with short waits: who waits for them can
// do more with a clear error soon than with an answer much later.
func readRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			wait := min(50*time.Millisecond<<attempt, 500*time.Millisecond)
			return wait/2 + rand.N(wait/2), nil
		})
	})
}

// httpClient gives up on a service that does not accept or answer, and keeps
// as many connections as a busy server or a wide query uses at once. The read
// timeout is long since it also counts the time that an upload takes.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 5 * time.Second }).
		WithReadTimeout(5 * time.Minute).
		WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = 30 * time.Second
			t.MaxIdleConns = 0 // no limit of its own
			t.MaxIdleConnsPerHost = 256
		})
}

// name returns a key's name in the bucket.
func (s *S3) name(key string) *string { return aws.String(s.prefix + key) }

// storeTime returns the Date of an answer; zero without one, which Probe
// refuses.
func storeTime(metadata middleware.Metadata) time.Time {
	t, _ := awsmiddleware.GetServerTime(metadata)
	return t
}

// Get implements [Store].
func (s *S3) Get(ctx context.Context, key string, r Range) (*Object, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: s.name(key)}
	if h := r.header(); h != "" {
		in.Range = &h
	}
	out, err := s.client.GetObject(ctx, in)
	if r.Offset < 0 && statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return s.getEmpty(ctx, key)
	}
	if err != nil {
		return nil, s.readError("get "+key, err)
	}
	size, err := wholeSize(out, r)
	if err != nil {
		out.Body.Close()
		return nil, fault.Wrap(err, "get %s", key)
	}
	return &Object{
		Info:      Info{Key: key, Size: size, Modified: aws.ToTime(out.LastModified)},
		Body:      &answerBody{body: out.Body, key: key},
		StoreTime: storeTime(out.ResultMetadata),
	}, nil
}

// getEmpty gets an object whose last bytes cannot be had, as HTTP sees it: one
// that has none.
func (s *S3) getEmpty(ctx context.Context, key string) (*Object, error) {
	o, err := s.Get(ctx, key, Range{})
	if err == nil && o.Size > 0 {
		o.Body.Close()
		return nil, fault.New(fault.Unavailable, "get %s: the service refuses the range of its last bytes", key)
	}
	return o, err
}

// wholeSize returns the size of the object of which out brings r.
func wholeSize(out *s3.GetObjectOutput, r Range) (int64, error) {
	length := aws.ToInt64(out.ContentLength)
	if r == (Range{}) {
		return length, nil
	}
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if size, err := strconv.ParseInt(total, 10, 64); err == nil {
			return size, nil
		}
	} else if length == 0 { // some services answer with all of nothing, where others refuse
		_, _, err := r.within(0)
		return 0, err
	}
	return 0, fault.New(fault.Unavailable, "asked for a range, the service answered with Content-Range %q",
		aws.ToString(out.ContentRange))
}

// List implements [Store].
func (s *S3) List(ctx context.Context, opts ListOptions) (Page, error) {
	if err := alive(ctx); err != nil {
		return Page{}, err
	}
	in := &s3.ListObjectsV2Input{
		Bucket:  &s.bucket,
		Prefix:  s.name(opts.Prefix),
		MaxKeys: aws.Int32(int32(opts.limit())),
	}
	if opts.StartAfter != "" {
		in.StartAfter = s.name(opts.StartAfter)
	}
	for {
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return Page{}, s.readError("list "+opts.Prefix, err)
		}
		if out.Name == nil { // an answer without content would pass for an empty bucket
			return Page{}, fault.New(fault.Unavailable, "list %s in bucket %s: the answer is no listing", opts.Prefix, s.bucket)
		}
		more := aws.ToBool(out.IsTruncated)
		if more && len(out.Contents) == 0 { // allowed, and of no use to the caller
			in.ContinuationToken = out.NextContinuationToken
			continue
		}
		return Page{Objects: s.infos(out.Contents), More: more, StoreTime: storeTime(out.ResultMetadata)}, nil
	}
}

func (s *S3) infos(objects []types.Object) []Info {
	infos := make([]Info, len(objects))
	for i, o := range objects {
		infos[i] = Info{
			Key:      strings.TrimPrefix(aws.ToString(o.Key), s.prefix),
			Size:     aws.ToInt64(o.Size),
			Modified: aws.ToTime(o.LastModified),
		}
	}
	return infos
}

// Delete implements [Store].
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	ctx, sent := watch(ctx)
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.name(key)}, once)
	err = s.writeError("delete "+key, err, sent)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// SetTags implements [Store].
func (s *S3) SetTags(ctx context.Context, key string, tags map[string]string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	set := []types.Tag{}
	for name, value := range tags {
		set = append(set, types.Tag{Key: &name, Value: &value})
	}
	ctx, sent := watch(ctx)
	_, err := s.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: &s.bucket, Key: s.name(key), Tagging: &types.Tagging{TagSet: set},
	}, once)
	return s.writeError("tag "+key, err, sent)
}

// Tags implements [Store].
func (s *S3) Tags(ctx context.Context, key string) (map[string]string, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	out, err := s.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &s.bucket, Key: s.name(key)})
	if err != nil {
		return nil, s.readError("tags of "+key, err)
	}
	tags := make(map[string]string, len(out.TagSet))
	for _, t := range out.TagSet {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

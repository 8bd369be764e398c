package store

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/layout/fault"
)

// Bodies of more than multipartAbove bytes go up in parts of at least partSize
// bytes each, a few at once, but for those that are put if absent: these are one
// request whatever their size, since not every store heeds the condition when parts
// become an object. Variables for tests.
var (
	multipartAbove int64 = 64 << 20
	partSize       int64 = 16 << 20
)

const partsAtOnce = 4

// once keeps the SDK from repeating a write: whether an unknown outcome may be
// tried again is for the caller to say.
func once(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

// noneMatch returns the If-None-Match of a put.
func (c Condition) noneMatch() *string {
	if c == IfAbsent {
		return aws.String("*")
	}
	return nil
}

// Put implements [Store].
func (s *S3) Put(ctx context.Context, key string, body Body, cond Condition) (Receipt, error) {
	if err := begin(ctx, key); err != nil {
		return Receipt{}, err
	}
	if body.Size() > multipartAbove && cond == Always {
		return s.putParts(ctx, key, body)
	}
	if body.Size() > multipartAbove {
		if err := s.free(ctx, key); err != nil {
			return Receipt{}, err
		}
	}
	ctx, sent := watch(ctx)
	out, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: s.name(key),
		Body:        io.NewSectionReader(body, 0, body.Size()), // seekable, as http without TLS needs it
		IfNoneMatch: cond.noneMatch(),
	}, once)
	if err != nil {
		return Receipt{}, s.writeError("put "+key, err, sent)
	}
	return Receipt{storeTime(out.ResultMetadata)}, nil
}

// free returns Exists if there is an object at key already: a service that refuses a
// large body may close the connection on it, and then nobody can tell why.
func (s *S3) free(ctx context.Context, key string) error {
	o, err := s.Get(ctx, key, Range{Length: 1})
	switch {
	case err == nil:
		o.Body.Close()
		return exists(key)
	case fault.Is(err, fault.Invalid): // an empty object has no first byte
		return exists(key)
	case fault.Is(err, fault.NotFound):
		return nil
	}
	return err
}

// putParts stores body by a multipart upload, which shows nothing until it is
// completed. A crash before leaves parts that only a lifecycle rule removes.
func (s *S3) putParts(ctx context.Context, key string, body Body) (Receipt, error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: s.name(key)}
	if s.client.Options().RequestChecksumCalculation == aws.RequestChecksumCalculationWhenSupported {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32 // which the SDK then sends with each part
	}
	created, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return Receipt{}, s.readError("put "+key, err)
	}
	parts, err := s.uploadParts(ctx, key, created.UploadId, body)
	if err != nil {
		s.abort(ctx, key, created.UploadId)
		return Receipt{}, s.readError("put "+key, err)
	}
	receipt, err := s.complete(ctx, key, created.UploadId, parts)
	if err != nil && !fault.Is(err, fault.Unknown) { // else it may yet be completed
		s.abort(ctx, key, created.UploadId)
	}
	return receipt, err
}

func (s *S3) uploadParts(ctx context.Context, key string, upload *string, body Body) ([]types.CompletedPart, error) {
	size := max(partSize, body.Size()/1000+1) // at most 10,000 parts are allowed
	parts := make([]types.CompletedPart, (body.Size()+size-1)/size)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i := range parts {
		g.Go(func() error {
			offset := int64(i) * size
			number := aws.Int32(int32(i + 1))
			out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &s.bucket, Key: s.name(key), UploadId: upload, PartNumber: number,
				Body: io.NewSectionReader(body, offset, min(size, body.Size()-offset)),
			})
			if err != nil {
				return err
			}
			parts[i] = types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
			return nil
		})
	}
	return parts, g.Wait()
}

// complete makes an object of the parts: the one write of the upload.
func (s *S3) complete(ctx context.Context, key string, upload *string, parts []types.CompletedPart) (Receipt, error) {
	ctx, sent := watch(ctx)
	out, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: s.name(key), UploadId: upload,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}, once)
	if err != nil {
		return Receipt{}, s.writeError("put "+key, err, sent)
	}
	if out.ETag == nil { // the answer began with 200 while the service was at work, and broke off
		return Receipt{}, fault.New(fault.Unknown, "put %s: the service's answer has no end", key)
	}
	return Receipt{storeTime(out.ResultMetadata)}, nil
}

// abort drops the parts of an upload that will not be completed, as well as it
// can: also when ctx has ended.
func (s *S3) abort(ctx context.Context, key string, upload *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, _ = s.client.AbortMultipartUpload(ctx,
		&s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: s.name(key), UploadId: upload})
}

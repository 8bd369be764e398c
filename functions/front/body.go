package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/firnlog/firn/layout/fault"
)

// Bounds of request bodies; those of appends may be set lower by [Limits].
const (
	MaxBody         = 32 << 20 // bytes of an append as sent
	MaxDecompressed = 64 << 20 // bytes of an append after decompression
	MaxSmallBody    = 1 << 20  // bytes of every other body, both ways
)

// maxWindow bounds the window of a zstd stream. RFC 8878 asks every decoder
// for 8 MB, and none of the usual levels needs more.
const maxWindow = 8 << 20

// firstRead is what a body is read into at first, in bytes.
const firstRead = 8 << 10

// errMediaType marks bodies of a form that Firn does not take.
var errMediaType = errors.New("unsupported media type")

// The media types of bodies.
const (
	TypeJSON       = "application/json"
	TypeNDJSON     = "application/x-ndjson"
	TypeJSONLines  = "application/jsonl"
	TypeCloudEvent = "application/cloudevents+json"
	TypeCloudBatch = "application/cloudevents-batch+json"
)

// MediaType returns the body's media type when it is one of taken; a request
// that does not say is JSON. Errors have status 415.
func MediaType(r *http.Request, taken ...string) (string, error) {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return TypeJSON, nil
	}
	name, params, err := mime.ParseMediaType(given)
	if err == nil {
		for _, t := range taken {
			if charset, ok := params["charset"]; name == t && (!ok || strings.EqualFold(charset, "utf-8")) {
				return t, nil
			}
		}
	}
	return "", refuse("the Content-Type %q is not taken: use %s, in UTF-8", given, strings.Join(taken, ", "))
}

// refuse returns an error for status 415.
func refuse(format string, what string, taken ...any) error {
	text := fmt.Sprintf(format, append([]any{shorten(what)}, taken...)...)
	return fault.New(fault.Invalid, "%w", &mediaError{text})
}

// mediaError is an errMediaType with a text of its own.
type mediaError struct{ text string }

func (e *mediaError) Error() string { return e.text }
func (e *mediaError) Unwrap() error { return errMediaType }

// ReadAppend reads the body of an append as [ReadBody] does, within the limits.
func (s *Service) ReadAppend(w http.ResponseWriter, r *http.Request, l *Loan) ([]byte, error) {
	return ReadBody(w, r, l, s.Limits.Body, s.Limits.Decompressed)
}

// ReadBody reads and decompresses a request's body on the loan l. It reads at
// most raw bytes as sent and plain bytes after decompression, and takes gzip,
// deflate (in its zlib form, RFC 9110), zstd and none.
func ReadBody(w http.ResponseWriter, r *http.Request, l *Loan, raw, plain int64) ([]byte, error) {
	if r.ContentLength > raw {
		return nil, fault.New(fault.Limit, "the body has %d bytes, the limit is %d", r.ContentLength, raw)
	}
	encoding := strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ",")))
	src := io.Reader(http.MaxBytesReader(w, r.Body, raw))
	size := r.ContentLength
	switch encoding {
	case "", "identity":
		if size > plain { // before it is sent, where the client asks
			return nil, fault.New(fault.Limit, "the body has %d bytes, the limit is %d", size, plain)
		}
	case "gzip":
		gz, err := gzip.NewReader(src)
		if err != nil {
			return nil, readError(r.Context(), encoding, err)
		}
		src, size = gz, -1
	case "deflate":
		zl, err := zlib.NewReader(src)
		if err != nil {
			return nil, readError(r.Context(), encoding, err)
		}
		src, size = zl, -1
	case "zstd":
		if err := l.Grow(r.Context(), maxWindow); err != nil {
			return nil, err
		}
		zs, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		defer zs.Close()
		src, size = zs, -1
	default:
		return nil, refuse("the Content-Encoding %q is not taken: use gzip, deflate, zstd or none", encoding)
	}
	body, err := readAll(r.Context(), src, size, plain, l)
	if err != nil {
		return nil, readError(r.Context(), encoding, err)
	}
	return body, nil
}

// readAll reads src to its end. size is how much there is said to be, or -1.
// Memory is borrowed before it is taken, and twice as much when it is full, or
// sixteen times where that much is announced, so that little is copied: a client that
// announces much and sends little holds little.
func readAll(ctx context.Context, src io.Reader, size, limit int64, l *Loan) ([]byte, error) {
	most, growth := limit+1, int64(2) // one byte more than there may be, to see the end
	if size >= 0 {
		most, growth = min(most, size+1), 16
	}
	var body []byte
	for room := min(firstRead, most); ; room = min(growth*room, most) {
		if err := l.Grow(ctx, room); err != nil {
			return nil, err
		}
		smaller := int64(cap(body))
		body = append(make([]byte, 0, room), body...)
		l.Shrink(smaller)
		for int64(len(body)) < room {
			n, err := src.Read(body[len(body):room])
			body = body[:len(body)+n]
			if int64(len(body)) > limit {
				return nil, fault.New(fault.Limit, "the body has more than %d bytes", limit)
			}
			if err == io.EOF {
				return body, nil
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

// readError says why a body could not be read.
func readError(ctx context.Context, encoding string, err error) error {
	var tooLarge *http.MaxBytesError
	var known *fault.Error
	switch {
	case errors.As(err, &tooLarge):
		return fault.New(fault.Limit, "the body has more than %d bytes", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.Invalid, "%w", errSlow)
	case fault.Is(err, fault.Limit) && encoding != "" && encoding != "identity":
		return fault.New(fault.Limit, "%w when it is decompressed", err)
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case encoding != "" && encoding != "identity":
		return fault.New(fault.Invalid, "the body is not whole and valid %s: %w", encoding, err)
	}
	return fault.New(fault.Invalid, "the body could not be read: %w", err)
}

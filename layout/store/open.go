package store

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// Open returns the bucket that a URL names:
//
//	file:///var/lib/firn      a folder (also file://relative/path); the rest is taken literally
//	mem://                    memory, empty, another one each time
//	s3://bucket/prefix        S3, with ?region=…&endpoint=…&path-style=true
//
// Errors are Invalid for a URL that says something else, and those of
// [OpenFolder] and [OpenS3].
func Open(ctx context.Context, rawURL string) (Store, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok || strings.ContainsAny(scheme, "/.") {
		return nil, fault.New(fault.Invalid, "store %q is not a URL: for a folder write file://%s", rawURL, rawURL)
	}
	rest = strings.TrimPrefix(rest, "//")
	switch scheme {
	case "file":
		if rest == "" || strings.ContainsAny(rest, "?#") {
			return nil, fault.New(fault.Invalid, "store %q: after file:// comes a path, without parameters", rawURL)
		}
		return OpenFolder(rest)
	case "mem":
		if rest != "" {
			return nil, fault.New(fault.Invalid, "store %q: nothing may come after mem://", rawURL)
		}
		return NewMemory(), nil
	case "s3":
		opts, err := parseS3(rawURL)
		if err != nil {
			return nil, fault.Wrap(err, "store %q", withoutSecrets(rawURL))
		}
		return OpenS3(ctx, opts)
	}
	return nil, fault.New(fault.Invalid, "store %q: unknown scheme %s: file, s3 and mem are known", rawURL, scheme)
}

// withoutSecrets returns the URL of a bucket for a message, without what may be
// a password: credentials do not belong there, and people put them there.
func withoutSecrets(rawURL string) string {
	if head, bucket, found := strings.Cut(rawURL, "@"); found {
		scheme, _, _ := strings.Cut(head, "://")
		return scheme + "://…@" + bucket
	}
	return rawURL
}

// parseS3 reads s3://bucket/prefix?region=…&endpoint=…&path-style=….
func parseS3(rawURL string) (S3Options, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // whose text would quote the URL
		return S3Options{}, fault.New(fault.Invalid, "it is not a URL: write s3://BUCKET/PREFIX?region=…")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return S3Options{}, fault.New(fault.Invalid, "%w", err)
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" {
		return S3Options{}, fault.New(fault.Invalid, "write s3://BUCKET or s3://BUCKET/PREFIX; "+
			"credentials come from the environment")
	}
	opts := S3Options{
		Bucket:   u.Host,
		Prefix:   strings.Trim(u.Path, "/"),
		Endpoint: query.Get("endpoint"),
		Region:   query.Get("region"),
	}
	for name, values := range query {
		if len(values) > 1 {
			return S3Options{}, fault.New(fault.Invalid, "parameter %s is given twice", name)
		}
		if !slices.Contains([]string{"endpoint", "region", "path-style"}, name) {
			return S3Options{}, fault.New(fault.Invalid, "unknown parameter %s: endpoint, region and path-style are known", name)
		}
	}
	if opts.Endpoint != "" {
		e, err := url.Parse(opts.Endpoint)
		if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" {
			return S3Options{}, fault.New(fault.Invalid, "endpoint %q: write http://HOST:PORT or https://HOST", opts.Endpoint)
		}
	}
	if style := query.Get("path-style"); style != "" {
		if opts.PathStyle, err = strconv.ParseBool(style); err != nil {
			return S3Options{}, fault.New(fault.Invalid, "path-style %q: write true or false", style)
		}
	}
	return opts, nil
}

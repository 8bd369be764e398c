package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/store/storetest"
)

// otherTime is an S3 server with a clock of its own: a proxy that shows another
// time than the server behind it. To its clients their own clock is wrong.
type otherTime struct {
	url   string
	ahead atomic.Int64 // of the true time, in nanoseconds
	proxy *httputil.ReverseProxy
}

func startOtherTime(t *testing.T, endpoint string) *otherTime {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	o := &otherTime{}
	o.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); sign(t, r.Out) },
		ModifyResponse: func(r *http.Response) error {
			for _, name := range []string{"Date", "Last-Modified"} {
				if at, err := http.ParseTime(r.Header.Get(name)); err == nil {
					r.Header.Set(name, at.Add(time.Duration(o.ahead.Load())).Format(http.TimeFormat))
				}
			}
			return nil
		},
	}
	srv := httptest.NewServer(o)
	t.Cleanup(srv.Close)
	o.url = srv.URL
	return o
}

// ServeHTTP refuses, as S3 does, what was signed at a time that is more than a
// quarter of an hour from its own.
func (o *otherTime) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(time.Duration(o.ahead.Load()))
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || now.Sub(at).Abs() > 15*time.Minute {
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>RequestTimeTooSkewed</Code><Message>made up by a test</Message></Error>`)
		return
	}
	o.proxy.ServeHTTP(w, r)
}

// sign signs a request anew, for the server's own time.
func sign(t *testing.T, r *http.Request) {
	r.Header.Del("Authorization")
	who := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(
		r.Context(), who, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", "us-east-1", time.Now())
	if err != nil {
		t.Error(err)
	}
}

// through returns the bucket's URL by this way.
func (o *otherTime) through(t *testing.T, bucket string) string {
	t.Helper()
	u, err := url.Parse(bucket)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("endpoint", o.url)
	u.RawQuery = query.Encode()
	return u.String()
}

// TestClocksApartOnS3 has processes append in turn of which each sees another
// difference between its clock and the store's.
func TestClocksApartOnS3(t *testing.T) {
	s3 := storetest.StartS3(t)
	bucket := s3.URL("firn/clocks")
	create(t, bucket, 1)
	l := newLedger()
	var logs []*commitlog.Log
	for _, ahead := range []time.Duration{-14 * time.Minute, 0, 14 * time.Minute} {
		o := startOtherTime(t, s3.Endpoint)
		o.ahead.Store(int64(ahead))
		logs = append(logs, commitlog.Open(open(t, o.through(t, bucket))))
	}
	n := int64(0)
	for round := range 6 {
		for i, log := range logs {
			b := commitlog.Batch{Events: eventsOf(fmt.Sprintf("e%d.%d", round, i), "a"), Key: fmt.Sprint(round, i), Hash: "h"}
			r := mustAppend(t, log, b)
			l.note(t, 1, b, r, nil)
			if n++; r.Events[0].Sequence != n {
				t.Fatalf("event %d was given the number %d", n, r.Events[0].Sequence)
			}
			for _, reader := range logs {
				l.check(t, reader)
			}
			if r := mustAppend(t, logs[(i+1)%len(logs)], b); !r.Replayed {
				t.Errorf("the key of event %d is not known", n)
			}
		}
		if _, err := (&compactor.Compactor{Log: logs[round%len(logs)]}).Run(t.Context(), instance); err != nil {
			t.Error(err)
		}
	}
	l.check(t, commitlog.Open(open(t, bucket)))
}

// TestClockFarOffS3 shows a server a time that is more than a quarter of an hour
// from its own: it does not write, says why, and goes on when the times agree.
func TestClockFarOffS3(t *testing.T) {
	s3 := storetest.StartS3(t)
	bucket := s3.URL("firn/far")
	create(t, bucket, 1)
	for i, ahead := range []time.Duration{16 * time.Minute, -16 * time.Minute} {
		o := startOtherTime(t, s3.Endpoint)
		o.ahead.Store(int64(ahead))
		s := serve(t, open(t, o.through(t, bucket)))
		a := s.append(t, fmt.Sprint("refused", i), "")
		day := time.Now().UTC().Format("2006-01-02T")
		if a.status != http.StatusServiceUnavailable || !strings.Contains(a.Error, "clock") || strings.Count(a.Error, day[:4]) != 2 {
			t.Errorf("%v ahead: %d: %s", ahead, a.status, a.Error)
		}
		o.ahead.Store(0)
		s.mustAppend(t, fmt.Sprint("accepted", i), "")
		if all, err := read(t.Context(), commitlog.Open(open(t, bucket))); err != nil || len(all) != 2*(i+1) {
			t.Errorf("%d events: %v", len(all), err)
		}
	}
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // without a second request, which would be signed by the store's clock
	o := startOtherTime(t, s3.Endpoint)
	o.ahead.Store(int64(16 * time.Minute))
	if a := serve(t, open(t, o.through(t, bucket))).append(t, "once", ""); a.status != http.StatusServiceUnavailable || !strings.Contains(a.Error, "clock") {
		t.Errorf("without a second request: %d: %s", a.status, a.Error)
	}
}

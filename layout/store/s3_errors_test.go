package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// openAt opens bucket b of the service at an endpoint, with some credentials.
func openAt(t *testing.T, endpoint string) store.Store {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	s, err := store.Open(t.Context(), "s3://b?path-style=true&endpoint="+url.QueryEscape(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// service is an S3 service with one answer to every request.
type service struct {
	*httptest.Server
	requests atomic.Int32
}

func serve(t *testing.T, answer http.HandlerFunc) (*service, store.Store) {
	t.Helper()
	f := &service{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f, openAt(t, f.URL)
}

func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if code != "" {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", code)
		}
	}
}

// breakOff takes a request and never answers, as a connection lost.
func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestS3WriteErrors(t *testing.T) {
	f := func(name string, answer http.HandlerFunc, want fault.Kind) {
		t.Run(name, func(t *testing.T) {
			service, s := serve(t, answer)
			wantKind(t, "put", putString(s, "k", "x", store.IfAbsent), want)
			wantKind(t, "set tags", s.SetTags(t.Context(), "k", nil), want)
			if want != fault.NotFound {
				wantKind(t, "delete", s.Delete(t.Context(), "k"), want)
			} else if err := s.Delete(t.Context(), "k"); err != nil {
				t.Errorf("delete: %v", err)
			}
			if n := service.requests.Load(); n != 3 {
				t.Errorf("%d requests for 3 writes: a write must not be repeated", n)
			}
		})
	}
	f("Exists", refuse(412, "PreconditionFailed"), fault.Exists)
	f("ExistsWithoutText", refuse(412, ""), fault.Exists)
	f("Conflict", refuse(409, "ConditionalRequestConflict"), fault.Conflict)
	f("NoSuchKey", refuse(404, "NoSuchKey"), fault.NotFound)
	f("NoSuchBucket", refuse(404, "NoSuchBucket"), fault.Unavailable)
	f("NotFoundByProxy", refuse(404, ""), fault.Unavailable)
	f("Forbidden", refuse(403, "AccessDenied"), fault.Unavailable)
	f("NotImplemented", refuse(501, "NotImplemented"), fault.Unavailable)
	f("OtherRegion", refuse(301, "PermanentRedirect"), fault.Unavailable)
	f("RequestTimeout", refuse(408, ""), fault.Unknown)
	f("InternalError", refuse(500, "InternalError"), fault.Unknown)
	f("BadGateway", refuse(502, ""), fault.Unknown)
	f("SlowDown", refuse(503, "SlowDown"), fault.Unknown)
	f("GatewayTimeout", refuse(504, ""), fault.Unknown)
	f("NoAnswer", breakOff, fault.Unknown)
}

func TestS3ReadErrors(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	f := func(name string, answer http.HandlerFunc, want fault.Kind) {
		t.Run(name, func(t *testing.T) {
			_, s := serve(t, answer)
			_, err := s.Get(t.Context(), "k", store.Range{})
			wantKind(t, "get", err, want)
			_, err = s.Tags(t.Context(), "k")
			wantKind(t, "tags", err, want)
		})
	}
	f("NoSuchKey", refuse(404, "NoSuchKey"), fault.NotFound)
	f("NoSuchBucket", refuse(404, "NoSuchBucket"), fault.Unavailable)
	f("NotFoundByProxy", refuse(404, ""), fault.Unavailable)
	f("Forbidden", refuse(403, "AccessDenied"), fault.Unavailable)
	f("SlowDown", refuse(503, "SlowDown"), fault.Unavailable)
	f("NoAnswer", breakOff, fault.Unavailable)

	_, s := serve(t, refuse(403, "AccessDenied"))
	if _, err := s.Get(t.Context(), "k", store.Range{}); !strings.Contains(err.Error(), "right to list") {
		t.Errorf("a 403 without a hint: %v", err)
	}
}

// TestS3ReadsAreRepeated has a service that fails at first.
func TestS3ReadsAreRepeated(t *testing.T) {
	var n atomic.Int32
	_, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			refuse(503, "SlowDown")(w, r)
			return
		}
		_, _ = w.Write([]byte("content"))
	})
	wantContent(t, s, "k", "content")
}

func TestS3NothingSent(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, endpoint := range []string{gone.URL, "http://no-such-host.invalid"} {
		s := openAt(t, endpoint)
		wantKind(t, "put", putString(s, "k", "x", store.IfAbsent), fault.Unavailable)
		wantKind(t, "delete", s.Delete(t.Context(), "k"), fault.Unavailable)
	}
}

func TestS3NoCredentials(t *testing.T) {
	service, _ := serve(t, refuse(200, ""))
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	s, err := store.Open(t.Context(), "s3://b?path-style=true&endpoint="+service.URL)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "put", putString(s, "k", "x", store.IfAbsent), fault.Unavailable)
	if n := service.requests.Load(); n != 0 {
		t.Errorf("%d requests without credentials", n)
	}
}

// TestS3Cancelled cancels a put that the service has and does not answer.
func TestS3Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := s.Put(ctx, "k", strings.NewReader("x"), store.IfAbsent)
	wantKind(t, "put", err, fault.Unknown)
}

func TestS3BrokenAnswers(t *testing.T) {
	_, s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("not a hundred"))
	})
	_, _, err := store.ReadAll(t.Context(), s, "k")
	wantKind(t, "an answer that breaks off", err, fault.Unavailable)
	o, err := s.Get(t.Context(), "k", store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	_, err = io.ReadAll(o.Body)
	wantKind(t, "reading it", err, fault.Unavailable)

	_, s = serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("all of it")) })
	_, err = s.Get(t.Context(), "k", store.Range{Offset: 3, Length: 2})
	wantKind(t, "an answer that ignores the range", err, fault.Unavailable)
}

// TestS3EmptyObject has a service that refuses every range, as AWS does for an
// object without bytes.
func TestS3EmptyObject(t *testing.T) {
	content := ""
	_, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			refuse(416, "InvalidRange")(w, r)
			return
		}
		_, _ = w.Write([]byte(content))
	})
	o, err := s.Get(t.Context(), "k", store.Range{Offset: -8})
	if err != nil || o.Size != 0 {
		t.Fatalf("the last bytes of nothing: %+v, %v", o, err)
	}
	o.Body.Close()
	_, err = s.Get(t.Context(), "k", store.Range{Length: 8})
	wantKind(t, "the first bytes of nothing", err, fault.Invalid)
	content = "there are bytes"
	_, err = s.Get(t.Context(), "k", store.Range{Offset: -8})
	wantKind(t, "the last bytes refused", err, fault.Unavailable)
}

// multipart is a service that takes parts and answers to their completion as
// told.
type multipart struct {
	mu       sync.Mutex
	complete http.HandlerFunc
	part     http.HandlerFunc
	requests []string
}

func (m *multipart) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	q := r.URL.Query()
	step := "create"
	switch {
	case r.Method == http.MethodPost && q.Has("uploadId"):
		step = "complete"
	case r.Method == http.MethodDelete:
		step = "abort"
	case r.Method == http.MethodPut:
		step = "part"
	}
	m.mu.Lock()
	m.requests = append(m.requests, step)
	m.mu.Unlock()
	switch step {
	case "create":
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
	case "part":
		w.Header().Set("ETag", `"e"`)
		m.part(w, r)
	case "complete":
		m.complete(w, r)
	}
}

func TestS3MultipartErrors(t *testing.T) {
	store.SetMultipart(t, 10, 10)
	ok := func(http.ResponseWriter, *http.Request) {}
	done := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>`)
	}
	f := func(name string, part, complete http.HandlerFunc, want error, wantSteps string) {
		t.Run(name, func(t *testing.T) {
			m := &multipart{part: part, complete: complete}
			_, s := serve(t, m.ServeHTTP)
			_, err := s.Put(t.Context(), "k", bytes.NewReader(make([]byte, 25)), store.Always)
			if want != nil {
				wantKind(t, "put", err, fault.KindOf(want))
			} else if err != nil {
				t.Errorf("put: %v", err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if got := strings.Join(slices.Compact(m.requests), " "); got != wantSteps {
				t.Errorf("steps %s, want %s", got, wantSteps)
			}
		})
	}
	kind := func(k fault.Kind) error { return fault.New(k, "") }
	const parts = "create part" // any number of parts at once
	f("Done", ok, done, nil, parts+" complete")
	f("Exists", ok, refuse(412, "PreconditionFailed"), kind(fault.Exists), parts+" complete abort")
	f("ExistsLate", ok, refuse(200, "PreconditionFailed"), kind(fault.Exists), parts+" complete abort")
	f("Conflict", ok, refuse(409, "ConditionalRequestConflict"), kind(fault.Conflict), parts+" complete abort")
	f("NoAnswer", ok, breakOff, kind(fault.Unknown), parts+" complete")
	f("ErrorLate", ok, refuse(200, "InternalError"), kind(fault.Unknown), parts+" complete")
	f("EmptyAnswer", ok, ok, kind(fault.Unknown), parts+" complete")
	f("SlowDown", ok, refuse(503, "SlowDown"), kind(fault.Unknown), parts+" complete")
	f("NoSuchUpload", ok, refuse(404, "NoSuchUpload"), kind(fault.Unknown), parts+" complete")
	f("PartRefused", refuse(403, "AccessDenied"), done, kind(fault.Unavailable), parts+" abort")
}

// TestS3PutsOnceIfAbsent: what is put if absent is one put, however large it is: that
// a store heeds the condition there is tried at start. Before, it is looked whether
// the key is taken.
func TestS3PutsOnceIfAbsent(t *testing.T) {
	store.SetMultipart(t, 10, 10)
	var requests atomic.Int32
	_, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1); r.Method == http.MethodGet {
			refuse(404, "NoSuchKey")(w, r)
			return
		}
		if r.Method != http.MethodPut || r.URL.RawQuery != "x-id=PutObject" || r.Header.Get("If-None-Match") != "*" {
			t.Errorf("%s %s, If-None-Match %q", r.Method, r.URL, r.Header.Get("If-None-Match"))
		}
	})
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(make([]byte, 25)), store.IfAbsent); err != nil || requests.Load() != 2 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

// TestS3Headers pins the headers that the suite's service may be lenient about.
func TestS3Headers(t *testing.T) {
	var last atomic.Pointer[http.Header]
	_, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		last.Store(&h)
		w.Header().Set("Content-Range", "bytes 2-4/10")
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("abc"))
	})
	header := func(name string) string { return last.Load().Get(name) }
	for r, want := range map[store.Range]string{{}: "", {Offset: 2, Length: 3}: "bytes=2-4", {Offset: 7}: "bytes=7-",
		{Offset: -5}: "bytes=-5", {Length: 1}: "bytes=0-0"} {
		if o, err := s.Get(t.Context(), "k", r); err == nil {
			o.Body.Close()
		}
		if got := header("Range"); got != want {
			t.Errorf("%+v: Range %q, want %q", r, got, want)
		}
	}
	for cond, want := range map[store.Condition]string{store.Always: "", store.IfAbsent: "*"} {
		if err := putString(s, "k", "x", cond); err != nil {
			t.Error(err)
		}
		if got := header("If-None-Match"); got != want {
			t.Errorf("If-None-Match %q, want %q", got, want)
		}
	}
}

package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, text string) string {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	return string(enc.EncodeAll([]byte(text), nil))
}

// batchOf is a batch of at least size bytes whose events are within bounds.
func batchOf(size int) string {
	one := `{"payload":"` + strings.Repeat("x", 1<<20) + `"},`
	return "[" + strings.Repeat(one, size/len(one)+1) + "{}]"
}

// taken counts the events of the last append and stores none.
func taken(count *int) func(*front.Config) {
	return script(func(b commitlog.Batch) (commitlog.Receipt, error) {
		*count = len(b.Events)
		return commitlog.Receipt{Events: b.Events, Parts: []commitlog.Part{{Count: len(b.Events), Position: 1}}}, nil
	})
}

func TestContentEncodings(t *testing.T) {
	var n int
	s := serve(t, taken(&n))
	good := func(body, encoding string, want int) {
		t.Helper()
		n = 0
		s.do("POST", log, body, "Content-Encoding: "+encoding).want(t, 201)
		if n != want {
			t.Errorf("%s: %d events, want %d", encoding, n, want)
		}
	}
	text := `[{},{},{}]`
	good(text, "identity", 3)
	good(gzipped(t, text), "gzip", 3)
	good(gzipped(t, text), "GZIP", 3)
	good(gzipped(t, `[{},`)+gzipped(t, `{}]`), "gzip", 2) // members of one stream
	good(zstded(t, text), "zstd", 3)
	good(zstded(t, `[{},`)+zstded(t, `{}]`), "zstd", 2)
	// Larger than a body may be as sent; in many streams, since packing takes long.
	one := `{"payload":"` + strings.Repeat("x", 1<<20) + `"},`
	good(gzipped(t, "[")+strings.Repeat(gzipped(t, one), 40)+gzipped(t, "{}]"), "gzip", 41)
	good(zstded(t, "[")+strings.Repeat(zstded(t, one), 40)+zstded(t, "{}]"), "zstd", 41)

	n = 0
	bad := func(status int, body, encoding string, want ...string) {
		t.Helper()
		s.do("POST", log, body, "Content-Encoding: "+encoding).want(t, status, want...)
	}
	for _, encoding := range []string{"gzip", "zstd"} {
		packed := gzipped(t, strings.Repeat(text, 100))
		if encoding == "zstd" {
			packed = zstded(t, strings.Repeat(text, 100))
		}
		notWhole := "the body is not whole and valid " + encoding
		bad(400, text, encoding, notWhole)
		bad(400, packed[:len(packed)/2], encoding, notWhole)
		bad(400, packed[:len(packed)-1], encoding, notWhole)
		bad(400, packed[:8]+"\xff\xff\xff"+packed[11:], encoding, notWhole)
		bad(400, packed+"rubbish", encoding, notWhole)
	}
	bad(400, "", "gzip", "the body is not whole and valid gzip")
	bad(400, "", "zstd", "the JSON is empty")
	blanks := strings.Repeat(" ", 1<<20)
	bad(413, strings.Repeat(gzipped(t, blanks), front.MaxDecompressed>>20+1), "gzip", "more than 67108864 bytes when it is decompressed")
	bad(413, strings.Repeat(zstded(t, blanks), front.MaxDecompressed>>20+1), "zstd", "more than 67108864 bytes when it is decompressed")
	bad(413, zstded(t, strings.Repeat(blanks, 20))+strings.Repeat(zstded(t, blanks), front.MaxDecompressed>>20-19), "zstd", "more than 67108864 bytes when it is decompressed")
	if n != 0 {
		t.Errorf("a refused body led to an append of %d events", n)
	}
	if !strings.Contains(s.metrics(), "\nfirn_request_memory_bytes 0\n") {
		t.Error("memory was not given back")
	}
}

// chunked sends a body without saying its length.
func (s *server) chunked(path string, body io.Reader) (int, string) {
	s.t.Helper()
	resp, err := http.Post(s.url+path, "application/json", struct{ io.Reader }{body})
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestBodyLimits(t *testing.T) {
	var n int
	s := serve(t, taken(&n))
	most := batchOf(front.MaxBody - 2<<20)
	s.do("POST", log, most).want(t, 201)
	if status, text := s.chunked(log, strings.NewReader(most)); status != 201 {
		t.Errorf("chunked: %d %s", status, text)
	}
	s.do("POST", log, most+strings.Repeat(" ", front.MaxBody-len(most))).want(t, 201)
	n = 0
	s.do("POST", log, strings.Repeat(" ", front.MaxBody+1)).want(t, 413, `"code":"limit"`, "33554432")
	if status, text := s.chunked(log, strings.NewReader(strings.Repeat(" ", front.MaxBody+1))); status != 413 || !strings.Contains(text, `"code":"limit"`) {
		t.Errorf("chunked: %d %s", status, text)
	}
	if n != 0 {
		t.Errorf("a refused body led to an append of %d events", n)
	}
}

func TestMemoryBound(t *testing.T) {
	var n int
	s := serve(t, taken(&n), func(cfg *front.Config) { cfg.Limits.Memory = 3 << 19 })
	s.do("POST", log, `{"payload":"`+strings.Repeat("x", 900<<10)+`"}`).want(t, 201)
	s.do("POST", log, `{"payload":"`+strings.Repeat("x", 3<<19)+`"}`).want(t, 413, "bytes of memory that there are")
	s.do("POST", log, gzipped(t, `{"payload":"`+strings.Repeat("x", 3<<19)+`"}`), "Content-Encoding: gzip").want(t, 413)
	s.do("POST", log, "["+strings.Repeat("{},", 7000)+"{}]").want(t, 413)
	s.do("POST", log, `{}`).want(t, 201)
}

// TestSlowClient announces much and sends nothing: that holds no memory.
func TestSlowClient(t *testing.T) {
	a := front.New(front.Config{Limits: front.Limits{Memory: 1 << 20}})
	h := a.Handler(Door(a))
	sender, body := io.Pipe()
	r := httptest.NewRequest("POST", log, sender)
	r.ContentLength = front.MaxBody
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}()
	if _, err := body.Write([]byte("[")); err != nil { // returns once it is read
		t.Fatal(err)
	}
	if used := a.Lent(); used == 0 || used > 64<<10 {
		t.Errorf("%d bytes are lent", used)
	}
	body.CloseWithError(io.ErrUnexpectedEOF)
	<-done
	if used := a.Lent(); used != 0 {
		t.Errorf("%d bytes are still lent", used)
	}
}

// TestOverload fills the memory with an append that does not end.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		blocked := scripted{append: func(commitlog.Batch) (commitlog.Receipt, error) {
			<-finish
			return commitlog.Receipt{}, fault.New(fault.Conflict, "ended")
		}}
		h := New(front.Config{Log: blocked, Limits: front.Limits{Memory: 3 << 19}})
		post := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", log, strings.NewReader(`{"payload":"`+strings.Repeat("x", 900<<10)+`"}`)))
			return w
		}
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- post() }()
		synctest.Wait()

		start := time.Now()
		w := post()
		if w.Code != 429 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"code":"overload"`) {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		if waited := time.Since(start); waited != front.Patience {
			t.Errorf("refused after %v", waited)
		}

		second := make(chan *httptest.ResponseRecorder)
		go func() { second <- post() }() // waits, and gets in when the first has ended
		synctest.Wait()
		close(finish)
		for _, ch := range []chan *httptest.ResponseRecorder{first, second} {
			if w := <-ch; w.Code != 409 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

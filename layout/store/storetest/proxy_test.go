package storetest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firn/layout/store/storetest"
)

// behind is a server that remembers what came to it.
type behind struct {
	mu   sync.Mutex
	seen []string
}

func (b *behind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, fmt.Sprintf("%s %s %s %q", r.Method, r.Host, r.RequestURI, body))
	fmt.Fprint(w, "the answer")
}

func (b *behind) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen)
}

// put sends a request over a connection of its own, which is repeated by nobody.
func put(t *testing.T, url string) (status int, body string, err error) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func startBehind(t *testing.T) (*behind, *storetest.Proxy) {
	b := &behind{}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	return b, storetest.StartProxy(t, srv.URL)
}

func TestProxyFaults(t *testing.T) {
	for f, want := range map[storetest.Fault]struct {
		status int // 0 for no answer
		body   string
		broken bool // the body ends with an error
	}{
		storetest.Fine:         {200, "the answer", false},
		storetest.Delayed:      {200, "the answer", false},
		storetest.Dropped:      {0, "", true},
		storetest.Unanswered:   {0, "", true},
		storetest.Late:         {0, "", true},
		storetest.CutShort:     {200, "the a", true},
		storetest.CutSilently:  {200, "the a", false},
		storetest.Conflict:     {409, "ConditionalRequestConflict", false},
		storetest.SlowDown:     {503, "SlowDown", false},
		storetest.Failed:       {500, "InternalError", false},
		storetest.DoneSlowDown: {503, "SlowDown", false},
		storetest.DoneFailed:   {500, "InternalError", false},
	} {
		t.Run(f.String(), func(t *testing.T) {
			b, p := startBehind(t)
			script := p.Script(storetest.Of("put", "a/k"), f)
			if _, body, err := put(t, p.Endpoint+"/bucket/other"); body != "the answer" || err != nil || script.Left() != 1 {
				t.Fatalf("another request: %q, %v", body, err)
			}
			status, body, err := put(t, p.Endpoint+"/bucket/a/k?x=%2F")
			if status != want.status || !strings.Contains(body, want.body) || len(body) < 10 && body != want.body || (err != nil) != want.broken {
				t.Errorf("%d %q %v, want %+v", status, body, err, want)
			}
			if got := b.count() == 2; got != f.Applied() {
				t.Errorf("sent on: %v, want %v", got, f.Applied())
			}
			p.Settle()
			if got := b.count() == 2; got != (f.Applied() || f == storetest.Late) {
				t.Errorf("sent on in the end: %v", got)
			}
			if n := p.Met()[f]; n == 0 || script.Left() != 0 {
				t.Errorf("met %d times, %d are left", n, script.Left())
			}
		})
	}
}

// TestProxySendsOnAsItIs compares what comes out with what went in: a signature
// covers it.
func TestProxySendsOnAsItIs(t *testing.T) {
	b, p := startBehind(t)
	if _, _, err := put(t, p.Endpoint+"/bucket/a%3Db?y=1&x=%2F"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("PUT %s /bucket/a%%3Db?y=1&x=%%2F %q", strings.TrimPrefix(p.Endpoint, "http://"), "the body")
	if b.seen[0] != want {
		t.Errorf("%s, want %s", b.seen[0], want)
	}
}

func TestProxyByChance(t *testing.T) {
	b, p := startBehind(t)
	p.Random(1, 0.5, storetest.SlowDown)
	for range 100 {
		if _, _, err := put(t, p.Endpoint+"/bucket/k"); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Met()[storetest.SlowDown]; n < 20 || n > 80 || b.count() != 100-n {
		t.Errorf("%d of 100 requests met a fault of probability 0.5, and %d were sent on", n, b.count())
	}
	p.Quiet()
	if status, _, err := put(t, p.Endpoint+"/bucket/k"); status != http.StatusOK {
		t.Errorf("then: %d, %v", status, err)
	}
}

func TestProxyDownAndUp(t *testing.T) {
	b, p := startBehind(t)
	for range 3 {
		p.Down()
		if _, _, err := put(t, p.Endpoint+"/bucket/k"); err == nil || !strings.Contains(err.Error(), "connection re") { // refused, or reset by a port that is just being closed
			t.Fatalf("a proxy that is down: %v", err)
		}
		p.Up()
		if _, body, err := put(t, p.Endpoint+"/bucket/k"); body != "the answer" {
			t.Fatalf("a proxy that is up again: %q, %v", body, err)
		}
	}
	if n := b.count(); n != 3 {
		t.Errorf("%d requests were sent on, want 3", n)
	}
}

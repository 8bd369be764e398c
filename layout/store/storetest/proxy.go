package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy is a reverse proxy in front of an S3 server that makes the wire between
// it and its clients as bad as a test wants: by a script, by chance, or gone
// altogether. It is safe for concurrent use.
//
// It sends a request on with the Host that the client signed, whole or not at
// all, and also when the client has given up: what was sent may be applied.
type Proxy struct {
	// Endpoint is the proxy's URL. It stays the same through Down and Up.
	Endpoint string

	t         testing.TB
	target    *url.URL
	transport *http.Transport

	mu      sync.Mutex // guards what is below
	server  *http.Server
	scripts []*Script
	random  *rand.Rand
	rate    float64
	faults  []Fault
	met     map[Fault]int
	active  int       // requests that are being served or will be sent on late
	idle    sync.Cond // active fell to 0
}

// Script is a list of faults that wait for requests.
type Script struct {
	proxy *Proxy
	match func(Request) bool
	left  []Fault
}

// StartProxy starts a proxy on a free loopback port in front of the server at
// the URL target, which works like that server until it is told otherwise. It
// ends with t.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, target: u, met: map[Fault]int{}}
	p.idle.L = &p.mu
	p.transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Endpoint = "http://" + l.Addr().String()
	p.serve(l)
	t.Cleanup(func() {
		p.Down()
		p.Settle()
		p.transport.CloseIdleConnections()
	})
	return p
}

// Through returns a URL for store.Open of the same bucket, by way of the proxy.
func (p *Proxy) Through(bucket string) string {
	u, err := url.Parse(bucket)
	if err != nil {
		p.t.Fatal(err)
	}
	query := u.Query()
	query.Set("endpoint", p.Endpoint)
	u.RawQuery = query.Encode()
	return u.String()
}

// Script lets the next requests that match meet the faults, one each, in order.
// Scripts come before chance, and older ones before younger ones.
func (p *Proxy) Script(match func(Request) bool, faults ...Fault) *Script {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &Script{proxy: p, match: match, left: faults}
	p.scripts = append(p.scripts, s)
	return s
}

// Left returns how many of the script's faults no request has met yet.
func (s *Script) Left() int {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	return len(s.left)
}

// Random lets the given share of all requests meet one of the faults, by a
// seed. Which request meets which depends on the order in which they arrive.
func (p *Proxy) Random(seed uint64, rate float64, faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.random, p.rate, p.faults = rand.New(rand.NewPCG(seed, 0)), rate, faults
}

// Quiet ends all scripts and all chance: the proxy works.
func (p *Proxy) Quiet() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts, p.random = nil, nil
}

// Met returns how many requests met each fault.
func (p *Proxy) Met() map[Fault]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	met := make(map[Fault]int, len(p.met))
	for f, n := range p.met {
		met[f] = n
	}
	return met
}

// Settle waits until every request has been sent on that ever will be. It is
// for when the clients rest.
func (p *Proxy) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.active > 0 {
		p.idle.Wait()
	}
}

// Down closes the port and all connections: who connects is refused, and who
// waits for an answer gets none.
func (p *Proxy) Down() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// Up opens the port again.
func (p *Proxy) Up() {
	p.t.Helper()
	address := strings.TrimPrefix(p.Endpoint, "http://")
	var l net.Listener
	var err error
	for range 100 { // a connection that is just being closed may hold the port
		if l, err = net.Listen("tcp", address); err == nil {
			p.serve(l)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("the proxy does not come back: %v", err)
}

func (p *Proxy) serve(l net.Listener) {
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go func() { _ = server.Serve(l) }() // ends with Down
}

// enter counts a request that is to be served, and leave takes it back.
func (p *Proxy) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active++
}

func (p *Proxy) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active--; p.active == 0 {
		p.idle.Broadcast()
	}
}

// next returns what a request is to meet.
func (p *Proxy) next(r Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.choose(r)
	p.met[f]++
	return f
}

func (p *Proxy) choose(r Request) Fault {
	for _, s := range p.scripts {
		if len(s.left) > 0 && s.match(r) {
			f := s.left[0]
			s.left = s.left[1:]
			return f
		}
	}
	if p.random != nil && p.random.Float64() < p.rate {
		return p.faults[p.random.IntN(len(p.faults))]
	}
	return Fine
}

// ServeHTTP implements [http.Handler].
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.enter()
	defer p.leave()
	body, err := bodyOf(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone and sent only a part
	}
	f := p.next(requestOf(r))
	onward := p.onward(r, body)
	switch {
	case f == Delayed:
		time.Sleep(delay)
	case f == Late:
		p.enter()
		go func() {
			defer p.leave()
			time.Sleep(delay)
			_, _ = p.send(onward)
		}()
		panic(http.ErrAbortHandler)
	case f == Dropped:
		panic(http.ErrAbortHandler)
	case f.refusal() != nil && !f.Applied():
		f.refusal().write(w)
		return
	}
	ans, err := p.send(onward)
	if err != nil || f == Unanswered {
		panic(http.ErrAbortHandler)
	}
	if refusal := f.refusal(); refusal != nil {
		ans = refusal
	}
	ans.cut(w, f)
}

// bodyOf returns the whole body of a request.
func bodyOf(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(r.Body)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

// onward returns the request as it goes to the server: with the client's Host,
// which is a part of what it signed, and whatever becomes of the client.
func (p *Proxy) onward(r *http.Request, body []byte) *http.Request {
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.RequestURI, out.TransferEncoding = "", nil
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.Header.Del("Expect") // the proxy has the body already
	out.Body, out.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	return out
}

// send sends a request on and returns the whole answer.
func (p *Proxy) send(r *http.Request) (*reply, error) {
	resp, err := p.transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("the server behind the proxy: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return &reply{resp.StatusCode, resp.Header, body}, err
}

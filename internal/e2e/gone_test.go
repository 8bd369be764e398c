package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store/storetest"
)

// noWay is what every reason says where nobody listens: that the connection was
// refused or, by a port that is just being closed, reset.
const noWay = "connection re"

// TestS3GoneAndBack has the way to S3 refuse every connection for a while: the
// API says so, stays up, and goes on by itself when it is back.
func TestS3GoneAndBack(t *testing.T) {
	s3 := storetest.StartS3(t)
	p := storetest.StartProxy(t, s3.Endpoint)
	bucket := s3.URL("firn/gone")
	create(t, bucket, 1)
	patient := serve(t, open(t, p.Through(bucket)))
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the other one need not wait for the driver's repetitions
	s := serve(t, open(t, p.Through(bucket)))
	patient.ledger = s.ledger
	compacting := &compactor.Compactor{Log: commitlog.Open(open(t, p.Through(bucket)))}
	for i, srv := range []*server{s, patient} {
		srv.mustAppend(t, fmt.Sprint("before", i), "")
		srv.ready(t, http.StatusOK, "")
		srv.query(t)
	}

	p.Down()
	// A connection that was kept may take the request and end: then nobody can tell.
	if a := s.append(t, "warm", ""); a.status != http.StatusServiceUnavailable && a.status != http.StatusGatewayTimeout || !strings.Contains(a.Error, noWay) {
		t.Errorf("append warm: %d: %q", a.status, a.Error)
	}
	s.refuses(t, "cold", noWay)
	if a := s.call(t, http.MethodPost, "/v1/query", allEvents, ""); a.status != http.StatusServiceUnavailable || a.Code != "unavailable" ||
		!strings.Contains(a.Error, noWay) {
		t.Errorf("query: %d %s: %s", a.status, a.Code, a.Error)
	}
	if _, err := compacting.Run(t.Context(), instance); !fault.Is(err, fault.Unavailable) {
		t.Errorf("compact: %v", err)
	}
	s.ready(t, http.StatusServiceUnavailable, noWay)
	patient.ready(t, http.StatusServiceUnavailable, noWay)

	p.Up()
	for i, srv := range []*server{s, patient} {
		srv.ready(t, http.StatusOK, "")
		srv.mustAppend(t, fmt.Sprint("after", i), "")
		srv.query(t)
	}
	if _, err := compacting.Run(t.Context(), instance); err != nil {
		t.Errorf("compact: %v", err)
	}
	s.query(t)
}

// TestS3GoneUnderLoad takes the way to S3 away again and again while clients
// append, each until it has its acknowledgement: by the same request with the
// same key.
func TestS3GoneUnderLoad(t *testing.T) {
	s3 := storetest.StartS3(t)
	p := storetest.StartProxy(t, s3.Endpoint)
	bucket := s3.URL("firn/load")
	create(t, bucket, 1)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	s, idle := serve(t, open(t, p.Through(bucket))), serve(t, open(t, p.Through(bucket)))
	idle.ledger = s.ledger
	answers := make(chan struct{}, 1<<16)
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for n := range 40 {
				name := fmt.Sprintf("c%d.%d", c, n)
				for status := 0; status != http.StatusCreated && !t.Failed(); {
					status = s.append(t, name, name).status
					answers <- struct{}{}
				}
			}
		})
	}
	go func() { clients.Wait(); close(answers) }()
	for round := range 5 {
		for range 20 {
			<-answers
		}
		p.Down()
		s.ready(t, http.StatusServiceUnavailable, noWay)
		idle.refuses(t, fmt.Sprint("idle", round), noWay)
		p.Up()
	}
	clients.Wait()
	s.query(t)
	if len(s.unknown) > 0 || len(s.acked) != 4*40*2 {
		t.Errorf("%d events are acknowledged and %d unknown, want all and none", len(s.acked), len(s.unknown))
	}
	if a := s.call(t, http.MethodPost, "/v1/query", allEvents, ""); len(a.Data.Result.Events) != len(s.acked) {
		t.Errorf("%d events are stored, want %d", len(a.Data.Result.Events), len(s.acked))
	}
}

// TestS3GoneWhileAnswering loses the answer to a commit and then the way to S3:
// an append whose time is over before anyone can tell is answered 504, and its
// repetition as it would have been the first time.
func TestS3GoneWhileAnswering(t *testing.T) {
	s3 := storetest.StartS3(t)
	p := storetest.StartProxy(t, s3.Endpoint)
	for _, first := range []storetest.Fault{storetest.Dropped, storetest.Unanswered} {
		bucket := s3.URL(fmt.Sprint("firn/answer", first))
		create(t, bucket, 1)
		handler := surface(open(t, p.Through(bucket)))
		srv := httptest.NewServer(handler)
		defer srv.Close()
		s := &server{newLedger(), srv.URL}
		s.mustAppend(t, "before", "")

		about := func(r storetest.Request) bool { return strings.Contains(r.Key, "/log/") }
		p.Script(about, append([]storetest.Fault{first}, slices.Repeat([]storetest.Fault{storetest.Dropped}, 100)...)...)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/instances/"+instance+"/events", strings.NewReader(bodyOf("lost")))
		a := s.send(t, req, "k", func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w.Result(), nil
		})
		cancel()
		s.hear(t, "lost", a)
		if a.status != http.StatusGatewayTimeout || !strings.Contains(a.Error, "Idempotency-Key") {
			t.Errorf("%v: %d: %s", first, a.status, a.Error)
		}
		p.Quiet()
		s.query(t)
		s.mustAppend(t, "lost", "k")
		s.mustAppend(t, "after", "")
		s.query(t)
	}
}

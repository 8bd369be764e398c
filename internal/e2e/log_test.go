package e2e

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
)

// single is an instance of which one request after the other meets a fault.
type single struct {
	*ledger
	far   store.Store // its bucket by the proxy
	log   *commitlog.Log
	proxy *storetest.Proxy
	fault storetest.Fault
}

// lasting is how often a fault is met: what no answer came for, the HTTP client
// repeats over connections that it had open before.
const lasting = 10

// meet has requests meet the fault while an operation is at work.
func (s *single) meet(t *testing.T, op operation) {
	t.Helper()
	times := 1
	if op.request != "put" {
		times, s.log = lasting, commitlog.Open(s.far) // who knows something need not read it
	}
	faults := append(slices.Repeat([]storetest.Fault{storetest.Fine}, op.spared), slices.Repeat([]storetest.Fault{s.fault}, times)...)
	script := s.proxy.Script(storetest.Of(op.request, op.key), faults...)
	op.run(t, s)
	if script.Left() >= times {
		t.Errorf("%v: no request met it", s.fault)
	}
	s.proxy.Quiet()
	s.proxy.Settle()
}

// append appends a batch and notes the answer.
func (s *single) append(t *testing.T, log *commitlog.Log, name, key string) error {
	t.Helper()
	name = fmt.Sprint(name, s.fault)
	b := commitlog.Batch{Events: eventsOf(name, "a", "b", "a"), Hash: "h"}
	if key != "" {
		b.Key = key + name
	}
	r, err := log.Append(t.Context(), instance, b)
	s.note(t, 1, b, r, err)
	return err
}

// appendLarge makes the next data file too large to be read by one request.
func (s *single) appendLarge(t *testing.T, log *commitlog.Log) {
	t.Helper()
	noise := make([]byte, 300<<10)
	rand.Read(noise)
	b := commitlog.Batch{Events: eventsOf("large", "a"), Hash: "h"}
	b.Events[0].Metadata = fmt.Appendf(nil, `{"noise":"%x"}`, noise)
	r, err := log.Append(t.Context(), instance, b)
	s.note(t, 1, b, r, err)
}

func (s *single) compact(t *testing.T, log *commitlog.Log) {
	t.Helper()
	if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), instance); err != nil {
		t.Errorf("%v: compact: %v", s.fault, err)
	}
}

// putFaults leave out those that are one and the same for a put, whose answer has
// no body, and for the driver.
var putFaults = []storetest.Fault{storetest.Dropped, storetest.Unanswered, storetest.Late, storetest.Delayed,
	storetest.Conflict, storetest.SlowDown, storetest.DoneFailed}

// readFaults are those that differ for a request that changes nothing.
var readFaults = []storetest.Fault{storetest.Dropped, storetest.CutShort, storetest.CutSilently, storetest.Conflict,
	storetest.SlowDown, storetest.Failed}

// TestLogOverABadWire has one request of an append, a compaction or a query meet
// every fault, with a driver that repeats nothing: the operation succeeds or says
// rightly why not, and nothing is lost or doubled.
func TestLogOverABadWire(t *testing.T) {
	server := storetest.StartS3(t)
	p := storetest.StartProxy(t, server.Endpoint)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			bucket := server.URL("firn/" + op.name)
			create(t, bucket, 1)
			s := &single{ledger: newLedger(), far: open(t, p.Through(bucket)), proxy: p}
			s.log = commitlog.Open(s.far)
			faults := putFaults
			if op.request != "put" {
				faults = readFaults
			}
			near := commitlog.Open(open(t, bucket))
			s.append(t, near, "old", "k") // for the data files
			if op.spared > 0 {
				s.appendLarge(t, near)
			}
			s.compact(t, near)
			s.append(t, near, "new", "k") // for the log
			for _, s.fault = range faults {
				if op.another {
					s.append(t, near, "next", "k")
				}
				s.meet(t, op)
			}
			s.check(t, near)
			s.settle(t, near, 1)
			s.compact(t, near)
			s.check(t, commitlog.Open(s.far))
		})
	}
}

// operation is what is done while a request meets a fault.
type operation struct {
	name         string
	request, key string // of the requests that do
	spared       int    // of them: how many come before
	another      bool   // somebody else appends shortly before
	run          func(*testing.T, *single)
}

var operations = []operation{
	{"commit", "put", "/log/", 0, false, appendSucceeds},
	{"commit-in-a-race", "put", "/log/", 0, true, appendSucceeds},
	{"data", "put", "/data/", 0, true, compactOrSayWhy},
	{"keys", "put", "/keys/", 0, true, compactOrSayWhy},
	{"snapshot", "put", "/snapshots/", 0, true, compactSucceeds},
	{"compact-list-snapshots", "list", "/snapshots/", 0, true, compactOrSayWhy},
	{"compact-get-commits", "get", "/log/", 0, true, compactOrSayWhy},
	{"append-list-catalog", "list", "catalog/", 0, false, appendOrRefuse},
	{"append-list-snapshots", "list", "/snapshots/", 0, false, appendOrRefuse},
	{"append-get-catalog", "get", "catalog/", 0, false, appendOrRefuse},
	{"append-get-snapshot", "get", "/snapshots/", 0, false, appendOrRefuse},
	{"append-get-heads", "get", "/heads/", 0, false, appendOrRefuse},
	{"append-get-keys", "get", "/keys/", 0, false, appendOrRefuse},
	{"append-get-commits", "get", "/log/", 0, false, appendOrRefuse},
	{"query-list-catalog", "list", "catalog/", 0, false, queryOrUnavailable},
	{"query-list-snapshots", "list", "/snapshots/", 0, false, queryOrUnavailable},
	{"query-list-log", "list", "/log/", 0, false, queryOrUnavailable},
	{"query-get-catalog", "get", "catalog/", 0, false, queryOrUnavailable},
	{"query-get-snapshot", "get", "/snapshots/", 0, false, queryOrUnavailable},
	{"query-get-commits", "get", "/log/", 0, false, queryOrUnavailable},
	{"query-get-data", "get", "/data/", 0, false, queryOrUnavailable},
	{"query-get-pages", "get", "/data/", 1, false, queryOrUnavailable},
}

// appendSucceeds: the rules of chains find out what became of a commit.
func appendSucceeds(t *testing.T, s *single) {
	if err := s.append(t, s.log, "met", ""); err != nil {
		t.Errorf("%v: append: %v", s.fault, err)
	}
}

// appendOrRefuse: what cannot be read is no reason for doubt.
func appendOrRefuse(t *testing.T, s *single) {
	if err := s.append(t, s.log, "met", "k"); err != nil && !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v: append: %v (%s)", s.fault, err, fault.KindOf(err))
	}
}

// compactOrSayWhy: a step that fails leaves garbage only.
func compactOrSayWhy(t *testing.T, s *single) {
	_, err := (&compactor.Compactor{Log: s.log}).Run(t.Context(), instance)
	switch kind := kindOf(err); kind {
	case -1, fault.Unavailable, onePut[s.fault]:
	default:
		t.Errorf("%v: compact: %v (%s)", s.fault, err, kind)
	}
}

func compactSucceeds(t *testing.T, s *single) { s.compact(t, s.log) }

// queryOrUnavailable: an answer is whole, or there is none.
func queryOrUnavailable(t *testing.T, s *single) {
	all, err := read(t.Context(), s.log)
	if err == nil && len(gapless(t, all)) != len(s.acked) {
		t.Errorf("%v: a query shows %d events, want %d", s.fault, len(all), len(s.acked))
	}
	if err != nil && !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v: query: %v (%s)", s.fault, err, fault.KindOf(err))
	}
}

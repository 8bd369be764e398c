package shares_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/compactor"
	"github.com/firnlog/firn/functions"
	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/querier"
)

// bucket returns one with an instance whose events take some shares.
func bucket(t *testing.T) store.Store {
	t.Helper()
	s := store.NewMemory()
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "i"}); err != nil {
		t.Fatal(err)
	}
	for c := range 20 {
		var b commitlog.Batch
		for n := range 20 {
			b.Events = append(b.Events, event.Event{Stream: fmt.Sprint("s", n%5), Type: "t", Time: event.ToMicros(time.Now()), Metadata: []byte(`{}`),
				Payload: fmt.Appendf(nil, `{"n":%d,"pad":"%x"}`, c*20+n, rand.Uint64())})
		}
		if _, err := log.Append(t.Context(), "i", b); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// server is one process on a bucket. It asks for keys, and there are none.
func server(t *testing.T, s store.Store, around func(http.Handler) http.Handler) string {
	t.Helper()
	log := commitlog.Open(s)
	engine := querier.NewEngine(log)
	ring := access.NewRing(log, engine, nil)
	service := front.New(front.Config{Log: log, Queries: engine, Store: s, Logger: slog.New(slog.DiscardHandler),
		Authenticate: access.New(access.Config{Ring: ring}).Authenticate})
	srv := httptest.NewServer(around(service.Handler(functions.New(service, functions.Config{Keys: ring}).List()...)))
	t.Cleanup(srv.Close)
	return srv.URL
}

func plain(h http.Handler) http.Handler { return h }

// ask has a process with workers answer a query that needs all events.
func ask(t *testing.T, s store.Store, urls ...string) *querier.Result {
	t.Helper()
	h, err := shares.NewHTTP(urls)
	if err != nil {
		t.Fatal(err)
	}
	log := commitlog.Open(s)
	engine := querier.NewEngine(log).WithFanOut(querier.FanOut{Transport: shares.Transport(log, h), Workers: 4, MinBytes: 1, ShareBytes: 1500})
	q, err := querier.Parse([]byte(`{"from":{"instance":"i"},"explain":true,"reduce":{"values":{"n":{"type":"count"},"sum":{"type":"sum","field":"n"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := engine.Run(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"n":400`; !strings.Contains(string(res.Aggregation), want) || !strings.Contains(string(res.Aggregation), `79800`) {
		t.Errorf("%s", res.Aggregation)
	}
	if res.Stats.Shares < 5 {
		t.Errorf("%d shares", res.Stats.Shares)
	}
	return res
}

// TestServersHelp: other servers do shares, one that dies in the middle is done
// without, and where none helps the answer is the same.
func TestServersHelp(t *testing.T) {
	s := bucket(t)
	good := server(t, s, plain)
	if res := ask(t, s, good, server(t, s, plain)); res.Stats.SharesHere == res.Stats.Shares || res.Stats.SharesResent != 0 {
		t.Errorf("%+v", res.Stats)
	}
	var n atomic.Int64
	dying := server(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		})
	})
	if res := ask(t, s, good, dying); res.Stats.SharesResent == 0 {
		t.Errorf("%+v", res.Stats)
	}
	for name, url := range map[string]string{
		"nobody":         "http://127.0.0.1:1",
		"another bucket": server(t, bucket(t), plain),
		"an imposter": server(t, s, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				w.Header().Set("Firn-Seal", rec.Header().Get("Firn-Seal"))
				_, _ = w.Write(append(rec.Body.Bytes(), ' '))
			})
		}),
	} {
		if res := ask(t, s, url); res.Stats.SharesHere != res.Stats.Shares {
			t.Errorf("%s: %+v", name, res.Stats)
		}
	}
}

// erased is a bucket in which a stream and a payload are erased, of data files and
// of the tail.
func erased(t *testing.T) (*commitlog.Log, store.Store) {
	t.Helper()
	s := bucket(t)
	log := commitlog.Open(s)
	if _, err := (&compactor.Compactor{Log: log}).Run(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if _, err := log.Append(t.Context(), "i", commitlog.Batch{Events: []event.Event{
			{Stream: "s1", Type: "t", Time: event.ToMicros(time.Now()), Metadata: []byte(`{}`), Payload: []byte(`{"n":1000000}`)}}}); err != nil {
			t.Fatal(err)
		}
	}
	engine := querier.NewEngine(log)
	q, _ := querier.Parse([]byte(`{"from":{"instance":"i"},"where":[{"field":"n","operator":"in","value":[7,8]}]}`))
	found, err := engine.Find(t.Context(), q, 10)
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	if _, err := log.Redact(t.Context(), "i", found, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := log.EraseStream(t.Context(), "i", "s1"); err != nil {
		t.Fatal(err)
	}
	return log, s
}

// TestErasedStaysHidden: workers hide what the asker hides, in figures and pages.
func TestErasedStaysHidden(t *testing.T) {
	log, s := erased(t)
	h, err := shares.NewHTTP([]string{server(t, s, plain)})
	if err != nil {
		t.Fatal(err)
	}
	alone := querier.NewEngine(log)
	spread := alone.WithFanOut(querier.FanOut{Transport: shares.Transport(log, h), Workers: 4, MinBytes: 1, ShareBytes: 300})
	for _, text := range []string{`"reduce":{"values":{"n":{"type":"count"},"sum":{"type":"sum","field":"n"},"streams":{"type":"countDistinct","field":"stream_id"}}}}`,
		`"where":[{"field":"payload","operator":"exists","value":true}],"orderBy":{"field":"n","direction":"desc"},"limit":400}`} {
		q, _ := querier.Parse([]byte(`{"from":{"instance":"i"},` + text))
		want, err := alone.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := spread.Run(t.Context(), q)
		if err != nil || got.Stats.Shares-got.Stats.SharesHere < 2 || got.Total != want.Total || string(got.Aggregation) != string(want.Aggregation) || fmt.Sprint(got.Events) != fmt.Sprint(want.Events) {
			t.Fatalf("%s: %v %+v\nwant %+v", text, err, got, want)
		}
		if want.Total != 320 {
			t.Errorf("%d events are shown", want.Total)
		}
	}
}

// deleting deletes the instance before the first share goes on its way.
type deleting struct {
	shares.Carrier
	log  *commitlog.Log
	once sync.Once
}

func (d *deleting) Carry(ctx context.Context, t shares.Ticket, share []byte) (answer []byte, seal string, err error) {
	d.once.Do(func() { _, err = d.log.DeleteInstance(ctx, t.Instance) })
	if err != nil {
		return nil, "", err
	}
	return d.Carrier.Carry(ctx, t, share)
}

// TestDeletedMeanwhile: of an instance that is deleted while a query runs workers
// show nothing, and no part of it is taken for the whole.
func TestDeletedMeanwhile(t *testing.T) {
	s := bucket(t)
	h, err := shares.NewHTTP([]string{server(t, s, plain)})
	if err != nil {
		t.Fatal(err)
	}
	log := commitlog.Open(s)
	spread := querier.NewEngine(log).WithFanOut(querier.FanOut{Workers: 1, MinBytes: 1, ShareBytes: 1500,
		Transport: shares.Transport(log, &deleting{Carrier: h, log: log})})
	q, _ := querier.Parse([]byte(`{"from":{"instance":"i"},"reduce":{"type":"sum","field":"n"}}`))
	if res, err := spread.Run(t.Context(), q); err == nil && string(res.Aggregation) != "79800" || err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Gone) {
		t.Errorf("%v %v", res, err)
	}
}

// caught is a ticket and its share.
type caught struct {
	ticket shares.Ticket
	share  []byte
}

// catcher keeps what it is to carry.
type catcher struct {
	mu  sync.Mutex
	got caught
}

func (c *catcher) Carry(_ context.Context, t shares.Ticket, share []byte) ([]byte, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = caught{t, bytes.Clone(share)}
	return nil, "", errors.New("away")
}

// TestSharesCannotBeForged: whoever changes anything is refused, before the body is
// read where the ticket tells.
func TestSharesCannotBeForged(t *testing.T) {
	s := bucket(t)
	url := server(t, s, plain)
	log := commitlog.Open(s)
	if _, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "j"}); err != nil {
		t.Fatal(err)
	}
	catch := &catcher{}
	engine := querier.NewEngine(log).WithFanOut(querier.FanOut{Transport: shares.Transport(log, catch), Workers: 1, MinBytes: 1, ShareBytes: 5000})
	q, _ := querier.Parse([]byte(`{"from":{"instance":"i"},"reduce":{"type":"sum","field":"n"}}`))
	if _, err := engine.Run(t.Context(), q); err != nil || len(catch.got.share) == 0 {
		t.Fatal(err)
	}
	send := func(name string, want int, change func(*caught)) {
		t.Helper()
		c := catch.got
		c.share = bytes.Clone(c.share)
		change(&c)
		r, _ := http.NewRequest("POST", url+shares.Path, bytes.NewReader(c.share))
		r.Header = http.Header{"Firn-Instance": {c.ticket.Instance}, "Firn-Digest": {c.ticket.Digest}, "Firn-Seal": {c.ticket.Seal}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != want || want != 200 && strings.Contains(string(body), "pad") {
			t.Errorf("%s: %d %.200s", name, resp.StatusCode, body)
		}
	}
	send("as it was", 200, func(*caught) {})
	send("no seal", 401, func(c *caught) { c.ticket.Seal = "" })
	send("another seal", 401, func(c *caught) { c.ticket.Seal = strings.Repeat("0", 64) })
	send("of another instance", 401, func(c *caught) { c.ticket.Instance = "j" })
	send("of no instance", 401, func(c *caught) { c.ticket.Instance = "k" })
	send("another digest", 401, func(c *caught) { c.ticket.Digest = strings.Repeat("0", 64) })
	send("another share", 401, func(c *caught) { c.share = bytes.Replace(c.share, []byte(`"n\"`), []byte(`"m\"`), 1); c.share[3] ^= 1 })
	send("too large", 413, func(c *caught) { c.share = make([]byte, shares.MaxShare+1) })
}

func TestURLs(t *testing.T) {
	for _, bad := range []string{"", "host:7480", "ftp://h", "http://h/path", "http://h?x=1", "http://"} {
		if _, err := shares.NewHTTP([]string{bad}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := shares.NewHTTP(nil); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := shares.NewHTTP([]string{"https://h", "http://127.0.0.1:7480/"}); err != nil {
		t.Error(err)
	}
}

// standing are queries whose shares are done when they are let go.
type standing struct {
	front.Queries
	begun chan struct{}
	leave chan struct{}
}

func (s standing) Work(context.Context, []byte, int) []byte {
	s.begun <- struct{}{}
	<-s.leave
	return nil
}

// TestSharesAtOnce: a worker does a few shares at once, and others wait as long as
// who sent them does.
func TestSharesAtOnce(t *testing.T) {
	log := commitlog.Open(store.NewMemory())
	inst, err := log.CreateInstance(t.Context(), catalog.Instance{ID: "i"})
	if err != nil {
		t.Fatal(err)
	}
	q := standing{nil, make(chan struct{}), make(chan struct{})}
	w := shares.NewWorker(front.New(front.Config{Log: log, Queries: q, Store: log.Store()}))
	empty := fmt.Sprintf("%x", sha256.Sum256(nil))
	do := func(ctx context.Context) error {
		_, _, err := w.Do(ctx, &inst, &shares.Ticket{Digest: empty}, nil, 1)
		return err
	}
	most := runtime.GOMAXPROCS(0) + 1
	done := make(chan error)
	for range most {
		go func() { done <- do(context.Background()) }()
		<-q.begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- do(ctx) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("one more than %d: %v", most, err)
	}
	close(q.leave)
	for range most {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestMetrics counts shares whose answers are lost now and then.
func TestMetrics(t *testing.T) {
	s := bucket(t)
	var n atomic.Int64
	h, err := shares.NewHTTP([]string{server(t, s, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%3 == 0 {
				panic(http.ErrAbortHandler)
			}
			h.ServeHTTP(w, r)
		})
	})})
	if err != nil {
		t.Fatal(err)
	}
	log, registry := commitlog.Open(s), prometheus.NewRegistry()
	fan := shares.Metered(querier.FanOut{Transport: shares.Transport(log, h), Workers: 4, MinBytes: 1, ShareBytes: 1500}, registry)
	q, err := querier.ParseText("from i n>=0 | sum n")
	if err != nil {
		t.Fatal(err)
	}
	res, err := querier.NewEngine(log).WithFanOut(fan).Run(t.Context(), q)
	if err != nil || string(res.Aggregation) != "79800" {
		t.Fatalf("%s, %v", res.Aggregation, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	sent, lost := got["firn_shares_sent_total"], got["firn_shares_lost_total"]
	if sent != float64(n.Load()) || lost != float64(n.Load()/3) || got["firn_shares_resent_total"] != float64(res.Stats.SharesResent) || got["firn_shares_duration_seconds"] != sent-lost {
		t.Errorf("%v, of %d requests, %d resent", got, n.Load(), res.Stats.SharesResent)
	}
}

package querier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// crew is a transport to some workers over one memory, with all that can happen
// on the way.
type crew struct {
	workers []*Engine
	room    int          // bytes of an answer
	keep    func([]byte) // sees shares, if set

	mu   sync.Mutex
	rng  *rand.Rand
	ills []string
	last []byte // some answer from before
	sent int
	did  map[string]int // by what happened
	dead map[int]bool
}

var errGone = errors.New("the connection is gone")

// draw decides what happens to a share, and which worker gets it.
func (c *crew) draw() (ill string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	ill, n = pick(c.rng, c.ills), c.rng.IntN(len(c.workers))
	if ill == "dies" {
		c.dead[n] = true
	}
	if c.dead[n] {
		ill = "dead"
	}
	c.did[ill]++
	return ill, n
}

func (c *crew) Send(ctx context.Context, instance string, share []byte) ([]byte, error) {
	if instance != "log" {
		return nil, fmt.Errorf("a share of %q", instance)
	}
	ill, n := c.draw()
	if c.keep != nil {
		c.keep(bytes.Clone(share))
	}
	switch ill {
	case "dead":
		return nil, errGone
	case "hangs":
		<-ctx.Done()
		return nil, ctx.Err()
	case "slow":
		time.Sleep(time.Hour)
	case "lingers":
		time.Sleep(20 * time.Second)
	case "newer":
		share = bytes.Replace(share, []byte(`"format":1`), []byte(`"format":2`), 1)
	}
	room := c.room
	if ill == "large" {
		room = headRoom + 900
	}
	answer := c.workers[n].Work(ctx, share, room)
	if ill == "twice" {
		answer = c.workers[n].Work(ctx, share, room)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.last
	c.last = slices.Clone(answer)
	switch ill {
	case "lost":
		return nil, errGone
	case "cut":
		return answer[:c.rng.IntN(len(answer))], nil
	case "spoilt":
		answer[c.rng.IntN(len(answer))] ^= 1
	case "another's":
		return old, nil
	}
	return answer, nil
}

// spreading returns an engine whose queries are all spread in small shares.
func (c *crew) spreading(m *memory, size int64) *Engine {
	return newEngine(m).WithFanOut(FanOut{Transport: c, Workers: 3, MinBytes: 1, ShareBytes: size, Patience: time.Minute})
}

func newCrew(m *memory, rng *rand.Rand, workers int, ills ...string) *crew {
	c := &crew{rng: rng, ills: ills, room: 1 << 30, did: map[string]int{}, dead: map[int]bool{}}
	for range workers {
		c.workers = append(c.workers, newEngine(m))
	}
	return c
}

// TestSpreadQueriesAgainstReference runs random queries that are spread over some
// workers, whose answers are lost, late, damaged, of other shares, too large or
// none, and wants what the reference says. Time is virtual.
func TestSpreadQueriesAgainstReference(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	logs, queries := 8, 100
	if testing.Short() {
		logs, queries = 2, 30
	}
	did, shares, here := map[string]int{}, int64(0), int64(0)
	for i := range logs {
		bubble.Run(t, func(t *testing.T) {
			events := randomLog(rng, 200+rng.IntN(600), 1+i%3)
			hidden := event.MinTime
			if i%2 == 1 {
				hidden = event.Micros(int64(events[rng.IntN(len(events))].Time) / 1e6 * 1e6)
			}
			m := store(t, rng, events, []float64{1, 0.5, 0.9, 0}[i%4], hidden)
			m.now = pick(rng, events).Time
			c := newCrew(m, rng, 1+rng.IntN(8), "", "", "", "", "lost", "hangs", "slow", "lingers", "newer", "large", "twice", "cut", "spoilt", "another's")
			if i%4 == 3 {
				c.ills = append(c.ills, "dies")
			}
			for range queries {
				e := c.spreading(m, int64(1)<<(8+rng.IntN(10)))
				res := compareWith(t, e, m, events, randomQuery(rng, events))
				if s := res.Stats; s.RowsMatched < res.Total || s.SharesHere > s.Shares {
					t.Fatalf("stats do not add up: %+v", s)
				}
				shares, here = shares+res.Stats.Shares, here+res.Stats.SharesHere
			}
			for ill, n := range c.did {
				did[ill] += n
			}
		})
	}
	t.Logf("%d shares, %d of them here; %v", shares, here, did)
	if here == 0 || here == shares || len(did) < 11 {
		t.Error("nothing happened")
	}
}

// TestStreamsAreSpread compares streams of events with those of one process.
func TestStreamsAreSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 3))
	bubble.Run(t, func(t *testing.T) {
		events := randomLog(rng, 600, 2)
		m := store(t, rng, events, 0.8, event.MinTime)
		c := newCrew(m, rng, 3, "", "", "lost", "large", "slow", "newer")
		e := c.spreading(m, 6000)
		spread := int64(0)
		for range 25 {
			q, err := Parse([]byte(randomQuery(rng, events)))
			if err != nil {
				t.Fatal(err)
			}
			q.Offset = 0
			lines := func(e *Engine) []string {
				var out bytes.Buffer
				w := NewNDJSON(&out)
				s, err := e.Stream(context.Background(), q, 10_000, w.Write)
				if err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				spread += s.Shares
				return strings.Split(out.String(), "\n")
			}
			got, want := lines(e), lines(newEngine(m))
			if len(q.OrderBy) == 0 {
				slices.Sort(got)
				slices.Sort(want)
			}
			if q.Reduce == nil && !slices.Equal(got, want) {
				t.Fatalf("%s\n%d events\nwant %d\n%q\n%q", q, len(got), len(want), got[0], want[0])
			}
		}
		if spread == 0 {
			t.Error("nothing was spread")
		}
	})
}

// TestPagesOfSpreadQueries follows cursors through spread queries.
func TestPagesOfSpreadQueries(t *testing.T) {
	m := byDay(t, 12)
	c := newCrew(m, rand.New(rand.NewPCG(1, 1)), 2, "")
	e := c.spreading(m, 3000)
	seen, cursor := 0, ""
	for pages := 0; pages == 0 || cursor != ""; pages++ {
		q, err := Parse([]byte(fromLog + `"where":[{"field":"n","operator":"gte","value":0}],"orderBy":{"field":"n","direction":"desc"},"limit":70,"cursor":"` + cursor + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		res, err := e.Run(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range res.Events {
			if !strings.Contains(string(ev), fmt.Sprintf(`"payload":{"n":%d}`, 599-seen)) {
				t.Fatalf("event %d is %s", seen, ev)
			}
			seen++
		}
		if cursor = res.Cursor; res.Stats.Shares < 3 || res.Total != 600 {
			t.Fatalf("%d shares, total %d", res.Stats.Shares, res.Total)
		}
	}
	if seen != 600 {
		t.Errorf("%d events", seen)
	}
}

// TestSmallWorkStaysHere: below the threshold, where statistics answer, and where
// the first events are found at once, nothing is sent.
func TestSmallWorkStaysHere(t *testing.T) {
	m := byDay(t, 40)
	size := m.files[0].Bytes
	for query, least := range map[string]int64{
		`"reduce":{"type":"sum","field":"n"}}`:                10 * size,
		`"reduce":{"type":"count","groupBy":["event_type"]}}`: 0,
		`"reduce":{"type":"count"}}`:                          0,
		`"limit":0}`:                                          0,
		`"orderBy":{"field":"timestamp","direction":"desc"},"limit":3,"total":false}`:     0,
		`"orderBy":{"field":"timestamp","direction":"desc"},"limit":3}`:                   0,
		`"where":[{"field":"timestamp","operator":"lt","value":"1970-01-02T00:00:00Z"}]}`: 0,
	} {
		c := newCrew(m, rand.New(rand.NewPCG(1, 1)), 2, "")
		q, err := Parse([]byte(fromLog + query))
		if err != nil {
			t.Fatal(err)
		}
		e := newEngine(m).WithFanOut(FanOut{Transport: c, MinBytes: max(1, 100*least), ShareBytes: 10 * size})
		if _, err := e.Run(context.Background(), q); err != nil || c.sent > 0 {
			t.Errorf("%s: %d shares were sent, %v", query, c.sent, err)
		}
	}
}

// TestSharesAreEven pins how work is divided: by bytes, files that are larger than
// a share by their row groups.
func TestSharesAreEven(t *testing.T) {
	f := FanOut{ShareBytes: 100}
	file := func(bytes int64) *source {
		s := &source{}
		s.file.Bytes = bytes
		return s
	}
	var got []string
	for _, share := range f.divide([]*source{file(30), file(30), file(50), file(90), file(420), file(10), file(5)}) {
		got = append(got, fmt.Sprintf("%d of %d", weigh(share), len(share)))
	}
	if want := []string{"110 of 3", "90 of 1", "105 of 1", "105 of 1", "105 of 1", "105 of 1", "15 of 2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for groups := range 20 {
		next := 0
		for n := range 7 {
			from, to := slice{n, 7}.span(groups)
			if from != next || to < from {
				t.Fatalf("slice %d of %d groups is %d to %d", n, groups, from, to)
			}
			next = to
		}
		if next != groups {
			t.Fatalf("%d of %d groups", next, groups)
		}
	}
}

// TestLimitsHoldOverShares: what all workers find and scan together is bounded.
func TestLimitsHoldOverShares(t *testing.T) {
	m := byDay(t, 40)
	c := newCrew(m, rand.New(rand.NewPCG(1, 1)), 4, "")
	for name, l := range map[string]struct {
		Limits
		query string
	}{
		"rows":   {Limits{Rows: 1500}, `"reduce":{"type":"sum","field":"n"}}`},
		"bytes":  {Limits{Bytes: 3000}, `"reduce":{"type":"sum","field":"n"}}`},
		"memory": {Limits{Memory: 100_000}, `"reduce":{"type":"collect","field":"n","groupBy":["id"]}}`},
		"order":  {Limits{Memory: 40_000}, `"orderBy":{"field":"n"},"limit":2000}`},
	} {
		q, err := Parse([]byte(fromLog + l.query))
		if err != nil {
			t.Fatal(err)
		}
		e := c.spreading(m, 2*m.files[0].Bytes)
		if _, err := e.Run(context.Background(), q); err != nil {
			t.Errorf("%s: without a limit: %v", name, err)
		}
		sent := c.sent
		if _, err := e.WithLimits(l.Limits).Run(context.Background(), q); !fault.Is(err, fault.Limit) || c.sent == sent {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := numbered(t, MaxGroups+1, func(i int) string { return fmt.Sprintf(`{"n":%d}`, i) })
	e := newCrew(many, rand.New(rand.NewPCG(1, 1)), 2, "").spreading(many, many.files[0].Bytes/5)
	q, _ := Parse([]byte(fromLog + `"reduce":{"type":"count","groupBy":["n"]}}`))
	if _, err := e.Run(context.Background(), q); !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), "more than 100000 groups") {
		t.Errorf("groups: %v", err)
	}
}

// blocked is a transport whose answers never come.
type blocked struct {
	begun chan struct{}
	ended chan struct{}
}

func (b *blocked) Send(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	b.begun <- struct{}{}
	<-ctx.Done()
	b.ended <- struct{}{}
	return nil, ctx.Err()
}

// TestCancellationGoesToWorkers: who goes away ends the shares under way, and no
// more are sent. Workers that never answer end within the query's own time, and the
// query is answered without them.
func TestCancellationGoesToWorkers(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := byDay(t, 40)
		b := &blocked{make(chan struct{}, 100), make(chan struct{}, 100)}
		e := newEngine(m).WithFanOut(FanOut{Transport: b, Workers: 4, MinBytes: 1, ShareBytes: 1})
		q, _ := Parse([]byte(fromLog + `"reduce":{"type":"sum","field":"n"}}`))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { _, err := e.Run(ctx, q); done <- err }()
		<-b.begun
		cancel()
		<-b.ended
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		res, err := e.WithLimits(Limits{Time: 8 * time.Second}).Run(context.Background(), q)
		if took := time.Since(began); err != nil || took >= 8*time.Second || res.Stats.SharesHere != res.Stats.Shares {
			t.Errorf("%v after %v: %+v", err, took, res.Stats)
		}
	})
}

// TestNewerSharesAreRefused: an older worker says so, and the query is answered
// without it.
func TestNewerSharesAreRefused(t *testing.T) {
	m := byDay(t, 10)
	share := []byte(`{"format":2,"something":"else"}`)
	h, _, err := readHead(xxhash.Sum64(share), newEngine(m).Work(context.Background(), share, 1<<20))
	if err != nil || h.Refused != refusedFormat || !fault.Is(h.err(), fault.Invalid) || !strings.Contains(h.err().Error(), "format 2, and this worker knows up to 1: upgrade") {
		t.Errorf("%+v %v", h, err)
	}
	for _, bad := range []string{``, `{`, `{"format":1}`, `{"format":1,"query":"{}"}`, `{"format":1,"slices":[{"n":0,"of":2}]}`,
		`{"format":1,"query":"{\"from\":{\"instance\":\"log\"}}","section":{"point":{"s":7}},"task":"reduce"}`,
		`{"format":1,"query":"{\"from\":{\"instance\":\"log\"}}","section":{"point":{"s":7}},"task":"top"}`} {
		h, _, err := readHead(xxhash.Sum64([]byte(bad)), newEngine(m).Work(context.Background(), []byte(bad), 1<<20))
		if err != nil || !fault.Is(h.err(), fault.Invalid) {
			t.Errorf("%s: %+v %v", bad, h, err)
		}
	}
}

// TestExplainSaysWho names the workers.
func TestExplainSaysWho(t *testing.T) {
	m := byDay(t, 40)
	c := newCrew(m, rand.New(rand.NewPCG(1, 1)), 2, "")
	q, _ := Parse([]byte(fromLog + `"explain":true,"reduce":{"type":"sum","field":"n"}}`))
	res, err := c.spreading(m, 3*m.files[0].Bytes).Run(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	d := res.Stats.Detail
	if n := res.Stats.Shares; n < 10 || d.Workers[""] != res.Stats.SharesHere || d.Workers[""]+d.Workers[processName()] != n || res.Stats.FilesRead != 40 {
		t.Errorf("%+v, %v", res.Stats, d.Workers)
	}
	text := string(res.Stats.AppendJSON(nil))
	if !strings.Contains(text, `"shares":`) || !strings.Contains(text, `"workers":{"here":`) || !strings.Contains(text, `"`+processName()+`":`) {
		t.Error(text)
	}
}

// TestPatience: an answer that does not come is waited for 2 minutes, three times,
// or half of the time that is left; then the share is done here, and others are not
// sent.
func TestPatience(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := byDay(t, 40)
		q, _ := Parse([]byte(fromLog + `"reduce":{"type":"sum","field":"n"}}`))
		b := &blocked{make(chan struct{}, 100), make(chan struct{}, 100)}
		e := newEngine(m).WithFanOut(FanOut{Transport: b, Workers: 3, MinBytes: 1, ShareBytes: m.files[0].Bytes})
		f := func(l Limits, least, most time.Duration) {
			t.Helper()
			began := time.Now()
			res, err := e.WithLimits(l).Run(context.Background(), q)
			if took := time.Since(began); err != nil || took < least || took > most || res.Stats.SharesHere != res.Stats.Shares {
				t.Errorf("%v after %v", err, took)
			}
		}
		f(Limits{}, 3*DefaultPatience, 3*DefaultPatience+time.Second)
		f(Limits{Time: 16 * time.Second}, 13*time.Second, 15*time.Second)
	})
}

// TestWorkersAtOnce: no more shares are under way than there may be.
func TestWorkersAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := byDay(t, 40)
		b := &blocked{make(chan struct{}, 100), make(chan struct{}, 100)}
		e := newEngine(m).WithFanOut(FanOut{Transport: b, Workers: 5, MinBytes: 1, ShareBytes: 1})
		q, _ := Parse([]byte(fromLog + `"reduce":{"type":"sum","field":"n"}}`))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { _, err := e.Run(ctx, q); done <- err }()
		synctest.Wait()
		if n := len(b.begun); n != 5 {
			t.Errorf("%d shares are under way", n)
		}
		cancel()
		<-done
	})
}

// TestFoundEventsAreSpread: what erasures look for is found by workers, too.
func TestFoundEventsAreSpread(t *testing.T) {
	m := byDay(t, 12)
	c := newCrew(m, rand.New(rand.NewPCG(1, 1)), 2, "")
	q, _ := Parse([]byte(fromLog + `"where":[{"field":"n","operator":"gte","value":400}]}`))
	got, err := c.spreading(m, 3000).Find(context.Background(), q, 1000)
	if err != nil || c.sent == 0 {
		t.Fatal(c.sent, err)
	}
	want, err := newEngine(m).Find(context.Background(), q, 1000)
	if err != nil || len(want) != 200 || !slices.EqualFunc(got, want, func(a, b event.Event) bool {
		return a.Stream == b.Stream && a.Sequence == b.Sequence && a.Place == b.Place
	}) {
		t.Errorf("%d events, want %d: %v", len(got), len(want), err)
	}
}

// FuzzShare: whatever comes as a share is answered, and read back.
func FuzzShare(f *testing.F) {
	m := byDay(f, 3)
	for _, query := range []string{`"reduce":{"type":"sum","field":"n"}}`, `"orderBy":{"field":"n"},"limit":3}`} {
		c := newCrew(m, rand.New(rand.NewPCG(1, 1)), 1, "")
		var mu sync.Mutex
		kept := 0
		c.keep = func(share []byte) {
			mu.Lock()
			defer mu.Unlock()
			if kept++; kept <= 3 { // of some 100 alike: each is run before fuzzing begins
				f.Add(share)
			}
		}
		m.ask(f, c.spreading(m, 10), fromLog+query)
	}
	worker := newEngine(m)
	f.Fuzz(func(t *testing.T, share []byte) {
		h, _, err := readHead(xxhash.Sum64(share), worker.Work(t.Context(), share, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.err(); err == nil && h.Stats == nil {
			t.Error("an answer without stats")
		}
	})
}

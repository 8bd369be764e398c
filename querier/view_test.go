package querier

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/snapshot"
)

// memory is an instance in memory at one point, with data files and commits in
// their real formats.
type memory struct {
	id      string
	hidden  event.Micros
	commits []*commitlog.Commit
	files   []snapshot.File
	bodies  map[string][]byte
	opened  atomic.Int64
	onOpen  func() // called by Open, if set
	now     event.Micros
	shred   bool     // data files get the columns that a chooser chooses
	filter  []string // and filters for those of these paths that get no column
}

// filters returns the paths that get filters in a file by a plan.
func (m *memory) filters(p *segment.Plan) (out []segment.Field) {
	for _, path := range m.filter {
		meets := func(f segment.Field) bool {
			return strings.HasPrefix(f.Path+".", path+".") || strings.HasPrefix(path+".", f.Path+".")
		}
		if !slices.ContainsFunc(p.Fields, meets) && !slices.ContainsFunc(out, meets) {
			out = append(out, segment.Field{Path: path, Type: segment.String, FilterBits: 10})
		}
	}
	return out
}

func (m *memory) pin(_ context.Context, id string, _, _ event.Micros) (view, error) {
	if id != m.id {
		return nil, fault.New(fault.NotFound, "no instance %s", id)
	}
	return m, nil
}

func (m *memory) at(ctx context.Context, id string, p commitlog.Point) (view, error) {
	if p.Now != m.now || p.Snapshot != 7 {
		return nil, fault.New(fault.Invalid, "no such point")
	}
	return m.pin(ctx, id, 0, 0)
}

func (m *memory) point() commitlog.Point {
	return commitlog.Point{Generation: 1, Snapshot: 7, Ends: []int64{1, 2, 3}, Now: m.now}
}
func (m *memory) hiddenBefore() event.Micros { return m.hidden }
func (m *memory) tail() []*commitlog.Commit  { return m.commits }

func (m *memory) cut(files []snapshot.File, tail []*commitlog.Commit) commitlog.Section {
	s := commitlog.Section{Instance: m.id, Point: m.point(), HiddenBefore: m.hidden, Files: files}
	for _, c := range tail {
		s.Tail = append(s.Tail, commitlog.Spot{Shard: c.Shard, Position: c.Position})
	}
	return s
}

func (m *memory) section(_ context.Context, s commitlog.Section) (view, error) {
	part := &memory{id: m.id, hidden: s.HiddenBefore, bodies: m.bodies, files: s.Files, now: s.Point.Now}
	for _, at := range s.Tail {
		for _, c := range m.commits {
			if c.Shard == at.Shard && c.Position == at.Position {
				part.commits = append(part.commits, c)
			}
		}
	}
	if len(part.commits) != len(s.Tail) || s.Point.Snapshot != 7 {
		return nil, fault.New(fault.Gone, "there is no such section")
	}
	return part, nil
}

func (m *memory) Files(_ context.Context, from, to event.Micros) ([]snapshot.File, error) {
	var out []snapshot.File
	for _, f := range m.files {
		if f.MaxTime >= from && f.MinTime <= to && f.MaxTime >= m.hidden {
			out = append(out, f)
		}
	}
	return out, nil
}

func (m *memory) Open(_ context.Context, f snapshot.File) (*segment.File, error) {
	m.opened.Add(1)
	if m.onOpen != nil {
		m.onOpen()
	}
	body := m.bodies[f.Key]
	return segment.Open(bytes.NewReader(body), int64(len(body)))
}

func (m *memory) Fetch(ctx context.Context, f snapshot.File) (*segment.File, error) {
	return m.Open(ctx, f)
}

// addCommit stores events of one shard and position as a commit of the tail.
func (m *memory) addCommit(t testing.TB, events []event.Event) {
	t.Helper()
	body, err := segment.Encode(events, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := segment.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	p := events[0].Place
	m.commits = append(m.commits, &commitlog.Commit{Shard: p.Shard, Position: p.Position, Bytes: len(body), File: f})
}

// addFile stores events of one shard and day as a data file whose row groups
// have about rows events, with the statistics of a manifest.
func (m *memory) addFile(t testing.TB, events []event.Event, rows int) {
	t.Helper()
	events = slices.Clone(events)
	slices.SortFunc(events, func(a, b event.Event) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Sequence, b.Sequence))
	})
	var buf bytes.Buffer
	var plan segment.Plan
	if m.shred {
		var c segment.Chooser
		c.Add(events)
		plan = c.Plan()
	}
	plan.Filters = m.filters(&plan)
	w := segment.NewDataWriter(&buf, plan, nil)
	for part := range slices.Chunk(events, rows) {
		if err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := snapshot.File{Key: fmt.Sprintf("f%d", len(m.files)), Shard: events[0].Place.Shard, Rows: int64(len(events)), Bytes: int64(buf.Len())}
	types := map[string]int64{}
	for i, e := range events {
		if i == 0 {
			f.MinTime, f.MaxTime, f.MinStream, f.MaxStream = e.Time, e.Time, e.Stream, e.Stream
			f.MinSequence, f.MaxSequence, f.MinPosition, f.MaxPosition = e.Sequence, e.Sequence, e.Place.Position, e.Place.Position
		}
		f.MinTime, f.MaxTime = min(f.MinTime, e.Time), max(f.MaxTime, e.Time)
		f.MinStream, f.MaxStream = min(f.MinStream, e.Stream), max(f.MaxStream, e.Stream)
		f.MinSequence, f.MaxSequence = min(f.MinSequence, e.Sequence), max(f.MaxSequence, e.Sequence)
		f.MinPosition, f.MaxPosition = min(f.MinPosition, e.Place.Position), max(f.MaxPosition, e.Place.Position)
		types[e.Type]++
	}
	if len(types) <= 12 { // below what manifests allow, to have both
		f.Types = types
	}
	m.files = append(m.files, f)
	if m.bodies == nil {
		m.bodies = map[string][]byte{}
	}
	m.bodies[f.Key] = buf.Bytes()
}

// store splits a log into data files, up to a share of each shard's commits,
// and a tail.
func store(t testing.TB, rng *rand.Rand, events []event.Event, folded float64, hidden event.Micros) *memory {
	t.Helper()
	m := &memory{id: "log", hidden: hidden, now: 99}
	type key struct {
		shard int
		day   string
	}
	days := map[key][]event.Event{}
	last := map[int]int64{}
	for _, e := range events {
		last[e.Place.Shard] = max(last[e.Place.Shard], e.Place.Position)
	}
	byCommit := func(a, b event.Event) bool {
		return a.Place.Shard == b.Place.Shard && a.Place.Position == b.Place.Position
	}
	for len(events) > 0 {
		n := 1
		for n < len(events) && byCommit(events[0], events[n]) {
			n++
		}
		p := events[0].Place
		if float64(p.Position) <= folded*float64(last[p.Shard]) {
			for _, e := range events[:n] {
				k := key{p.Shard, e.Time.Day()}
				days[k] = append(days[k], e)
			}
		} else {
			m.addCommit(t, events[:n])
		}
		events = events[n:]
	}
	for _, k := range slices.SortedFunc(maps.Keys(days), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.shard, b.shard))
	}) {
		for part := range slices.Chunk(days[k], 1+rng.IntN(400)) {
			m.shred, m.filter = rng.IntN(3) > 0, nil
			if rng.IntN(2) == 0 {
				m.filter = []string{"metadata.source", "payload.a", "payload.b.a", "payload.f"}
			}
			m.addFile(t, part, 1+rng.IntN(150))
		}
	}
	return m
}

// run answers a query in JSON over a memory, which must succeed.
func (m *memory) run(t testing.TB, query string) *Result {
	t.Helper()
	return m.ask(t, newEngine(m), query)
}

// ask answers a query by an engine over the memory.
func (m *memory) ask(t testing.TB, e *Engine, query string) *Result {
	t.Helper()
	q, err := Parse([]byte(query))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	res, err := e.Run(context.Background(), q)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

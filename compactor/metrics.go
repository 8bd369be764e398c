package compactor

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/snapshot"
)

// Metrics tells what compactors of this process do and what waits for them. A nil
// one counts nothing.
type Metrics struct {
	events, files, bytes, swept, errors prometheus.Counter

	mu     sync.Mutex
	tables map[string]table // by instance, as this process last committed them
}

// table is what a snapshot names.
type table struct {
	files, runs int
	busiest     int // data files of the day that has most, over all shards
}

// NewMetrics registers the metrics of compactors of a log, whose names begin with
// firn_compactor_.
func NewMetrics(log *commitlog.Log, registry prometheus.Registerer) *Metrics {
	m := &Metrics{tables: map[string]table{}}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_compactor_" + name, Help: help})
		registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string, f func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firn_compactor_" + name, Help: help}, f))
	}
	m.events = counter("folded_events_total", "Events folded into data files.")
	m.files = counter("files_written_total", "Data files written.")
	m.bytes = counter("written_bytes_total", "Bytes of data files written.")
	m.swept = counter("swept_objects_total", "Objects deleted or left to the bucket's lifecycle rule.")
	m.errors = counter("errors_total", "Runs that failed and are tried again.")
	backlog := func(f func(b commitlog.Backlog) float64, add func(a, b float64) float64) func() float64 {
		return func() float64 {
			sum := 0.0
			for _, b := range log.Backlogs() {
				sum = add(sum, f(b))
			}
			return sum
		}
	}
	plus := func(a, b float64) float64 { return a + b }
	gauge("unfolded_commits", "Commits of this process that wait to be folded.", backlog(func(b commitlog.Backlog) float64 { return float64(b.Commits) }, plus))
	gauge("unfolded_bytes", "Bytes of commits of this process that wait to be folded.", backlog(func(b commitlog.Backlog) float64 { return float64(b.Bytes) }, plus))
	gauge("unfolded_age_seconds", "Age of the oldest commit of this process that waits to be folded.",
		backlog(func(b commitlog.Backlog) float64 { return time.Since(b.Since).Seconds() }, func(a, b float64) float64 { return max(a, b) }))
	gauge("day_files", "Data files of the day that has most, over all shards of an instance.", m.most)
	gauge("files", "Data files of the instances that this process compacted.", m.sum(func(t table) int { return t.files }))
	gauge("runs", "Runs of heads and keys of the instances that this process compacted.", m.sum(func(t table) int { return t.runs }))
	return m
}

// sum returns a function that adds something up over all tables.
func (m *Metrics) sum(of func(table) int) func() float64 {
	return func() float64 {
		m.mu.Lock()
		defer m.mu.Unlock()
		n := 0
		for _, t := range m.tables {
			n += of(t)
		}
		return float64(n)
	}
}

// most returns how many data files the day has that has most. Merging bounds these
// for each shard; firn compact --plan shows them all.
func (m *Metrics) most() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, t := range m.tables {
		n = max(n, t.busiest)
	}
	return float64(n)
}

// stepped counts a step that was committed.
func (m *Metrics) stepped(r Report) {
	if m == nil {
		return
	}
	m.events.Add(float64(r.Events))
	m.files.Add(float64(r.FilesWritten))
	m.bytes.Add(float64(r.BytesWritten))
}

// committed notes what an instance's newest snapshot names.
func (m *Metrics) committed(id string, s *snapshot.Snapshot) {
	if m == nil {
		return
	}
	var t table
	for _, d := range s.Days {
		t.files += d.Count
		if len(d.Day) == len(time.DateOnly) {
			t.busiest = max(t.busiest, d.Count)
		}
	}
	for _, st := range s.Shards {
		t.runs += len(st.Heads) + len(st.Keys)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tables[id] = t
}

func (m *Metrics) sweptObjects(n int) {
	if m != nil {
		m.swept.Add(float64(n))
	}
}

func (m *Metrics) failed() {
	if m != nil {
		m.errors.Inc()
	}
}

package clustercockpit

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counter names one of the counters, which run since the start.
type counter int

const (
	processed counter = iota
	flushed
	ignoredLogs
	ignoredMetrics
	ignoredControl
	ignoredQueries
	ignoredOthers
	decodeErrors
	writes
	writesFailed
	replayed
	queries
	queriesFailed
	numCounters
)

// place is where the statistics show a counter, as cc-event-store names them
// where it has it.
var places = [numCounters]struct{ part, section, name string }{
	processed:      {"manager", "status", "processed"},
	flushed:        {"manager", "status", "flushed"},
	ignoredLogs:    {"manager", "status", "ignored_logs"},
	ignoredMetrics: {"manager", "status", "ignored_metrics"},
	ignoredControl: {"manager", "status", "ignored_control"},
	ignoredQueries: {"manager", "status", "ignored_queries"},
	ignoredOthers:  {"manager", "status", "ignored_others"},
	decodeErrors:   {"manager", "errors", "decode_failed"},
	writes:         {"backend", "status", "writes"},
	writesFailed:   {"backend", "errors", "write_failed"},
	replayed:       {"backend", "status", "replayed"},
	queries:        {"backend", "status", "queries"},
	queriesFailed:  {"backend", "errors", "query_failed"},
}

// ignoredCounters are those of messages that are not stored.
var ignoredCounters = [numKinds]counter{
	logKind: ignoredLogs, metricKind: ignoredMetrics, controlKind: ignoredControl,
	queryKind: ignoredQueries, otherKind: ignoredOthers,
}

// counters are safe for concurrent use.
type counters [numCounters]atomic.Int64

func (c *counters) add(which counter, n int64) { c[which].Add(n) }

// statsPart is what the statistics say of a part. Counters appear once they are
// not zero.
type statsPart struct {
	Errors map[string]int64 `json:"errors"`
	Status map[string]int64 `json:"status"`
}

// statsInfo is the configuration that statistics show.
type statsInfo struct {
	BackendType   string `json:"backend_type"`
	FlushTime     string `json:"flush_time"` // "0s": what is answered is stored
	RetentionTime string `json:"retention_time"`
}

// statsAnswer is the answer of /api/stats/.
type statsAnswer struct {
	Manager   *statsPart               `json:"manager"`
	Backend   *statsPart               `json:"backend"`
	Info      statsInfo                `json:"info"`
	Receivers map[string]receiverStats `json:"receivers,omitempty"` // NATS receivers by name
}

func (c *EventStore) serveStats(w http.ResponseWriter, r *http.Request) {
	answer := statsAnswer{
		Manager: &statsPart{map[string]int64{}, map[string]int64{}},
		Backend: &statsPart{map[string]int64{}, map[string]int64{}},
		Info:    statsInfo{"firn", "0s", c.config.retention()},
	}
	parts := map[string]*statsPart{"manager": answer.Manager, "backend": answer.Backend}
	for i, p := range places {
		part := parts[p.part]
		section := part.Status
		if p.section == "errors" {
			section = part.Errors
		}
		if n := c.counters[i].Load(); n != 0 {
			section[p.name] = n
		}
	}
	tables, err := c.tables(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if tables > 0 {
		answer.Backend.Status["active_tables"] = tables
	}
	if len(c.nats) > 0 {
		answer.Receivers = map[string]receiverStats{}
	}
	for _, n := range c.nats {
		answer.Receivers[n.config.Name] = n.stats()
	}
	respond(w, http.StatusOK, answer)
}

// tables counts the instances of events and logs that the caller may see.
func (c *EventStore) tables(r *http.Request) (int64, error) {
	all, err := c.Instances(r.Context())
	n := int64(0)
	for _, i := range all {
		if strings.HasSuffix(i.Name, "_events") || strings.HasSuffix(i.Name, "_logs") {
			n++
		}
	}
	return n, err
}

var (
	totalDesc     = prometheus.NewDesc("firn_clustercockpit_total", "What the ClusterCockpit door has done, as /api/stats names it.", []string{"part", "section", "counter"}, nil)
	receiverDesc  = prometheus.NewDesc("firn_clustercockpit_nats_total", "What NATS receivers have met.", []string{"receiver", "counter"}, nil)
	connectedDesc = prometheus.NewDesc("firn_clustercockpit_nats_connected", "Whether a NATS receiver is connected.", []string{"receiver"}, nil)
)

// Describe implements [prometheus.Collector].
func (c *EventStore) Describe(ch chan<- *prometheus.Desc) {
	ch <- totalDesc
	ch <- receiverDesc
	ch <- connectedDesc
}

// Collect implements [prometheus.Collector].
func (c *EventStore) Collect(ch chan<- prometheus.Metric) {
	for i, p := range places {
		ch <- prometheus.MustNewConstMetric(totalDesc, prometheus.CounterValue, float64(c.counters[i].Load()), p.part, p.section, p.name)
	}
	for _, n := range c.nats {
		s := n.stats()
		connected := 0.0
		if s.Connected {
			connected = 1
		}
		ch <- prometheus.MustNewConstMetric(connectedDesc, prometheus.GaugeValue, connected, n.config.Name)
		for name, value := range map[string]int64{"messages": s.Messages, "refused": s.Refused, "dropped": s.Dropped,
			"redelivered": s.Redelivered, "disconnects": s.Disconnects, "retries": s.Retries} {
			ch <- prometheus.MustNewConstMetric(receiverDesc, prometheus.CounterValue, float64(value), n.config.Name, name)
		}
	}
}

package front

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/firnlog/firn/layout/store"
)

// metrics are what the surface counts.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	appended prometheus.Counter
}

func newMetrics(reg *prometheus.Registry, m *memory, s store.Store) *metrics {
	out := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "firn_http_requests_total", Help: "HTTP requests by route and status.",
		}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "firn_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
		appended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "firn_events_appended_total", Help: "Events stored by appends, repetitions not counted.",
		}),
	}
	reg.MustRegister(out.requests, out.duration, out.appended, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "firn_request_memory_bytes", Help: "Memory lent to requests that are being taken in.",
	}, func() float64 { return float64(m.used.Load()) }))
	if counted, ok := s.(*store.Counted); ok {
		reg.MustRegister(storeCollector{counted})
	}
	return out
}

// observe counts a request that was answered. Routes are patterns, so that
// their number is bounded whatever is asked for.
func (m *metrics) observe(route string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// ServeMetrics shows the metrics in the text form of Prometheus.
func (s *Service) ServeMetrics(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// storeCollector shows the requests to the store, which are what it costs.
type storeCollector struct{ counted *store.Counted }

var (
	storeRequests = prometheus.NewDesc("firn_store_requests_total", "Requests to the object store by operation.", []string{"operation"}, nil)
	storeBytes    = prometheus.NewDesc("firn_store_bytes_total", "Bytes of objects sent to and read from the object store.", []string{"direction"}, nil)
)

// Describe implements [prometheus.Collector].
func (storeCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- storeRequests
	ch <- storeBytes
}

// Collect implements [prometheus.Collector].
func (s storeCollector) Collect(ch chan<- prometheus.Metric) {
	c := s.counted.Counts()
	for operation, n := range map[string]int64{"get": c.Get, "put": c.Put, "list": c.List, "delete": c.Delete, "set_tags": c.SetTags, "tags": c.Tags} {
		ch <- prometheus.MustNewConstMetric(storeRequests, prometheus.CounterValue, float64(n), operation)
	}
	for direction, n := range map[string]int64{"in": c.BytesIn, "out": c.BytesOut} {
		ch <- prometheus.MustNewConstMetric(storeBytes, prometheus.CounterValue, float64(n), direction)
	}
}

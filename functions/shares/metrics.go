package shares

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/querier"
)

// metered is a transport that counts shares and how long their answers take.
type metered struct {
	querier.Transport
	sent, lost prometheus.Counter
	took       prometheus.Histogram
}

// Metered returns how queries are spread as f says, with metrics in a registry whose
// names begin with firn_shares_.
func Metered(f querier.FanOut, registry prometheus.Registerer) querier.FanOut {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_shares_" + name, Help: help})
		registry.MustRegister(c)
		return c
	}
	m := &metered{Transport: f.Transport,
		sent: counter("sent_total", "Shares of queries sent to other processes, each time that one was."),
		lost: counter("lost_total", "Shares sent whose answer did not come, not counting those that nobody waits for any more."),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "firn_shares_duration_seconds", Help: "Time from the sending of a share to its answer.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}})}
	registry.MustRegister(m.took)
	resent := counter("resent_total", "Shares sent again, since there was no answer or none that could be used.")
	f.Transport, f.Resent = m, resent.Inc
	return f
}

// Send implements [querier.Transport].
func (m *metered) Send(ctx context.Context, instance string, share []byte) ([]byte, error) {
	began := time.Now()
	m.sent.Inc()
	answer, err := m.Transport.Send(ctx, instance, share)
	switch {
	case err == nil:
		m.took.Observe(time.Since(began).Seconds())
	case context.Cause(ctx) != context.Canceled:
		m.lost.Inc()
	}
	return answer, err
}

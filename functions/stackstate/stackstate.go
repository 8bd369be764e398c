// Package stackstate takes in what StackState's agents and receiver clients
// send: one JSON object per message, POSTed to …/stsAgent/intake, of which the
// events are stored.
//
// An event is stored in the form that StackState gives it, as its payload: a
// topology event if it has a context, else a generic event. Its metadata is the
// event object as it was sent, so that every value in it can be queried. The
// answer is 200 with a report on every event; clients ignore it, people should
// not. Metrics, service checks, topologies and health data are counted and not
// stored.
//
// What agents ask for beside the intake is answered so that they keep calm.
package stackstate

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// Instance is where the events are stored. It makes itself.
const Instance = "stackstate"

// Config is what can be chosen.
type Config struct {
	// Deduplicate recognises events that were stored within the last 24 hours by
	// their source and source_identifier, unless the request's parameter
	// deduplicate says otherwise.
	Deduplicate bool
}

// receiver is the door.
type receiver struct {
	*front.Service
	Config
	items *prometheus.CounterVec
}

// Door returns the receiver's routes, on Kubernetes' path and on Linux'. It
// counts what comes in the service's registry, so there can be one for each
// service.
func Door(s *front.Service, cfg Config) front.Door {
	d := &receiver{Service: s, Config: cfg, items: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "firn_stackstate_items_total", Help: "What StackState clients sent, by kind and by what became of it.",
	}, []string{"kind", "outcome"})}
	s.Registry.MustRegister(d.items)
	door := front.Door{Name: "stackstate", Fail: d.fail}
	for _, base := range []string{"/stsAgent", "/receiver/stsAgent"} {
		door.Routes = append(door.Routes,
			front.Route{Pattern: "POST " + base + "/intake", Serve: d.intake},
			front.Route{Pattern: "POST " + base + "/intake/{$}", Serve: d.intake},
			front.Route{Pattern: "POST " + base + "/intake/metrics", Serve: d.intake},
			front.Route{Pattern: "POST " + base + "/intake/metadata", Serve: d.intake},
			front.Route{Pattern: "GET " + base + "/api/v1/validate", Serve: say(`{"valid":true}`)},
			front.Route{Pattern: "GET " + base + "/features", Serve: say(`{}`)},
		)
		for kind, path := range unstored {
			door.Routes = append(door.Routes, front.Route{Pattern: "POST " + base + path, Serve: d.drop(kind)})
		}
	}
	return door
}

// unstored are the paths of what agents send beside the intake, by its name in
// the metrics.
var unstored = map[string]string{
	"series":      "/api/v1/series",
	"check_run":   "/api/v1/check_run",
	"collector":   "/api/v1/collector",
	"connections": "/api/v1/connections",
	"logs":        "/logs/k8s",
}

// say answers with the same body each time. The caller is known by then.
func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, []byte(body)) }
}

// drop reads a message and stores nothing of it, whatever its form. It costs no
// memory.
func (d *receiver) drop(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, d.Limits.Decompressed)); err != nil {
			d.fail(w, r, fault.New(fault.Limit, "the body could not be read to its end within %d bytes", d.Limits.Decompressed))
			return
		}
		d.items.WithLabelValues(kind, "ignored").Inc()
		respond(w, http.StatusOK, []byte(`{"status":"ok","ignored":{"`+kind+`":1}}`))
	}
}

// fail answers with an error. Agents send the same again after a 401, and never
// again after a 403, which is what a key that is not good deserves.
func (d *receiver) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := front.Status(err)
	switch status {
	case http.StatusUnauthorized:
		status = http.StatusForbidden
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		w.Header().Set("Retry-After", "1")
	}
	respond(w, status, encode(map[string]string{
		"error": d.ErrorText(w, r, err), "code": fault.KindOf(err).String(), "requestId": front.RequestID(w)}))
}

func respond(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

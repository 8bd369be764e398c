// Package clustercockpit is the front door for ClusterCockpit, in the place of
// cc-event-store: events and logs of HPC clusters in InfluxDB's line protocol,
// over HTTP and NATS.
//
//	POST      /api/write/   store lines: ?cluster=<name>[&precision=s|ms|us|ns]
//	GET POST  /api/query/   read events and logs; the request is a JSON body
//	GET POST  /api/stats/   counters since the start
//
// All three are there without the last slash, too. Beside them stand the
// receivers of the configuration file ([Load], [EventStore.Run]): HTTP listeners
// of their own and NATS subscriptions.
//
// # Mapping
//
// A line with a string field event is an event of the instance
// <cluster>_events, one with a string field log a log of <cluster>_logs; other
// lines (metrics, control messages) are counted as ignored and not stored. Of
//
//	job,cluster=fritz,hostname=f0101,function=start_job event="{\"jobId\":69}" 1795200000
//
// the stream is the tag hostname, "default" without it; the event type the
// measurement; the tags are those of the line as key:value; the payload is
// {"event":"{\"jobId\":69}"}, with the line's other fields beside it, and the
// metadata all tags as an object.
//
// The interface is that of cc-event-store of April 2026; what of its faults is
// mended is listed in docs/moving-from-clustercockpit.md.
package clustercockpit

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// EventStore is the door and its receivers, which share their counters.
type EventStore struct {
	*front.Service
	config   Config
	counters counters
	nats     []*natsReceiver
}

// New returns an event store over s. It adds its metrics to the service's
// registry and, for each NATS receiver, a check to its readiness.
func New(s *front.Service, config Config) *EventStore {
	c := &EventStore{Service: s, config: config}
	for _, settings := range config.NATS {
		r := newNATSReceiver(c, settings)
		c.nats = append(c.nats, r)
		s.AddCheck("nats receiver "+settings.Name, r.check)
	}
	s.Registry.MustRegister(c)
	return c
}

// Door returns the API's routes.
func (c *EventStore) Door() front.Door {
	d := front.Door{Name: "clustercockpit", Fail: c.fail}
	for pattern, serve := range map[string]http.HandlerFunc{
		"POST /api/write": c.serveWrite,
		"GET /api/query":  c.serveQuery,
		"POST /api/query": c.serveQuery,
		"GET /api/stats":  c.serveStats,
		"POST /api/stats": c.serveStats,
	} {
		d.Routes = append(d.Routes, front.Route{Pattern: pattern, Serve: serve}, front.Route{Pattern: pattern + "/", Serve: serve})
	}
	return d
}

// failure is the body of every answer that is an error.
type failure struct {
	Status string `json:"status"` // the text of the HTTP status
	Error  string `json:"error"`
}

func (c *EventStore) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := front.Status(err)
	if fault.Is(err, fault.Overload) || fault.Is(err, fault.Unavailable) {
		w.Header().Set("Retry-After", "1")
	}
	respond(w, status, failure{http.StatusText(status), c.ErrorText(w, r, err)})
}

// respond sends v as JSON. That the client may be gone is no concern.
func respond(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // the values of this package always encode
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	const most = 64
	if len(s) > most {
		return string(bytes.ToValidUTF8([]byte(s[:most]), nil)) + "…"
	}
	return s
}

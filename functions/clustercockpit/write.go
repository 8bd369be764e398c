package clustercockpit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Memory that a body takes beside its own while it is decoded: its text once
// more in payload, metadata and tags, and eventMemory for each event.
const eventMemory = 1024

// serveWrite stores a body of lines: 200 with an empty body when all are
// durable.
func (c *EventStore) serveWrite(w http.ResponseWriter, r *http.Request) {
	cluster := r.URL.Query().Get("cluster")
	if cluster == "" {
		c.fail(w, r, fault.New(fault.Invalid, "query parameter cluster is required"))
		return
	}
	c.write(w, r, source{cluster: cluster})
}

// write stores the body of a request.
func (c *EventStore) write(w http.ResponseWriter, r *http.Request, from source) {
	if err := c.take(w, r, from); err != nil {
		c.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// take reads and stores a body. Nothing of it is stored unless all of it can be
// read and the caller may append to every instance that it needs.
func (c *EventStore) take(w http.ResponseWriter, r *http.Request, from source) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	from.limit, from.arrived = event.MaxBatch, event.ToMicros(c.Now())
	if from.precision, err = parsePrecision(r.URL.Query().Get("precision")); err != nil {
		return err
	}
	loan := c.Borrow()
	defer loan.End()
	body, err := c.ReadAppend(w, r, loan)
	if err != nil {
		return err
	}
	if err := loan.Grow(r.Context(), 2*int64(len(body))); err != nil {
		return err
	}
	d, err := decode(body, from)
	if err != nil {
		c.counters.add(decodeErrors, 1)
		return err
	}
	if err := loan.Grow(r.Context(), eventMemory*int64(len(d.entries))); err != nil {
		return err
	}
	c.withoutLogs(&d)
	var to groups
	if err := c.add(&to, d.entries); err != nil {
		return err
	}
	c.note(&d)
	return c.storeAll(r, to.list, key, requestHash(from, body))
}

// storeAll stores the groups of a request, one after the other.
func (c *EventStore) storeAll(r *http.Request, list []*group, key, hash string) error {
	total, stored := 0, 0
	for _, g := range list {
		if _, err := c.target(r.Context(), g); err != nil {
			return err
		}
		total += len(g.events)
		g.key, g.hash = key, hash
	}
	for _, g := range list {
		n, err := c.store(r.Context(), g)
		stored += n
		switch {
		case fault.Is(err, fault.Unknown):
			return fault.Wrap(err, "some of the body's messages may or may not be stored; repeat it with the same Idempotency-Key to settle that")
		case err != nil && stored > 0:
			return fault.Wrap(err, "only %d of the body's %d messages are stored; repeat it with the same Idempotency-Key to store the rest", stored, total)
		case err != nil:
			return err
		}
	}
	return nil
}

func idempotencyKey(r *http.Request) (string, error) {
	given := r.Header.Values("Idempotency-Key")
	if len(given) == 0 {
		return "", nil
	}
	if len(given) > 1 || !front.Visible(given[0], 256) {
		return "", fault.New(fault.Invalid, "an Idempotency-Key is 1 to 256 visible ASCII characters, given once")
	}
	return given[0], nil
}

// requestHash stands for what a request asks for, so that the log can tell a
// repetition from another request under the same key.
func requestHash(from source, body []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %d\n", from.cluster, from.precision)
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

package clustercockpit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// Bounds of a query request. What exceeds one is an error of kind Limit.
const (
	MaxSeries  = 10_000  // lists of events in an answer
	MaxResults = 100_000 // events in an answer
)

// parallel is how many lists of an answer are read at once.
const parallel = 8

// queryRequest is the body of a query. Unknown members are ignored, as ever.
type queryRequest struct {
	Cluster string `json:"cluster"`
	// From and To are seconds since 1970; both seconds are included as a whole.
	// What is missing is no bound.
	From *int64 `json:"from"`
	To   *int64 `json:"to"`
	// ForAllNodes names events that are asked for of every host that has one of
	// them in the time asked for.
	ForAllNodes []string      `json:"for-all-nodes"`
	Queries     []eventsQuery `json:"queries"`
	// WithTags has each event show its name, host and tags, too.
	WithTags bool `json:"with-tags"`
}

// eventsQuery asks for one list of events, or for one per type-id. Empty
// members mean any.
type eventsQuery struct {
	Kind       string            `json:"kind,omitempty"` // "event" (the default) or "log"
	Event      string            `json:"event"`          // the measurement
	Host       string            `json:"host"`
	Type       string            `json:"type,omitempty"`
	TypeIDs    []string          `json:"type-ids,omitempty"`
	SubType    string            `json:"subtype,omitempty"`
	SubTypeIDs []string          `json:"subtype-ids,omitempty"` // any of them
	Tags       map[string]string `json:"tags,omitempty"`        // all of them
	Contains   string            `json:"contains,omitempty"`    // a part of the text
	Order      string            `json:"order,omitempty"`       // by time: "asc" (the default) or "desc"
	Limit      int               `json:"limit,omitempty"`       // of each list; 0 for all
}

// queryAnswer is the answer to a query. Results[i][j] is of query i and its
// type-id j; Queries says which these are where the request does not.
type queryAnswer struct {
	Results [][]series    `json:"results"`
	Queries []eventsQuery `json:"queries,omitempty"`
}

// series is a list of events. From and To are as asked for; 0 where the request
// has none.
type series struct {
	Data []shownEvent `json:"data,omitempty"`
	From int64        `json:"from"`
	To   int64        `json:"to"`
	More bool         `json:"more,omitempty"` // the limit has cut off some
}

// shownEvent is an event or a log.
type shownEvent struct {
	Event     string          `json:"Event"`     // the text
	Timestamp int64           `json:"timestamp"` // seconds since 1970
	Name      string          `json:"name,omitempty"`
	Host      string          `json:"host,omitempty"`
	Tags      json.RawMessage `json:"tags,omitempty"`
}

// serveQuery answers a query. An unknown cluster is one without events.
func (c *EventStore) serveQuery(w http.ResponseWriter, r *http.Request) {
	loan := c.Borrow()
	defer loan.End()
	answer, err := c.query(w, r, loan)
	if err != nil {
		c.counters.add(queriesFailed, 1)
		c.fail(w, r, err)
		return
	}
	c.counters.add(queries, 1)
	respond(w, http.StatusOK, answer)
}

func (c *EventStore) query(w http.ResponseWriter, r *http.Request, loan *front.Loan) (*queryAnswer, error) {
	body, err := front.ReadBody(w, r, loan, front.MaxSmallBody, front.MaxSmallBody)
	if err != nil {
		return nil, err
	}
	req, err := parseQuery(body)
	if err != nil {
		return nil, err
	}
	rd := &reading{EventStore: c, req: req, loan: loan}
	answer := &queryAnswer{Results: make([][]series, len(req.Queries))}
	if err := rd.lists(r.Context(), answer.Results); err != nil {
		return nil, err
	}
	if len(req.ForAllNodes) == 0 {
		return answer, nil
	}
	hosts, results, err := rd.allNodes(r.Context())
	if err != nil {
		return nil, err
	}
	answer.Queries = append(req.Queries, hosts...)
	answer.Results = append(answer.Results, results...)
	return answer, nil
}

// parseQuery reads a request. Errors are Invalid or Limit.
func parseQuery(body []byte) (*queryRequest, error) {
	req := &queryRequest{}
	dec := json.NewDecoder(bytes.NewReader(body))
	err := dec.Decode(req)
	if err == nil {
		if _, next := dec.Token(); next != io.EOF {
			err = fault.New(fault.Invalid, "more follows the JSON object")
		}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		err = fault.New(fault.Invalid, "%s cannot be of the type %s", wrong.Field, wrong.Value)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "failed to parse API request: %w", err)
	}
	if req.Cluster == "" {
		return nil, fault.New(fault.Invalid, "failed to parse API request: cluster is required")
	}
	total := 0
	for i := range req.Queries {
		q := &req.Queries[i]
		if err := q.check(); err != nil {
			return nil, fault.Wrap(err, "queries[%d]", i)
		}
		total += max(1, len(q.TypeIDs))
	}
	if total > MaxSeries {
		return nil, fault.New(fault.Limit, "the queries ask for %d lists of events, the limit is %d", total, MaxSeries)
	}
	return req, nil
}

func (q *eventsQuery) check() error {
	switch {
	case q.Kind != "" && q.Kind != eventMember && q.Kind != logMember:
		return fault.New(fault.Invalid, "kind is event or log, not %q", shorten(q.Kind))
	case q.Order != "" && q.Order != "asc" && q.Order != "desc":
		return fault.New(fault.Invalid, "order is asc or desc, not %q", shorten(q.Order))
	case q.Limit < 0:
		return fault.New(fault.Invalid, "limit is 0 or more, not %d", q.Limit)
	}
	return nil
}

// kind returns which of a cluster's instances the query is about.
func (q *eventsQuery) kind() kind {
	if q.Kind == logMember {
		return logKind
	}
	return eventKind
}

// reading is a query request that is being answered.
type reading struct {
	*EventStore
	req *queryRequest

	mu    sync.Mutex // guards what is below
	loan  *front.Loan
	found int // events so far
}

// lists reads the lists of all queries into results.
func (rd *reading) lists(ctx context.Context, results [][]series) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i := range rd.req.Queries {
		q := &rd.req.Queries[i]
		ids := q.TypeIDs
		if len(ids) == 0 {
			ids = []string{""}
		}
		results[i] = make([]series, len(ids))
		for j, id := range ids {
			work.Go(func() (err error) {
				results[i][j], err = rd.list(ctx, q, id)
				return err
			})
		}
	}
	return work.Wait()
}

// empty returns a list without events.
func (rd *reading) empty() series {
	var s series
	if rd.req.From != nil {
		s.From = *rd.req.From
	}
	if rd.req.To != nil {
		s.To = *rd.req.To
	}
	return s
}

// hold counts events that the answer will have, and borrows memory for them.
func (rd *reading) hold(ctx context.Context, events, bytes int) error {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if rd.found += events; rd.found > MaxResults {
		return fault.New(fault.Limit, "the answer has more than %d events: ask for less time at once, or with a limit", MaxResults)
	}
	return rd.loan.Grow(ctx, int64(bytes))
}

// second returns the first microsecond of a second, within what timestamps can
// be.
func second(n int64) event.Micros {
	const perSecond = 1_000_000
	n = max(n, int64(event.MinTime)/perSecond)
	n = min(n, int64(event.MaxTime)/perSecond)
	return event.Micros(n * perSecond)
}

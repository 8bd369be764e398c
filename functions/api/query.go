package api

import (
	"context"
	"net/http"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// query answers a query of the query language.
func (a API) query(w http.ResponseWriter, r *http.Request) (answer, error) {
	if _, err := parseParams(r, nil); err != nil {
		return answer{}, err
	}
	body, end, err := a.smallBody(w, r)
	if err != nil {
		return answer{}, err
	}
	defer end()
	q, err := querier.Parse(body)
	if err != nil {
		return answer{}, err
	}
	if err := checkRef(q.Instance); err != nil {
		return answer{}, err
	}
	return a.run(r.Context(), q)
}

// readEvents answers a query made of URL parameters:
//
//	stream        events of this stream
//	type          of this type; of any of them when it is repeated
//	tag           with this tag; with all of them when it is repeated
//	from, to      with a timestamp from … on and before …, in any form of event.ParseTime
//	after         with a sequence number above this one; needs stream
//	order         asc (the default) or desc, in append order
//	limit, cursor pages, as in the query language
func (a API) readEvents(_ http.ResponseWriter, r *http.Request) (answer, error) {
	p, err := parseParams(r, []string{"stream", "type", "tag", "from", "to", "after", "order", "limit", "cursor"}, "type", "tag")
	if err != nil {
		return answer{}, err
	}
	ref, err := instanceRef(r)
	if err != nil {
		return answer{}, err
	}
	for name := range p.Values {
		if p.Get(name) == "" {
			return answer{}, fault.New(fault.Invalid, "the parameter %s is empty: leave it out", name)
		}
	}
	q := querier.New(ref)
	q.Stream, q.Cursor = p.Get("stream"), p.Get("cursor")
	q.Where = texts(q.Where, querier.Type, querier.In, p.Values["type"])
	for _, tag := range p.Values["tag"] {
		q.Where = texts(q.Where, querier.Tags, querier.Contains, []string{tag})
	}
	if err := timeRange(p, q); err != nil {
		return answer{}, err
	}
	if err := paging(p, q); err != nil {
		return answer{}, err
	}
	return a.run(r.Context(), q)
}

// texts adds a condition on strings, unless there are none.
func texts(where []querier.Predicate, f querier.Field, op querier.Operator, list []string) []querier.Predicate {
	if len(list) == 0 {
		return where
	}
	var values []querier.Value
	for _, s := range list {
		values = append(values, querier.Text(s))
	}
	return append(where, querier.Predicate{Field: f, Operator: op, Values: values})
}

func timeRange(p params, q *querier.Query) error {
	for _, end := range []struct {
		name string
		op   querier.Operator
	}{{"from", querier.Gte}, {"to", querier.Lt}} {
		if !p.Has(end.name) {
			continue
		}
		t, err := event.ParseTime(p.Get(end.name))
		if err != nil {
			return fault.Wrap(err, "%s", end.name)
		}
		q.Where = texts(q.Where, querier.Timestamp, end.op, []string{t.String()})
	}
	return nil
}

func paging(p params, q *querier.Query) error {
	if p.Has("after") {
		after, err := p.number("after", 0)
		if err != nil {
			return err
		}
		if q.Stream == "" {
			return fault.New(fault.Invalid, "the parameter after is a sequence number of a stream: give stream too")
		}
		q.Where = append(q.Where, querier.Predicate{Field: querier.Sequence, Operator: querier.Gt, Values: []querier.Value{querier.Number(after)}})
	}
	switch p.Get("order") {
	case "", "asc":
	case "desc":
		q.OrderBy = []querier.Order{{Field: querier.Place, Desc: true}}
	default:
		return fault.New(fault.Invalid, "the parameter order is asc or desc")
	}
	limit, err := p.number("limit", int64(q.Limit))
	q.Limit = int(min(limit, querier.MaxLimit+1)) // the engine refuses more than MaxLimit
	return err
}

// run answers a query.
func (a API) run(ctx context.Context, q *querier.Query) (answer, error) {
	res, err := a.Query(ctx, q)
	if err != nil {
		return answer{}, err
	}
	return answer{data: append(res.AppendJSON([]byte(`{"result":`)), '}')}, nil
}

// statsJSON is what the statistics of an instance say.
type statsJSON struct {
	InstanceID string `json:"instanceId"`
	Name       string `json:"name"`
	EventCount int64  `json:"eventCount"`
	CreatedAt  string `json:"createdAt"`
	UpdatedAt  string `json:"updatedAt"`
}

// instanceStats counts an instance's events, which costs no scan of what is
// compacted.
func (a API) instanceStats(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	inst, err := a.Instance(r.Context(), ref, front.CanQuery)
	if err != nil {
		return answer{}, err
	}
	q := querier.New(inst.ID)
	q.Limit = 0
	res, err := a.Query(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	return answer{data: encode(statsJSON{inst.ID, inst.Name, res.Total, inst.CreatedAt.String(), inst.UpdatedAt.String()})}, nil
}

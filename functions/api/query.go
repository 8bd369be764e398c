package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
	"github.com/firnlog/firn/querier/datemath"
)

// typeText is the media type of a query in its form for people.
const typeText = "text/plain"

// query answers a query of the query language: as JSON, or as text with the
// media type text/plain.
func (a API) query(w http.ResponseWriter, r *http.Request) (answer, error) {
	if _, err := parseParams(r, nil); err != nil {
		return answer{}, err
	}
	q, err := a.readQuery(w, r)
	if err != nil {
		return answer{}, err
	}
	return a.run(r.Context(), q)
}

// readQuery reads the query that is a request's body.
func (a API) readQuery(w http.ResponseWriter, r *http.Request) (*querier.Query, error) {
	form, err := front.MediaType(r, front.TypeJSON, typeText)
	if err != nil {
		return nil, err
	}
	l := a.Borrow()
	defer l.End()
	body, err := front.ReadBody(w, r, l, front.MaxSmallBody, front.MaxSmallBody)
	if err != nil {
		return nil, err
	}
	q, err := parseQuery(form, body)
	if err != nil {
		return nil, err
	}
	return q, checkRef(q.Instance)
}

func parseQuery(form string, body []byte) (*querier.Query, error) {
	if form != typeText {
		return querier.Parse(body)
	}
	q, err := querier.ParseText(string(body))
	if err == nil && q.Instance == "" {
		err = fault.New(fault.Invalid, "column 1: the query does not say of which instance: begin it with from and its id or name")
	}
	return q, err
}

// readEvents answers a query made of URL parameters:
//
//	stream        events of this stream
//	type          of this type; of any of them when it is repeated
//	tag           with this tag; with all of them when it is repeated
//	from, to      with a timestamp from … on and before …, as conditions of a query take it
//	after         with a sequence number above this one; needs stream
//	order         asc (the default) or desc, in append order
//	limit, cursor pages, as in the query language
//	q             instead of all these but limit and cursor, a query as text
func (a API) readEvents(_ http.ResponseWriter, r *http.Request) (answer, error) {
	p, err := parseParams(r, []string{"stream", "type", "tag", "from", "to", "after", "order", "limit", "cursor", "q"}, "type", "tag")
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
	if p.Has("q") {
		return a.readText(r.Context(), ref, p)
	}
	q := querier.New(ref)
	q.Stream, q.Cursor = p.Get("stream"), p.Get("cursor")
	q.Where = texts(q.Where, querier.Type, querier.In, p.Values["type"])
	for _, tag := range p.Values["tag"] {
		q.Where = texts(q.Where, querier.Tags, querier.Contains, []string{tag})
	}
	if err := a.timeRange(p, q); err != nil {
		return answer{}, err
	}
	if err := paging(p, q); err != nil {
		return answer{}, err
	}
	return a.run(r.Context(), q)
}

// readText answers a query that is text in a URL's parameter.
func (a API) readText(ctx context.Context, ref string, p params) (answer, error) {
	for name := range p.Values {
		if name != "q" && name != "limit" && name != "cursor" {
			return answer{}, fault.New(fault.Invalid, "the parameter q is the whole query: put what %s means into it", name)
		}
	}
	q, err := querier.ParseText(p.Get("q"))
	if err != nil {
		return answer{}, fault.Wrap(err, "q")
	}
	if q.Instance != "" && q.Instance != ref {
		return answer{}, fault.New(fault.Invalid, "q: the query is from instance %q, the path says %q", q.Instance, ref)
	}
	q.Instance = ref
	if p.Has("cursor") {
		q.Cursor = p.Get("cursor")
	}
	if err := limit(p, q); err != nil {
		return answer{}, err
	}
	return a.run(ctx, q)
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

// timeRange leaves the reading of times to the query, which has a "now" for what is
// relative, and looks only whether they can be read.
func (a API) timeRange(p params, q *querier.Query) error {
	for _, end := range []struct {
		name string
		op   querier.Operator
	}{{"from", querier.Gte}, {"to", querier.Lt}} {
		if !p.Has(end.name) {
			continue
		}
		text := p.Get(end.name)
		if _, err := event.ParseTime(text); err != nil {
			if _, notMath := datemath.Parse(text, a.Now(), false); notMath != nil {
				return fault.New(fault.Invalid, "%s: %w; or a day such as 2026-11-22, or date math such as now-1d%s", end.name, err, escapePlus(text))
			}
		}
		q.Where = texts(q.Where, querier.Timestamp, end.op, []string{text})
	}
	return nil
}

// escapePlus is for those who meet that a plus sign in a URL is a space.
func escapePlus(text string) string {
	if !strings.Contains(text, " ") {
		return ""
	}
	return "; in a URL + is written as %2B"
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
	return limit(p, q)
}

func limit(p params, q *querier.Query) error {
	n, err := p.number("limit", int64(q.Limit))
	q.Limit = int(min(n, querier.MaxLimit+1)) // the engine refuses more than MaxLimit
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

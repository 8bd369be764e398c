package vamp

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/querier"
	"github.com/firnlog/firn/querier/datemath"
)

// query is a query of Vamp. Its zero value asks for all events.
type query struct {
	tags       []string // all of them, as they are
	types      []string // any of them; none for all
	bounds     []bound
	aggregator querier.Reduction // "" for a list of events
	field      string
}

// bound is a condition on the timestamp.
type bound struct {
	op   querier.Operator
	text string // date math
}

// bounds by the names that they have in a query.
var boundNames = []struct {
	name string
	op   querier.Operator
}{{"lt", querier.Lt}, {"lte", querier.Lte}, {"gt", querier.Gt}, {"gte", querier.Gte}}

// aggregators by the names that they have in a query.
var aggregators = map[string]querier.Reduction{"average": querier.Avg, "min": querier.Min, "max": querier.Max,
	"count": querier.Count, "sum": querier.Sum}

// parseQuery reads the body of a query. What it does not know it refuses, since
// a filter with a slip would quietly match too much.
func parseQuery(body []member) (q query, err error) {
	given, rest, err := known(body, "tags", "type", "timestamp", "aggregator")
	if err != nil {
		return q, err
	}
	if err := unexpected(rest); err != nil {
		return q, err
	}
	if raw := given["tags"]; !absent(raw) {
		if q.tags, err = tagTexts(raw); err != nil {
			return q, err
		}
		// An empty tag is no condition, as in the parameter form.
		q.tags = slices.DeleteFunc(q.tags, func(tag string) bool { return tag == "" })
	}
	if raw := given["type"]; !absent(raw) {
		kind, err := scalarText("the type", raw)
		if err != nil {
			return q, err
		}
		q.addType(kind)
	}
	if raw := given["timestamp"]; !absent(raw) {
		if err := q.addTimestamp(raw); err != nil {
			return q, err
		}
	}
	if raw := given["aggregator"]; !absent(raw) {
		if err := q.setAggregator(raw); err != nil {
			return q, err
		}
	}
	return q, q.check()
}

// parseParams reads the parameter form of a query, which can say all that a
// body can: tag or tags, type, timestamp (as in a body, in JSON, or a date), lt,
// lte, gt, gte, aggregator and field.
func parseParams(p url.Values) (q query, err error) {
	for _, tag := range slices.Concat(p["tag"], p["tags"]) {
		if tag != "" && !slices.Contains(q.tags, tag) {
			q.tags = append(q.tags, tag)
		}
	}
	for _, kind := range p["type"] {
		q.addType(kind)
	}
	if err := q.timeParams(p); err != nil {
		return q, err
	}
	if name := p.Get("aggregator"); strings.HasPrefix(name, "{") {
		raw, err := parseJSON([]byte(name))
		if err != nil {
			return q, err
		}
		if err := q.setAggregator(raw); err != nil {
			return q, err
		}
	} else if name != "" {
		if err := q.setAggregator(appendText(nil, name)); err != nil {
			return q, err
		}
	}
	if field := p.Get("field"); field != "" {
		q.field = field
	}
	return q, q.check()
}

func (q *query) timeParams(p url.Values) error {
	for _, given := range p["timestamp"] {
		if given == "" {
			continue
		}
		raw := jsontext.Value(appendText(nil, given))
		if given[0] == '{' || given[0] == '"' {
			var err error
			if raw, err = parseJSON([]byte(given)); err != nil {
				return err
			}
		}
		if err := q.addTimestamp(raw); err != nil {
			return err
		}
	}
	for _, b := range boundNames {
		for _, given := range p[b.name] {
			if given != "" {
				q.bounds = append(q.bounds, bound{b.op, given})
			}
		}
	}
	return nil
}

// addType adds a type to ask for; "" asks for none.
func (q *query) addType(kind string) {
	if kind != "" {
		q.types = append(q.types, kind)
	}
}

// addTimestamp reads a range, or the one time that is asked for.
func (q *query) addTimestamp(raw jsontext.Value) error {
	if raw.Kind() != '{' {
		return q.addBound(querier.Eq, raw)
	}
	list, err := members(raw)
	if err != nil {
		return err
	}
	given, rest, err := known(list, "lt", "lte", "gt", "gte")
	if err != nil {
		return err
	}
	if err := unexpected(rest); err != nil {
		return err
	}
	for _, b := range boundNames {
		if raw := given[b.name]; !absent(raw) {
			if err := q.addBound(b.op, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// addBound takes date math, or a number since the epoch.
func (q *query) addBound(op querier.Operator, raw jsontext.Value) error {
	switch raw.Kind() {
	case '"':
		q.bounds = append(q.bounds, bound{op, text(raw)})
		return nil
	case '0':
		at, err := event.ParseTime(string(raw))
		if err != nil {
			return err
		}
		// With all decimals, so that rounding changes nothing.
		q.bounds = append(q.bounds, bound{op, at.Time().Format("2006-01-02T15:04:05.000000Z")})
		return nil
	}
	return invalid("Error: a time must be a text or a number, not %s", shorten(string(raw)))
}

// setAggregator reads {"type": …, "field": …}, or the type alone.
func (q *query) setAggregator(raw jsontext.Value) error {
	given := map[string]jsontext.Value{"type": raw}
	if raw.Kind() == '{' {
		list, err := members(raw)
		if err != nil {
			return err
		}
		var rest []member
		if given, rest, err = known(list, "type", "field"); err != nil {
			return err
		}
		if err := unexpected(rest); err != nil {
			return err
		}
	}
	if absent(given["type"]) {
		return invalid("Can't find any value for path: /aggregator/type")
	}
	name, err := scalarText("the aggregator", given["type"])
	if err != nil {
		return err
	}
	found, ok := aggregators[strings.ToLower(name)]
	if !ok {
		return invalid("Unsupported aggregator: %s.", shorten(name))
	}
	q.aggregator = found
	if field := given["field"]; !absent(field) {
		q.field, err = scalarText("the field", field)
	}
	return err
}

func (q *query) check() error {
	has := func(op querier.Operator) bool {
		return slices.ContainsFunc(q.bounds, func(b bound) bool { return b.op == op })
	}
	if has(querier.Lt) && has(querier.Lte) || has(querier.Gt) && has(querier.Gte) {
		return invalid("Event query time range is not valid, both 'lt' and 'lte' or 'gt' and 'gte' are not allowed.")
	}
	return nil
}

// filter returns the conditions on tags and types.
func (q *query) filter() []querier.Predicate {
	var where []querier.Predicate
	for _, tag := range q.tags {
		where = append(where, predicate(querier.Tags, querier.Contains, tag))
	}
	if len(q.types) > 0 {
		where = append(where, predicate(querier.Type, querier.In, q.types...))
	}
	return where
}

// where returns all conditions, as they are at the time now.
func (q *query) where(now time.Time) ([]querier.Predicate, error) {
	where := q.filter()
	for _, b := range q.bounds {
		t, err := datemath.Parse(b.text, now, b.op == querier.Gt || b.op == querier.Lte)
		if err != nil {
			return nil, invalid("Event query error, check request format: %w", err)
		}
		where = append(where, predicate(querier.Timestamp, b.op, event.ToMicros(t).String()))
	}
	return where, nil
}

// params returns the parameter form of a list query.
func (q *query) params() (p [][2]string) {
	for _, tag := range q.tags {
		p = append(p, [2]string{"tag", tag})
	}
	for _, kind := range q.types {
		p = append(p, [2]string{"type", kind})
	}
	for _, b := range q.bounds {
		name := string(b.op)
		if b.op == querier.Eq {
			name = "timestamp"
		}
		p = append(p, [2]string{name, b.text})
	}
	return p
}

// predicate compares a field with texts.
func predicate(f querier.Field, op querier.Operator, texts ...string) querier.Predicate {
	p := querier.Predicate{Field: f, Operator: op}
	for _, t := range texts {
		p.Values = append(p.Values, querier.Text(t))
	}
	return p
}

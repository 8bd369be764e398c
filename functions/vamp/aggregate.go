package vamp

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// aggregate returns what the query's aggregator makes of all events that match:
// a whole number for count, else a number with a fraction, 0.0 of nothing.
func (d *door) aggregate(ctx context.Context, instance string, q *query) ([]byte, error) {
	where, err := q.where(d.Now())
	if err != nil {
		return nil, err
	}
	if q.aggregator == querier.Count {
		n, err := d.count(ctx, instance, where)
		if fault.Is(err, fault.NotFound) {
			err = nil // nothing was published yet
		}
		return strconv.AppendInt(nil, n, 10), err
	}
	for _, at := range q.places() {
		value, err := d.reduce(ctx, instance, q, append(slices.Clip(where), at.where...), at.path)
		if value != nil || err != nil && !fault.Is(err, fault.NotFound) {
			return value, err
		}
	}
	return []byte("0.0"), nil
}

// place is where the numbers of an aggregation may be.
type place struct {
	path  string // within the value, "" for itself
	where []querier.Predicate
}

// places returns where the query's field may be, the likeliest first. To 0.9.0
// it is a path within the value; from then on it is one in the document, in
// which the value lies under the event's type, or as a text under "value".
func (q *query) places() []place {
	head, rest, _ := strings.Cut(q.field, ".")
	switch {
	case q.field == "":
		return []place{{}}
	case slices.Contains(q.types, head):
		return []place{{path: rest}}
	case head == "value":
		return []place{{path: q.field}, {path: rest}}
	case len(q.types) > 0:
		return []place{{path: q.field}}
	}
	return []place{{path: q.field}, {rest, []querier.Predicate{predicate(querier.Type, querier.Eq, head)}}}
}

// reduce returns a reduction of the numbers at a path of values, nil if there
// are none.
func (d *door) reduce(ctx context.Context, instance string, q *query, where []querier.Predicate, path string) ([]byte, error) {
	name := "payload.value"
	if path != "" {
		name += "." + path
	}
	field, err := querier.ParseField(name)
	if err != nil {
		return nil, err
	}
	res, err := d.Query(ctx, &querier.Query{Instance: instance, Where: where, Reduce: &querier.Reduce{Type: q.aggregator, Field: field}})
	if err != nil || res.Aggregation.Kind() != '0' {
		return nil, err
	}
	value := res.Aggregation
	if q.aggregator == querier.Sum && string(value) == "0" {
		return nil, nil // the sum of nothing; if it is one of something, it is the same
	}
	if !bytes.ContainsAny(value, ".eE") {
		value = append(value, ".0"...)
	}
	return value, nil
}

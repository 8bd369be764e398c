package querier

import (
	"fmt"

	"github.com/firnlog/firn/layout/fault"
)

// check returns an error of kind Invalid or Limit unless q can be answered.
func (q *Query) check() error {
	if q.Instance == "" {
		return invalid("from.instance", "a query needs the id of an instance")
	}
	return q.checkParts()
}

// checkParts checks all but the instance.
func (q *Query) checkParts() error {
	if err := q.checkWhere(); err != nil {
		return err
	}
	for i, f := range q.Select {
		if f.base == basePlace || f.base == baseNone {
			return invalid(fmt.Sprintf("select[%d]", i), "%s can only be ordered by", Place.name)
		}
	}
	for i, o := range q.OrderBy {
		if o.Field.base == baseNone {
			return invalid(fmt.Sprintf("orderBy[%d].field", i), "an order needs a field")
		}
	}
	if q.Reduce != nil {
		if err := q.Reduce.check(); err != nil {
			return err
		}
	}
	return q.checkPage()
}

// checkPage checks what says where a page begins and ends.
func (q *Query) checkPage() error {
	switch {
	case len(q.Select) > MaxSelect || len(q.OrderBy) > MaxOrders:
		return fault.New(fault.Invalid, "a query has at most %d selected fields and %d orders", MaxSelect, MaxOrders)
	case q.Limit < 0 || q.Offset < 0:
		return fault.New(fault.Invalid, "limit and offset are whole numbers, 0 or more")
	case q.Limit > MaxLimit:
		return fault.New(fault.Limit, "limit: a page has at most %d events; go on with its cursor", MaxLimit)
	case q.Offset > MaxOffset-q.Limit:
		return fault.New(fault.Limit, "offset: offset and limit together go to %d at most; go on with the page's cursor instead", MaxOffset)
	case q.Cursor != "" && q.Reduce != nil:
		return invalid("cursor", "a query with reduce has no pages")
	}
	return nil
}

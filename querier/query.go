package querier

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// Query is a question about the events of one instance. Its text form is the
// JSON that [Parse] reads.
type Query struct {
	Instance string
	Stream   string      // only events of this stream; "" for all
	Where    []Predicate // all must hold
	Select   []Field     // what to show of each event; none for all
	OrderBy  []Order     // none for append order
	Limit    int         // events a page: 0 … MaxLimit
	Offset   int         // events to skip before the first page
	Cursor   string      // from the page before; the rest of the query must be the same but Limit
	Reduce   *Reduce     // instead of events, one value over all of them
	NoTotal  bool        // the total need not be counted
	Explain  bool        // the stats tell how the answer was found
	Limits   Limits      // lower than those of the engine, where they are not 0; Page means nothing
	Partial  bool        // a part is an answer, where Time, Rows or Bytes of the limits end the scan
}

// New returns a query for all events of an instance with the default limit.
func New(instance string) *Query { return &Query{Instance: instance, Limit: DefaultLimit} }

// Operator compares a field with what a condition asks for.
type Operator string

// The operators.
const (
	Eq       Operator = "eq"
	Neq      Operator = "neq"
	Gt       Operator = "gt"
	Gte      Operator = "gte"
	Lt       Operator = "lt"
	Lte      Operator = "lte"
	Contains Operator = "contains" // a part of a string, a member of an array
	In       Operator = "in"       // equal to one of a list
	Between  Operator = "between"  // two values, both ends included

	Exists     Operator = "exists"     // with true: the event has the field; with false: it lacks it
	StartsWith Operator = "startsWith" // the beginning of a string
	EndsWith   Operator = "endsWith"   // the end of a string
	Matches    Operator = "matches"    // an RE2 regular expression finds a place in a string
	HasTag     Operator = "hasTag"     // the event has the tag; Field may be left out

	And Operator = "and" // all of Parts
	Or  Operator = "or"  // any of Parts
	Not Operator = "not" // not the one part
)

// operators are those that statistics and ranges can be asked about, allOperators
// those of all single conditions.
var (
	operators    = []Operator{Eq, Neq, Gt, Gte, Lt, Lte, Contains, In, Between}
	allOperators = append(slices.Clone(operators), Exists, StartsWith, EndsWith, Matches, HasTag)
)

// Predicate is a condition: on a field, or made of others.
type Predicate struct {
	Field      Field
	Operator   Operator
	Values     []Value // two for Between, any number for In, else one
	IgnoreCase bool    // strings compare without case: with Eq, Neq, In, Contains, StartsWith, EndsWith, Matches and HasTag

	// Parts are the conditions that And, Or and Not are made of; these have
	// nothing but their parts.
	Parts []Predicate
}

// Order is one field of an order.
type Order struct {
	Field Field
	Desc  bool
}

// String returns the query as JSON in one normal form, which [Parse] reads back
// to an equal query.
func (q *Query) String() string {
	b := q.appendIdentity([]byte("{"))
	b = strconv.AppendInt(append(b, `,"limit":`...), int64(q.Limit), 10)
	if q.Cursor != "" {
		b = appendQuoted(append(b, `,"cursor":`...), q.Cursor)
	}
	if q.Explain {
		b = append(b, `,"explain":true`...)
	}
	b = q.appendLimits(b)
	return string(append(b, '}'))
}

// appendIdentity appends the members that all pages of a query share.
func (q *Query) appendIdentity(b []byte) []byte {
	b = appendQuoted(append(b, `"from":{"instance":`...), q.Instance)
	if q.Stream != "" {
		b = appendQuoted(append(b, `,"stream":`...), q.Stream)
	}
	b = append(b, '}')
	if len(q.Where) > 0 {
		b = appendList(append(b, `,"where":`...), q.Where, appendPredicate)
	}
	if len(q.Select) > 0 {
		b = appendList(append(b, `,"select":`...), q.Select, appendField)
	}
	if len(q.OrderBy) > 0 {
		b = appendList(append(b, `,"orderBy":`...), q.OrderBy, appendOrder)
	}
	if q.Offset > 0 {
		b = strconv.AppendInt(append(b, `,"offset":`...), int64(q.Offset), 10)
	}
	if q.Reduce != nil {
		b = appendReduce(append(b, `,"reduce":`...), q.Reduce)
	}
	if q.NoTotal {
		b = append(b, `,"total":false`...)
	}
	return b
}

func appendPredicate(b []byte, p Predicate) []byte {
	switch p.Operator {
	case And, Or:
		b = append(appendQuoted(append(b, '{'), string(p.Operator)), ':')
		return append(appendList(b, p.Parts, appendPredicate), '}')
	case Not:
		return append(appendPredicate(append(b, `{"not":`...), p.Parts[0]), '}')
	}
	b = append(b, '{')
	if p.Field.base != baseNone {
		b = append(appendField(append(b, `"field":`...), p.Field), ',')
	}
	b = appendQuoted(append(b, `"operator":`...), string(p.Operator))
	if p.IgnoreCase {
		b = append(b, `,"ignoreCase":true`...)
	}
	b = append(b, `,"value":`...)
	if p.Operator == In || p.Operator == Between {
		b = appendList(b, p.Values, func(b []byte, v Value) []byte { return v.appendJSON(b) })
	} else {
		b = p.Values[0].appendJSON(b)
	}
	return append(b, '}')
}

func appendOrder(b []byte, o Order) []byte {
	b = appendField(append(b, `{"field":`...), o.Field)
	return append(b, directionMember(o.Desc)...)
}

func appendField(b []byte, f Field) []byte { return appendQuoted(b, f.name) }

func appendList[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

// invalid returns an error about the part of a query at the path where.
func invalid(where, format string, args ...any) error {
	return fault.New(fault.Invalid, "%s: %w", where, fmt.Errorf(format, args...))
}

// oneOf lists names for a message.
func oneOf[T ~string](names []T) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}

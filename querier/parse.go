package querier

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/fault"
)

// Parse reads a query in JSON:
//
//	{"from": {"instance": …, "stream": …},
//	 "where": [{"field": …, "operator": …, "value": …}, …],
//	 "select": [field, …],
//	 "orderBy": {"field": …, "direction": "asc" or "desc"} or a list of these,
//	 "limit": n, "offset": n, "cursor": …,
//	 "reduce": {"type": …, "field": …, "groupBy": [field, …]},
//	 "total": true or false, "explain": true or false,
//	 "limits": {"seconds": n, "memory": n, "groups": n, "rows": n, "bytes": n, "partial": true or false}}
//
// All but from.instance may be left out or, except for a condition's value, be
// null. The JSON is read strictly: members that are unknown or occur twice and
// text that is no UTF-8 are Invalid, as is everything that cannot be answered.
func Parse(body []byte) (*Query, error) {
	if len(body) > MaxQueryBytes {
		return nil, fault.New(fault.Invalid, "a query has at most %d bytes of JSON", MaxQueryBytes)
	}
	p := parser{dec: jsontext.NewDecoder(bytes.NewBuffer(body))}
	q := New("")
	if err := p.object("", "a query", q.members(&p)); err != nil {
		return nil, err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "there is more behind the query's closing brace")
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	return q, nil
}

// parser reads the parts of a query. Its methods take the path of the part for
// error messages.
type parser struct {
	dec   *jsontext.Decoder
	depth int // of the condition that is read
}

// members are the readers of an object's members.
type members map[string]func(at string) error

func (q *Query) members(p *parser) members {
	return members{
		"from": func(at string) error {
			return p.object(at, "from", members{
				"instance": func(at string) error { return p.text(at, &q.Instance) },
				"stream": func(at string) error {
					if err := p.text(at, &q.Stream); err != nil || q.Stream != "" {
						return err
					}
					return invalid(at, "it must not be empty; leave it out for all streams")
				},
			})
		},
		"where":   func(at string) error { return list(p, at, &q.Where, MaxConditions, (*parser).predicate) },
		"select":  func(at string) error { return list(p, at, &q.Select, MaxSelect, (*parser).field) },
		"orderBy": func(at string) error { return p.orders(at, &q.OrderBy) },
		"limit":   func(at string) error { return p.number(at, &q.Limit) },
		"offset":  func(at string) error { return p.number(at, &q.Offset) },
		"cursor":  func(at string) error { return p.text(at, &q.Cursor) },
		"reduce": func(at string) error {
			q.Reduce = new(Reduce)
			return p.reduce(at, q.Reduce)
		},
		"total": func(at string) error {
			var total bool
			err := p.boolean(at, &total)
			q.NoTotal = !total
			return err
		},
		"explain": func(at string) error { return p.boolean(at, &q.Explain) },
		"limits":  func(at string) error { return p.limits(at, q) },
	}
}

// object reads an object. Members that are null are as if they were absent,
// but for "value", whose reader is called.
func (p *parser) object(at, what string, ms members) error {
	return p.each(at, func(at, member string) error {
		read, ok := ms[member]
		if !ok {
			return invalid(at, "%s has no such member; it has %s", what, ms.names())
		}
		if p.dec.PeekKind() == 'n' && member != "value" {
			_, err := p.dec.ReadToken()
			return p.syntax(err)
		}
		return read(at)
	})
}

// each calls one for each member of an object, with its path and name, to read
// its value.
func (p *parser) each(at string, one func(at, member string) error) error {
	if p.dec.PeekKind() != '{' {
		return p.expected(at, "an object")
	}
	for p.dec.ReadToken(); p.dec.PeekKind() == '"'; {
		name, err := p.dec.ReadToken()
		if err != nil {
			return p.syntax(err)
		}
		member := name.String()
		if err := one(join(at, shorten(member)), member); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken() // the closing brace
	return p.syntax(err)
}

// names lists the members in the order of the language's description.
func (ms members) names() string {
	var known []string
	for _, n := range []string{"from", "instance", "stream", "where", "field", "operator", "value", "ignoreCase", "and", "or", "not", "direction",
		"select", "orderBy", "limit", "offset", "cursor", "reduce", "type", "k", "values", "groupBy", "bucket", "zone", "total", "explain",
		"limits", "seconds", "memory", "groups", "rows", "bytes", "partial"} {
		if ms[n] != nil {
			known = append(known, n)
		}
	}
	return strings.Join(known, ", ")
}

// list reads an array of at most bound elements.
func list[T any](p *parser, at string, out *[]T, bound int, one func(*parser, string, *T) error) error {
	if p.dec.PeekKind() != '[' {
		return p.expected(at, "a list")
	}
	*out = make([]T, 0, 4)
	for p.dec.ReadToken(); p.dec.PeekKind() != ']'; {
		if len(*out) == bound {
			return invalid(at, "the list has at most %d elements", bound)
		}
		*out = append(*out, *new(T))
		i := len(*out) - 1
		if err := one(p, fmt.Sprintf("%s[%d]", at, i), &(*out)[i]); err != nil {
			return err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return p.syntax(err)
	}
	return nil
}

func (p *parser) orders(at string, out *[]Order) error {
	if p.dec.PeekKind() == '[' {
		return list(p, at, out, MaxOrders, (*parser).order)
	}
	*out = make([]Order, 1)
	return p.order(at, &(*out)[0])
}

func (p *parser) order(at string, o *Order) error {
	return p.object(at, "an order", members{
		"field":     func(at string) error { return p.field(at, &o.Field) },
		"direction": func(at string) error { return p.direction(at, &o.Desc) },
	})
}

func (p *parser) direction(at string, desc *bool) error {
	var d string
	if err := p.text(at, &d); err != nil {
		return err
	}
	if *desc = d == "desc"; !*desc && d != "asc" {
		return invalid(at, "%q is neither asc nor desc", shorten(d))
	}
	return nil
}

func (p *parser) field(at string, f *Field) error {
	var name string
	if err := p.text(at, &name); err != nil {
		return err
	}
	parsed, err := ParseField(name)
	if err != nil {
		return invalid(at, "%w", err)
	}
	*f = parsed
	return nil
}

func (p *parser) element(at string, v *Value) (err error) {
	*v, err = p.scalar(at)
	return err
}

func (p *parser) text(at string, out *string) error {
	v, err := p.scalar(at)
	if err == nil && v.kind != text {
		err = invalid(at, "it is a string")
	}
	*out = v.s
	return err
}

func (p *parser) boolean(at string, out *bool) error {
	v, err := p.scalar(at)
	if err == nil && v.kind != boolean {
		err = invalid(at, "it is true or false")
	}
	*out = v.n != 0
	return err
}

func (p *parser) number(at string, out *int) error {
	v, err := p.scalar(at)
	if err == nil && (v.kind != whole || v.n < 0) {
		err = invalid(at, "it is a whole number, 0 or more")
	}
	*out = int(v.n)
	return err
}

// scalar reads a value that is no array and no object.
func (p *parser) scalar(at string) (Value, error) {
	switch p.dec.PeekKind() {
	case '{', '[':
		return Value{}, p.expected(at, "a string, a number, true, false or null")
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return Value{}, p.syntax(err)
	}
	return parseValue(string(raw)), nil
}

// expected says what should be at a place, unless there is no JSON at all.
func (p *parser) expected(at, what string) error {
	if p.dec.PeekKind() == 0 {
		_, err := p.dec.ReadToken()
		return p.syntax(err)
	}
	if at == "" {
		at = "the query"
	}
	return invalid(at, "%s is expected here", what)
}

// syntax says what is wrong with the JSON, if anything is.
func (p *parser) syntax(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "the query is empty; it is a JSON object such as {\"from\":{\"instance\":\"my-log\"}}")
	}
	return fault.New(fault.Invalid, "the query is not valid JSON: %w", err)
}

func join(at, member string) string {
	if at == "" {
		return member
	}
	return at + "." + member
}

package querier

import (
	"slices"
	"strconv"
	"strings"
)

// words are those that mean something where a field may stand.
var words = []string{"from", "and", "or", "not", "since", "until", "ignorecase", "true", "false", "null", "asc", "desc", "as", "by", "bucket"}

// reserved reports whether a bare word cannot be a field.
func reserved(word string) bool { return slices.Contains(words, strings.ToLower(word)) }

// Text returns the query in the form for people, which [ParseText] reads back to
// an equal query.
func (q *Query) Text() string {
	var b []byte
	where := q.Where
	switch {
	case q.Instance != "":
		b = appendQuoted(append(b, "from "...), q.Instance)
		if q.Stream != "" {
			b = appendQuoted(append(b, " stream "...), q.Stream)
		}
	case q.Stream != "": // which needs from, or a condition that says the same
		where = append([]Predicate{{Field: Stream, Operator: Eq, Values: []Value{Text(q.Stream)}}}, where...)
	}
	for i := range where {
		if i > 0 {
			b = append(b, " and"...)
		}
		b = where[i].appendText(spaced(b))
	}
	if len(q.Select) > 0 {
		b = appendStage(b, "select", q.Select, appendFieldText)
	}
	if len(q.OrderBy) > 0 {
		b = appendStage(b, "sort", q.OrderBy, func(b []byte, o Order) []byte {
			return append(appendFieldText(b, o.Field), directionWord(o.Desc)...)
		})
	}
	b = q.appendPageText(b)
	if q.Reduce != nil {
		b = q.Reduce.appendText(append(spaced(b), "| "...))
	}
	return string(b)
}

// appendPageText appends what says where a page begins and ends.
func (q *Query) appendPageText(b []byte) []byte {
	if q.Offset > 0 {
		b = strconv.AppendInt(append(spaced(b), "| offset "...), int64(q.Offset), 10)
	}
	if q.Limit != DefaultLimit {
		b = strconv.AppendInt(append(spaced(b), "| limit "...), int64(q.Limit), 10)
	}
	if q.Cursor != "" {
		b = appendQuoted(append(spaced(b), "| cursor "...), q.Cursor)
	}
	if q.NoTotal {
		b = append(spaced(b), "| nototal"...)
	}
	if q.Explain {
		b = append(spaced(b), "| explain"...)
	}
	b = q.appendLimitsText(b)
	return b
}

// spaced appends a space unless it would be the first.
func spaced(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	return append(b, ' ')
}

func appendStage[T any](b []byte, word string, list []T, one func([]byte, T) []byte) []byte {
	return appendCommas(append(append(append(spaced(b), "| "...), word...), ' '), list, one)
}

func appendCommas[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = one(b, v)
	}
	return b
}

func directionWord(desc bool) string {
	if desc {
		return " desc"
	}
	return ""
}

// appendFieldText appends a field's name, in double quotes where it could be
// mistaken.
func appendFieldText(b []byte, f Field) []byte {
	plain := strings.Trim(f.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$") == ""
	if !plain || reserved(f.name) || aliases[f.name] != "" || strings.IndexByte("0123456789", f.name[0]) >= 0 {
		return appendQuoted(b, f.name)
	}
	return append(b, f.name...)
}

// appendText appends a condition; one made of others in parentheses.
func (p *Predicate) appendText(b []byte) []byte {
	switch p.Operator {
	case Not:
		return p.Parts[0].appendText(append(b, "not "...))
	case And, Or:
		b = append(b, '(')
		for i := range p.Parts {
			if i > 0 {
				b = append(append(append(b, ' '), p.Operator...), ' ')
			}
			b = p.Parts[i].appendText(b)
		}
		return append(b, ')')
	}
	if p.Operator == HasTag {
		b = appendQuoted(append(b, "tag:"...), p.Values[0].s)
	} else {
		b = append(append(appendFieldText(b, p.Field), ' '), textOf(p.Operator)...)
		b = p.appendOperands(b)
	}
	if p.IgnoreCase {
		b = append(b, " ignorecase"...)
	}
	return b
}

// textOf returns how an operator is written.
func textOf(op Operator) string {
	if i := slices.Index([]Operator{Eq, Neq, Gt, Gte, Lt, Lte, Matches}, op); i >= 0 {
		return []string{"=", "!=", ">", ">=", "<", "<=", "~"}[i]
	}
	return strings.ToLower(string(op))
}

func (p *Predicate) appendOperands(b []byte) []byte {
	value := func(b []byte, v Value) []byte { return v.appendJSON(b) }
	switch p.Operator {
	case Exists:
		if p.Values[0].n != 0 {
			return b
		}
	case In:
		return append(appendCommas(append(b, " ("...), p.Values, value), ')')
	case Between:
		return value(append(value(append(b, ' '), p.Values[0]), " and "...), p.Values[1])
	}
	return value(append(b, ' '), p.Values[0])
}

// appendText appends a reduction with what is done to its groups.
func (r *Reduce) appendText(b []byte) []byte {
	b = appendCommas(b, r.named(), func(b []byte, n Named) []byte {
		b = append(b, n.Type...)
		if n.K > 0 {
			b = strconv.AppendInt(append(b, ' '), int64(n.K), 10)
		}
		if n.Field.base != baseNone {
			b = appendFieldText(append(b, ' '), n.Field)
		}
		if len(r.Values) > 0 {
			b = appendQuoted(append(b, " as "...), n.Name)
		}
		return b
	})
	if len(r.GroupBy) > 0 {
		b = appendCommas(append(b, " by "...), r.GroupBy, appendKeyText)
	}
	if len(r.OrderBy) > 0 {
		b = appendStage(b, "sort", r.OrderBy, func(b []byte, o GroupOrder) []byte {
			return append(appendQuoted(b, o.Name), directionWord(o.Desc)...)
		})
	}
	if r.Limit > 0 {
		b = strconv.AppendInt(append(b, " | limit "...), int64(r.Limit), 10)
	}
	return b
}

func appendKeyText(b []byte, k Key) []byte {
	if k.Bucket == (Bucket{}) {
		return appendFieldText(b, k.Field)
	}
	b = appendFieldText(append(b, "bucket("...), k.Field)
	b = append(append(b, ", "...), k.Bucket.String()...)
	if k.Bucket.Zone != "" {
		b = appendQuoted(append(b, ", "...), k.Bucket.Zone)
	}
	return append(b, ')')
}

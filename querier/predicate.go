package querier

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// predicate is a condition on one field, made ready to be tested.
type predicate struct {
	field Field
	test  test
}

// test is an operator with its values, those for a field of times being times.
type test struct {
	op     Operator
	values []Value
	set    map[string]bool // keys of In's values, where there are many
	fold   bool            // strings compare without case; values are folded
	re     *regexp.Regexp  // of Matches
}

// fewValues is up to where In looks through its values one by one.
const fewValues = 8

// compile makes p ready, which is not composite. At is its path for error
// messages, now what relative times are relative to.
func (p *Predicate) compile(at string, now time.Time) (predicate, error) {
	t := test{op: p.Operator, values: slices.Clone(p.Values), fold: p.IgnoreCase}
	if p.Field.isTime() && t.op != Exists {
		for i, v := range t.values {
			var err error
			if t.values[i], err = asTime(v, t.roundsUp(i), at+".value", now); err != nil {
				return predicate{}, err
			}
		}
	}
	if err := t.check(at+".value", p.Field.isTime()); err != nil {
		return predicate{}, err
	}
	if t.op == HasTag {
		return predicate{Tags, test{op: Contains, values: t.values, fold: t.fold}.prepared()}, nil
	}
	if t.op == Matches {
		re, err := compilePattern(t.values[0].s, t.fold)
		if err != nil {
			return predicate{}, invalid(at+".value", "%w", err)
		}
		t.re, t.fold = re, false
	}
	return predicate{p.Field, t.prepared()}, nil
}

// prepared returns t ready to match.
func (t test) prepared() test {
	for i := range t.values {
		if t.fold {
			t.values[i] = folded(t.values[i])
		}
	}
	if t.op == In && len(t.values) > fewValues {
		t.set = map[string]bool{}
		for i := range t.values {
			t.set[string(t.values[i].appendKey(nil))] = true
		}
	}
	return t
}

// plain reports whether statistics and ranges can be asked about t: whether it
// compares whole values as they are.
func (t *test) plain() bool {
	switch t.op {
	case Exists, StartsWith, EndsWith, Matches:
		return false
	}
	return !t.fold
}

// match reports whether a value passes.
func (t *test) match(v *Value) bool {
	if t.fold && v.kind == text {
		f := folded(*v)
		v = &f
	}
	switch t.op {
	case Eq:
		return equal(v, &t.values[0])
	case Neq:
		return !equal(v, &t.values[0])
	case In:
		return t.in(v)
	case Contains:
		return t.contains(v)
	case Exists:
		return (v.kind != missing) == (t.values[0].n != 0)
	case StartsWith:
		return v.kind == text && strings.HasPrefix(v.s, t.values[0].s)
	case EndsWith:
		return v.kind == text && strings.HasSuffix(v.s, t.values[0].s)
	case Matches:
		return v.kind == text && t.re.MatchString(v.s)
	}
	return t.within(v)
}

// within reports whether a value lies in the range of t.
func (t *test) within(v *Value) bool {
	if a := &t.values[0]; !ordered(v, a) {
		return false
	}
	c := compare(v, &t.values[0])
	switch t.op {
	case Gt:
		return c > 0
	case Gte:
		return c >= 0
	case Lt:
		return c < 0
	case Lte:
		return c <= 0
	}
	return c >= 0 && compare(v, &t.values[1]) <= 0 // between
}

// equal compares with a scalar of a condition.
func equal(v, a *Value) bool { return v.rank() == a.rank() && compare(v, a) == 0 }

func (t *test) in(v *Value) bool {
	if t.set == nil {
		return slices.ContainsFunc(t.values, func(a Value) bool { return equal(v, &a) })
	}
	var key [64]byte
	return (v.scalar() || v.kind == moment) && t.set[string(v.appendKey(key[:0]))]
}

func (t *test) contains(v *Value) bool {
	a := &t.values[0]
	switch {
	case v.kind == text && a.kind == text:
		return strings.Contains(v.s, a.s)
	case v.kind != array:
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewBufferString(v.s), jsontext.AllowDuplicateNames(true))
	dec.ReadToken() // the bracket
	for dec.PeekKind() != ']' {
		raw, err := dec.ReadValue()
		if err != nil {
			return false // v.s is valid JSON: this cannot be
		}
		e := parseValue(string(raw))
		if t.fold {
			e = folded(e)
		}
		if equal(&e, a) {
			return true
		}
	}
	return false
}

// matchTags tests the tags of an event without writing them as JSON. It is for
// plain tests.
func (t *test) matchTags(tags []string) bool {
	switch {
	case len(tags) == 0:
		return t.match(&Value{})
	case t.op == Contains:
		return t.values[0].kind == text && slices.Contains(tags, t.values[0].s)
	}
	return t.match(&Value{kind: array})
}

// needle returns a text that must stand in every JSON document without escapes
// that holds a value which passes; "" if there is none.
func (t *test) needle() string {
	if (t.op == Eq || t.op == Contains) && !t.fold && t.values[0].kind == text {
		return t.values[0].s
	}
	return ""
}

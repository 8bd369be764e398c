package querier

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/querier/datemath"
)

// checkWhere returns an error of kind Invalid unless all conditions can be
// tested.
func (q *Query) checkWhere() error {
	count, now := 0, time.Now() // any now will do to find out whether a time can be read
	for i := range q.Where {
		if err := q.Where[i].check(fmt.Sprintf("where[%d]", i), 1, &count, now); err != nil {
			return err
		}
	}
	return nil
}

// composite reports whether p is made of other conditions.
func (p *Predicate) composite() bool {
	return p.Operator == And || p.Operator == Or || p.Operator == Not
}

// partPath returns the path of a part of p, which is at a path itself.
func (p *Predicate) partPath(at string, i int) string {
	if p.Operator == Not {
		return at + ".not"
	}
	return fmt.Sprintf("%s.%s[%d]", at, p.Operator, i)
}

// check checks a condition that stands depth deep, and counts it.
func (p *Predicate) check(at string, depth int, count *int, now time.Time) error {
	if *count++; *count > MaxConditions {
		return invalid("where", "a query has at most %d conditions", MaxConditions)
	}
	if !p.composite() {
		return p.checkLeaf(at, now)
	}
	switch {
	case depth > MaxNesting:
		return invalid(at, "conditions stand in each other at most %d deep", MaxNesting)
	case p.Operator == Not && len(p.Parts) != 1:
		return invalid(at, "not takes one condition")
	case len(p.Parts) == 0:
		return invalid(at, "%s takes at least one condition", p.Operator)
	case p.Field.base != baseNone || len(p.Values) > 0 || p.IgnoreCase:
		return invalid(at, "%s takes conditions and nothing else", p.Operator)
	}
	for i := range p.Parts {
		if err := p.Parts[i].check(p.partPath(at, i), depth+1, count, now); err != nil {
			return err
		}
	}
	return nil
}

func (p *Predicate) checkLeaf(at string, now time.Time) error {
	switch {
	case p.Operator == HasTag && p.Field.base != baseNone && p.Field.base != baseTags:
		return invalid(at+".field", "hasTag is about tags: leave the field out")
	case p.Field.base == baseNone && p.Operator != HasTag:
		return invalid(at+".field", "a condition needs a field")
	case p.Field.base == basePlace:
		return invalid(at+".field", "%s can only be ordered by", Place.name)
	case !slices.Contains(allOperators, p.Operator):
		return invalid(at+".operator", "%q is none of %s", shorten(string(p.Operator)), oneOf(allOperators))
	case len(p.Parts) > 0:
		return invalid(at, "%s takes no conditions", p.Operator)
	case p.IgnoreCase && !slices.Contains(caseless, p.Operator):
		return invalid(at+".ignoreCase", "it goes with %s", oneOf(caseless))
	}
	if err := p.checkCount(at + ".value"); err != nil {
		return err
	}
	_, err := p.compile(at, now)
	return err
}

// caseless are the operators that ignoreCase goes with.
var caseless = []Operator{Eq, Neq, In, Contains, StartsWith, EndsWith, Matches, HasTag}

// checkCount checks the number of values.
func (p *Predicate) checkCount(at string) error {
	switch n := len(p.Values); {
	case p.Operator == In && n > MaxList:
		return invalid(at, "in takes at most %d values", MaxList)
	case p.Operator == Between && n != 2:
		return invalid(at, "between takes two values, the lowest and the highest; here are %d", n)
	case p.Operator != In && p.Operator != Between && n != 1:
		return invalid(at, "%s takes one value", p.Operator)
	}
	return nil
}

// check checks the types of values, which are converted to the field's.
func (t *test) check(at string, isTime bool) error {
	for i := range t.values {
		if !t.values[i].scalar() && t.values[i].kind != moment {
			return invalid(at, "a value is a string, a number, true, false or null")
		}
	}
	switch t.op {
	case Gt, Gte, Lt, Lte, Between:
		for i := range t.values {
			if v := &t.values[i]; !ordered(v, v) {
				return invalid(at, "%s compares with a string or a number", t.op)
			}
		}
	case Contains, StartsWith, EndsWith, Matches:
		if isTime {
			return invalid(at, "%s is for strings%s; compare times with gte, lt or between", t.op, andLists(t.op))
		}
	case Exists:
		if t.values[0].kind != boolean {
			return invalid(at, "exists takes true or false")
		}
	}
	if slices.Contains([]Operator{StartsWith, EndsWith, Matches, HasTag}, t.op) && t.values[0].kind != text {
		return invalid(at, "%s takes a string", t.op)
	}
	if t.op == Between && !ordered(&t.values[0], &t.values[1]) {
		return invalid(at, "the two values of between are both strings or both numbers")
	}
	return nil
}

// andLists says in a message that contains is for lists, too.
func andLists(op Operator) string {
	if op == Contains {
		return " and lists"
	}
	return ""
}

// compilePattern reads a regular expression.
func compilePattern(pattern string, fold bool) (*regexp.Regexp, error) {
	if len(pattern) > MaxPattern {
		return nil, fmt.Errorf("a regular expression has at most %d bytes", MaxPattern)
	}
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		return nil, fmt.Errorf("%q is no regular expression of RE2: %w", shorten(pattern), err)
	}
	if fold {
		pattern = "(?i:" + pattern + ")"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression of RE2: %w", shorten(pattern), err)
	}
	return re, nil
}

// roundsUp reports whether the time that is the i-th value is rounded up.
func (t *test) roundsUp(i int) bool {
	return t.op == Gt || t.op == Lte || t.op == Between && i == 1
}

// asTime converts a condition's value for a field of times.
func asTime(v Value, roundUp bool, at string, now time.Time) (Value, error) {
	var m event.Micros
	var err error
	switch v.kind {
	case null, moment:
		return v, nil
	case text:
		m, err = parseMoment(v.s, roundUp, now)
	case whole:
		m, err = event.EpochTime(v.n)
	case broken:
		m, err = event.ParseTime(string(v.appendJSON(nil)))
	default:
		return Value{}, invalid(at, "a time is RFC 3339 text or a number since 1970")
	}
	if err != nil {
		return Value{}, invalid(at, "%w", err)
	}
	return timeValue(m), nil
}

// parseMoment reads a time, or date math.
func parseMoment(s string, roundUp bool, now time.Time) (event.Micros, error) {
	if !isDateMath(s) {
		return event.ParseTime(s)
	}
	t, err := datemath.Parse(s, now, roundUp)
	if err != nil {
		return 0, err
	}
	return event.ToMicros(t), nil
}

// isDateMath reports whether a text is relative to now, rounded, or a date, which
// is all of its day or month.
func isDateMath(s string) bool {
	return strings.HasPrefix(strings.TrimSpace(s), "now") || strings.Contains(s, "||") || isDate(s)
}

func isDate(s string) bool {
	_, day := time.Parse("2006-01-02", s)
	_, month := time.Parse("2006-01", s)
	return day == nil || month == nil
}

// relative reports whether what q asks for depends on when it is asked.
func (q *Query) relative() bool { return slices.ContainsFunc(q.Where, Predicate.relative) }

func (p Predicate) relative() bool {
	return slices.ContainsFunc(p.Parts, Predicate.relative) ||
		p.Field.isTime() && slices.ContainsFunc(p.Values, func(v Value) bool { return v.kind == text && isDateMath(v.s) })
}

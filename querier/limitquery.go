package querier

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// bounds are the limits that a query can ask for, by their names in both forms of
// the language, with what they are of.
func (q *Query) bounds() []bound {
	l := &q.Limits
	return []bound{
		{"seconds", func() int64 { return int64(l.Time / time.Second) }, func(n int64) { l.Time = time.Duration(n) * time.Second }},
		{"memory", func() int64 { return l.Memory }, func(n int64) { l.Memory = n }},
		{"groups", func() int64 { return int64(l.Groups) }, func(n int64) { l.Groups = int(n) }},
		{"rows", func() int64 { return l.Rows }, func(n int64) { l.Rows = n }},
		{"bytes", func() int64 { return l.Bytes }, func(n int64) { l.Bytes = n }},
	}
}

// bound is a limit that a query can ask for; 0 is none.
type bound struct {
	name string
	get  func() int64
	set  func(int64)
}

// maxBound bounds the limits that are asked for.
const maxBound = 1_000_000_000

// limits reads the object of limits.
func (p *parser) limits(at string, q *Query) error {
	ms := members{"partial": func(at string) error { return p.boolean(at, &q.Partial) }}
	for _, b := range q.bounds() {
		ms[b.name] = func(at string) error {
			var n int
			if err := p.number(at, &n); err != nil {
				return err
			}
			if n < 1 || n > maxBound && b.name == "seconds" {
				return invalid(at, "a limit is a whole number, 1 or more")
			}
			b.set(int64(n))
			return nil
		}
	}
	return p.object(at, "limits", ms)
}

// within reads limits in text: seconds 5, rows 1000000, partial.
func (p *textParser) within() error {
	return p.commas(func() error {
		bounds := p.q.bounds()
		word := strings.ToLower(p.tok.text)
		i := slices.IndexFunc(bounds, func(b bound) bool { return b.name == word })
		switch {
		case p.tok.kind != wordToken || i < 0 && word != "partial":
			return p.expected("seconds, memory, groups, rows or bytes with a number, or partial,")
		case i < 0:
			p.q.Partial = true
			return p.advance()
		}
		return p.after(func() error {
			n, err := p.number(1)
			if err == nil && n > maxBound && word == "seconds" {
				return p.expected("at most " + strconv.Itoa(maxBound) + " seconds")
			}
			bounds[i].set(int64(n))
			return err
		})
	})
}

// appendLimits appends the limits that a query asks for, in JSON.
func (q *Query) appendLimits(b []byte) []byte {
	var all []figure
	for _, l := range q.bounds() {
		if n := l.get(); n > 0 {
			all = append(all, figure{l.name, n})
		}
	}
	if len(all) == 0 && !q.Partial {
		return b
	}
	b = appendFigures(append(b, `,"limits":{`...), all)
	if q.Partial {
		return append(b, `"partial":true}`...)
	}
	b[len(b)-1] = '}' // which was a comma
	return b
}

// appendLimitsText appends the limits that a query asks for, in text.
func (q *Query) appendLimitsText(b []byte) []byte {
	var all []string
	for _, l := range q.bounds() {
		if n := l.get(); n > 0 {
			all = append(all, l.name+" "+strconv.FormatInt(n, 10))
		}
	}
	if q.Partial {
		all = append(all, "partial")
	}
	if len(all) == 0 {
		return b
	}
	return append(append(spaced(b), "| within "...), strings.Join(all, ", ")...)
}

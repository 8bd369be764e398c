package querier

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// textOperators are the operators of the text form. Those of letters may be
// written in any case.
var textOperators = map[string]Operator{"=": Eq, "!=": Neq, ">": Gt, ">=": Gte, "<": Lt, "<=": Lte, "~": Matches, "!~": Matches,
	"contains": Contains, "startswith": StartsWith, "endswith": EndsWith, "matches": Matches, "in": In, "between": Between, "exists": Exists}

// leaf reads a condition but for ignorecase.
func (p *textParser) leaf() (Predicate, error) {
	switch tag, isTag := cutTag(p.tok); {
	case isTag:
		return p.tag(tag)
	case p.is("since"):
		return p.ago(Gte)
	case p.is("until"):
		return p.ago(Lt)
	}
	first := p.tok
	f, err := p.field()
	if err != nil {
		return Predicate{}, err
	}
	symbol := p.tok
	op, ok := textOperators[strings.ToLower(symbol.text)]
	if !ok || symbol.kind == quotedToken {
		return Predicate{}, barred(first, p.expected("=, !=, >, >=, <, <=, ~, !~, contains, startswith, endswith, matches, in, between or exists"))
	}
	if err := p.advance(); err != nil {
		return Predicate{}, err
	}
	c := Predicate{Field: f, Operator: op}
	if c.Values, err = p.operands(op); err != nil {
		return c, err
	}
	if symbol.text == "!~" {
		return Predicate{Operator: Not, Parts: []Predicate{c}}, nil
	}
	return c, nil
}

// cutTag returns what follows "tag:" in a word.
func cutTag(t token) (tag string, ok bool) {
	if t.kind != wordToken || len(t.text) < 4 || !strings.EqualFold(t.text[:4], "tag:") {
		return "", false
	}
	return t.text[4:], true
}

// tag reads tag:x or tag:"x y".
func (p *textParser) tag(tag string) (Predicate, error) {
	c := Predicate{Operator: HasTag, Values: []Value{Text(tag)}}
	if err := p.advance(); err != nil || tag != "" {
		return c, err
	}
	if p.tok.kind != quotedToken || !p.tok.glue {
		return c, p.expected("a tag, directly behind tag:,")
	}
	c.Values[0] = Text(p.tok.text)
	return c, p.advance()
}

// ago reads since or until and a time, which is one that timestamps are compared
// with, or a length of time before now.
func (p *textParser) ago(op Operator) (Predicate, error) {
	if err := p.advance(); err != nil {
		return Predicate{}, err
	}
	t, err := p.name("a time such as 7d, now-1d/d, 2026-11-21 or 2026-11-21T08:00:00Z")
	if isLength(t.text) {
		t.text = "now-" + t.text
	}
	return Predicate{Field: Timestamp, Operator: op, Values: []Value{Text(t.text)}}, err
}

// isLength reports whether a text is a length of time such as 7d.
func isLength(s string) bool {
	digits := strings.TrimLeft(s, "0123456789")
	return len(digits) == 1 && len(s) > 1 && strings.Contains("yMwdhHms", digits)
}

// field reads the name of a field.
func (p *textParser) field() (Field, error) {
	t, err := p.name("a field such as type, stream_id or payload.amount")
	if err != nil {
		return Field{}, err
	}
	return p.named(t)
}

func (p *textParser) named(t token) (Field, error) {
	name := t.text
	if alias, ok := aliases[name]; ok && t.kind == wordToken {
		name = alias
	}
	if t.kind == wordToken && reserved(name) {
		return Field{}, p.wrong(t.at, "%s is a word of the language: for a field of that name write it in double quotes", name)
	}
	f, err := ParseField(name)
	if err != nil {
		return f, p.wrong(t.at, "%w", err)
	}
	return f, nil
}

// operands reads what an operator takes.
func (p *textParser) operands(op Operator) ([]Value, error) {
	switch op {
	case Exists:
		absent, err := p.accept("false")
		if err == nil && !absent {
			_, err = p.accept("true")
		}
		return []Value{Bool(!absent)}, err
	case In:
		return p.values()
	}
	v, err := p.value()
	if err != nil || op != Between {
		return []Value{v}, err
	}
	if ok, err := p.accept("and"); !ok {
		if err == nil {
			err = p.expected("and, with the highest value")
		}
		return nil, err
	}
	w, err := p.value()
	return []Value{v, w}, err
}

// values reads a list in parentheses.
func (p *textParser) values() ([]Value, error) {
	if ok, err := p.accept("("); !ok {
		if err == nil {
			err = p.expected(`a list such as (1, 2, "three")`)
		}
		return nil, err
	}
	out := []Value{}
	for {
		closed, err := p.accept(")")
		if closed || err != nil {
			return out, err
		}
		if len(out) > 0 {
			if ok, err := p.accept(","); !ok {
				if err == nil {
					err = p.expected("a comma or a closing parenthesis")
				}
				return nil, err
			}
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if out = append(out, v); len(out) > MaxList {
			return nil, p.wrong(p.tok.at, "in takes at most %d values", MaxList)
		}
	}
}

// value reads a number, true, false or null, or text, which needs double quotes
// only where it could be mistaken.
func (p *textParser) value() (Value, error) {
	t, err := p.name("a value")
	if err != nil {
		return Value{}, err
	}
	if t.kind == quotedToken {
		return Text(t.text), nil
	}
	if strings.ContainsRune("-0123456789tfn", rune(t.text[0])) && jsontext.Value(t.text).IsValid() {
		return parseValue(t.text), nil
	}
	return Text(t.text), nil
}

package querier

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firnlog/firn/layout/fault"
)

// ParseText reads a query in the form for people, such as
//
//	from my-log type=login payload.ms>250 since 7d | count, p99 payload.ms by stream_id | sort count desc | limit 10
//
// docs/query.md describes it. From may be left out, for the caller to set
// [Query.Instance]. Errors are Invalid or Limit, and say at which column what
// would be right.
func ParseText(text string) (*Query, error) {
	switch {
	case len(text) > MaxQueryBytes:
		return nil, fault.New(fault.Invalid, "a query has at most %d bytes", MaxQueryBytes)
	case !utf8.ValidString(text):
		return nil, fault.New(fault.Invalid, "a query is UTF-8")
	}
	p := &textParser{lexer: lexer{text: text}, q: New(""), now: time.Now()}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.query(); err != nil {
		return nil, err
	}
	if err := p.q.checkParts(); err != nil {
		return nil, err
	}
	return p.q, nil
}

// textParser reads the text form. It looks one token ahead.
type textParser struct {
	lexer
	q     *Query
	tok   token // the next one
	depth int   // of parentheses and nots
	now   time.Time
}

// aliases are short names of fields. In double quotes they are names as in JSON.
var aliases = map[string]string{"type": "event_type", "stream": "stream_id", "time": "timestamp"}

// maxTextDepth bounds parentheses and nots in each other.
const maxTextDepth = 4 * MaxNesting

func (p *textParser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

// is reports whether the next token is a word, in any case, or a symbol.
func (p *textParser) is(text string) bool {
	return p.tok.kind == wordToken && strings.EqualFold(p.tok.text, text) || p.tok.kind == symbolToken && p.tok.text == text
}

// accept consumes the next token if it is that.
func (p *textParser) accept(text string) (bool, error) {
	if !p.is(text) {
		return false, nil
	}
	return true, p.advance()
}

// expected is the error of a token that cannot be here.
func (p *textParser) expected(what string) error {
	found := "the query ends"
	if p.tok.kind != endToken {
		found = `"` + shorten(p.tok.text) + `" stands`
	}
	return p.wrong(p.tok.at, "%s where %s is expected", found, what)
}

// name consumes a word or quoted text.
func (p *textParser) name(what string) (token, error) {
	t := p.tok
	if t.kind != wordToken && t.kind != quotedToken {
		return t, p.expected(what)
	}
	return t, p.advance()
}

func (p *textParser) query() error {
	if err := p.from(); err != nil {
		return err
	}
	if p.tok.kind != endToken && !p.is("|") {
		c, grouped, err := p.or()
		if err != nil {
			return err
		}
		if c.Operator == And && !grouped {
			p.q.Where = c.Parts
		} else {
			p.q.Where = []Predicate{c}
		}
	}
	for p.tok.kind != endToken {
		if !p.is("|") {
			return barred(p.tok, p.expected("a condition, or | and what to do with the events,"))
		}
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.stage(); err != nil {
			return err
		}
	}
	return nil
}

// from reads "from INSTANCE [stream STREAM]".
func (p *textParser) from() error {
	if ok, err := p.accept("from"); !ok {
		return err
	}
	t, err := p.name("the name of an instance")
	if err == nil && t.text == "" {
		err = p.wrong(t.at, "an instance's name is not empty")
	}
	if err != nil {
		return err
	}
	p.q.Instance = t.text
	before := *p
	if ok, err := p.accept("stream"); !ok {
		return err
	}
	if t := p.tok; t.kind == symbolToken || t.kind == endToken || t.kind == wordToken && textOperators[strings.ToLower(t.text)] != "" {
		// It is a condition on the field stream.
		p.lexer, p.tok = before.lexer, before.tok
		return nil
	}
	t, err = p.name("the id of a stream")
	if err == nil && t.text == "" {
		err = p.wrong(t.at, "a stream's id is not empty")
	}
	p.q.Stream = t.text
	return err
}

// or reads conditions joined by or. Grouped reports that they are in
// parentheses.
func (p *textParser) or() (c Predicate, grouped bool, err error) {
	c, grouped, err = p.and()
	if err != nil || !p.is("or") {
		return c, grouped, err
	}
	c = Predicate{Operator: Or, Parts: []Predicate{c}}
	for p.is("or") {
		if err := p.advance(); err != nil {
			return c, false, err
		}
		part, _, err := p.and()
		if err != nil {
			return c, false, err
		}
		c.Parts = append(c.Parts, part)
	}
	return c, false, nil
}

// and reads conditions side by side, with and between them or without.
func (p *textParser) and() (c Predicate, grouped bool, err error) {
	c, grouped, err = p.not()
	if err != nil || p.endsAnd() {
		return c, grouped, err
	}
	c = Predicate{Operator: And, Parts: []Predicate{c}}
	for !p.endsAnd() {
		if _, err := p.accept("and"); err != nil {
			return c, false, err
		}
		part, _, err := p.not()
		if err != nil {
			return c, false, err
		}
		if c.Parts = append(c.Parts, part); len(c.Parts) > MaxConditions {
			return c, false, p.wrong(p.tok.at, "a query has at most %d conditions", MaxConditions)
		}
	}
	return c, false, nil
}

func (p *textParser) endsAnd() bool {
	return p.tok.kind == endToken || p.is("or") || p.is(")") || p.is("|")
}

func (p *textParser) not() (c Predicate, grouped bool, err error) {
	if p.depth++; p.depth > maxTextDepth {
		return c, false, p.wrong(p.tok.at, "conditions stand in each other at most %d deep", MaxNesting)
	}
	defer func() { p.depth-- }()
	if ok, err := p.accept("not"); ok || err != nil {
		if err != nil {
			return c, false, err
		}
		c, _, err = p.not()
		return Predicate{Operator: Not, Parts: []Predicate{c}}, false, err
	}
	ok, err := p.accept("(")
	if err != nil {
		return c, false, err
	}
	if !ok {
		c, err = p.condition()
		return c, false, err
	}
	if c, _, err = p.or(); err != nil {
		return c, false, err
	}
	if ok, err = p.accept(")"); err == nil && !ok {
		err = p.expected("a closing parenthesis")
	}
	return c, true, err
}

// condition reads one condition on a field, and checks it.
func (p *textParser) condition() (Predicate, error) {
	begin := p.tok.at
	c, err := p.leaf()
	if err != nil {
		return c, err
	}
	leaf := &c
	if c.Operator == Not { // of !~
		leaf = &c.Parts[0]
	}
	if slices.Contains(caseless, leaf.Operator) {
		if leaf.IgnoreCase, err = p.accept("ignorecase"); err != nil {
			return c, err
		}
	}
	if err := leaf.checkLeaf("the condition", p.now); err != nil {
		return c, fault.Wrap(err, "column %d", 1+utf8.RuneCountInString(p.text[:begin]))
	}
	return c, nil
}

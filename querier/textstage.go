package querier

import (
	"slices"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// stage reads what follows a bar.
func (p *textParser) stage() error {
	word := ""
	if p.tok.kind == wordToken {
		word = strings.ToLower(p.tok.text)
	}
	switch word {
	case "select":
		return p.after(func() error { return p.commas(func() error { return p.selected() }) })
	case "sort":
		return p.after(func() error { return p.commas(p.sorted) })
	case "limit":
		return p.after(p.limit)
	case "offset":
		return p.after(func() (err error) { p.q.Offset, err = p.number(0); return err })
	case "cursor":
		return p.after(func() error {
			t, err := p.name("a cursor")
			p.q.Cursor = t.text
			return err
		})
	case "nototal":
		p.q.NoTotal = true
		return p.advance()
	case "explain":
		p.q.Explain = true
		return p.advance()
	case "within":
		return p.after(p.within)
	}
	if p.q.Reduce != nil {
		return p.expected("sort or limit, as the events are reduced already,")
	}
	p.q.Reduce = &Reduce{}
	return p.reduction(p.q.Reduce)
}

// stages are the words that a stage begins with, beside reductions.
var stages = []string{"select", "sort", "limit", "offset", "cursor", "nototal", "explain", "within"}

// barred adds to an error about what follows a word that the word may be meant as the
// beginning of a stage.
func barred(word token, err error) error {
	if word.kind != wordToken || !slices.Contains(stages, strings.ToLower(word.text)) && textReduction(word) == "" {
		return err
	}
	return fault.New(fault.Invalid, "%w: did you mean \"| %s\"?", err, word.text)
}

// after consumes a word and reads what follows it.
func (p *textParser) after(read func() error) error {
	if err := p.advance(); err != nil {
		return err
	}
	return read()
}

// commas reads one or more, with commas between.
func (p *textParser) commas(one func() error) error {
	for {
		if err := one(); err != nil {
			return err
		}
		if more, err := p.accept(","); !more {
			return err
		}
	}
}

func (p *textParser) number(least int) (int, error) {
	t := p.tok
	n, err := strconv.Atoi(t.text)
	if t.kind != wordToken || err != nil || n < least {
		return 0, p.expected("a whole number, " + strconv.Itoa(least) + " or more,")
	}
	return n, p.advance()
}

func (p *textParser) selected() error {
	f, err := p.field()
	p.q.Select = append(p.q.Select, f)
	return err
}

// limit bounds the events, or behind a reduction its groups.
func (p *textParser) limit() (err error) {
	if p.q.Reduce != nil {
		p.q.Reduce.Limit, err = p.number(1)
		return err
	}
	p.q.Limit, err = p.number(0)
	return err
}

// sorted reads one order of events, or behind a reduction of its groups.
func (p *textParser) sorted() error {
	t, err := p.name("a field to sort by")
	if err != nil {
		return err
	}
	desc, err := p.accept("desc")
	if err == nil && !desc {
		_, err = p.accept("asc")
	}
	if err != nil {
		return err
	}
	if p.q.Reduce != nil {
		p.q.Reduce.OrderBy = append(p.q.Reduce.OrderBy, GroupOrder{p.q.Reduce.groupName(t), desc})
		return nil
	}
	f, err := p.named(t)
	p.q.OrderBy = append(p.q.OrderBy, Order{f, desc})
	return err
}

// groupName returns what a key or value is called that is given by its name or
// by an alias.
func (r *Reduce) groupName(t token) string {
	if key, value := r.rank(t.text); key >= 0 || value >= 0 || t.kind == quotedToken || aliases[t.text] == "" {
		return t.text
	}
	return aliases[t.text]
}

// reduction reads "count, p99 payload.ms as slow by stream_id, 1h". One without
// a name of its own is the single form.
func (p *textParser) reduction(r *Reduce) error {
	var all []Named
	err := p.commas(func() error {
		n, err := p.aggregation()
		all = append(all, n)
		return err
	})
	if err != nil {
		return err
	}
	if len(all) == 1 && all[0].Name == "" {
		r.Type, r.Field, r.K = all[0].Type, all[0].Field, all[0].K
	} else {
		r.Values = withNames(all)
	}
	if by, err := p.accept("by"); !by {
		return err
	}
	return p.commas(func() error {
		k, err := p.key()
		r.GroupBy = append(r.GroupBy, k)
		return err
	})
}

// withNames names each value that has no name by its reduction, and where there
// are several of that by its field, too, as in p99_payload.ms.
func withNames(all []Named) []Named {
	times := map[Reduction]int{}
	for _, n := range all {
		times[n.Type]++
	}
	for i := range all {
		n := &all[i]
		switch {
		case n.Name != "":
		case times[n.Type] == 1 || n.Field.base == baseNone:
			n.Name = string(n.Type)
		default:
			n.Name = string(n.Type) + "_" + n.Field.name
		}
	}
	return all
}

// aggregation reads "TYPE [K] [FIELD] [as NAME]".
func (p *textParser) aggregation() (n Named, err error) {
	if n.Type = textReduction(p.tok); n.Type == "" {
		return n, p.expected("select, sort, limit, offset, " + oneOf(reductions) + " or p1 … p99.9")
	}
	if err := p.advance(); err != nil {
		return n, err
	}
	if n.Type == TopK && p.tok.kind == wordToken && strings.Trim(p.tok.text, "0123456789") == "" {
		if n.K, err = p.number(1); err != nil {
			return n, err
		}
	}
	if (p.tok.kind == wordToken || p.tok.kind == quotedToken) && !p.is("as") && !p.is("by") {
		if n.Field, err = p.field(); err != nil {
			return n, err
		}
	}
	if as, err := p.accept("as"); !as {
		return n, err
	}
	t, err := p.name("a name for the value")
	if err == nil && t.text == "" {
		err = p.wrong(t.at, "a name is not empty")
	}
	n.Name = t.text
	return n, err
}

// textReduction returns the reduction that a word names, in any case; "" for none.
func textReduction(t token) Reduction {
	if t.kind != wordToken {
		return ""
	}
	for _, r := range reductions {
		if strings.EqualFold(t.text, string(r)) {
			return r
		}
	}
	switch r := Reduction(strings.ToLower(t.text)); {
	case r == "top":
		return TopK
	case r.known():
		return r
	}
	return ""
}

// key reads a field, bucket(field, length, zone), or a length alone, which is
// one of timestamp.
func (p *textParser) key() (Key, error) {
	t, err := p.name("a field, a length of time such as 1h, or bucket(timestamp, 1h)")
	switch {
	case err != nil:
		return Key{}, err
	case t.kind == wordToken && strings.EqualFold(t.text, "bucket") && p.is("("):
		return p.bucket()
	case t.kind == wordToken && isLength(t.text):
		b, err := ParseBucket(t.text, "")
		if err != nil {
			return Key{}, p.wrong(t.at, "%w", err)
		}
		return Key{Timestamp, b}, nil
	}
	f, err := p.named(t)
	return Key{Field: f}, err
}

// bucket reads what follows the word bucket.
func (p *textParser) bucket() (k Key, err error) {
	var parts []token
	begin := p.tok.at
	if err := p.advance(); err != nil { // the parenthesis
		return k, err
	}
	err = p.commas(func() error {
		t, err := p.name("a part of bucket(timestamp, 1h, \"Europe/Berlin\")")
		parts = append(parts, t)
		return err
	})
	if err != nil {
		return k, err
	}
	if ok, err := p.accept(")"); !ok {
		if err == nil {
			err = p.expected("a closing parenthesis")
		}
		return k, err
	}
	if len(parts) != 2 && len(parts) != 3 {
		return k, p.wrong(begin, "a bucket is written as bucket(timestamp, 1h) or bucket(timestamp, 1h, \"Europe/Berlin\")")
	}
	if k.Field, err = p.named(parts[0]); err != nil {
		return k, err
	}
	parts = append(parts, token{})
	if k.Bucket, err = ParseBucket(parts[1].text, parts[2].text); err != nil {
		return k, p.wrong(parts[1].at, "%w", err)
	}
	return k, nil
}

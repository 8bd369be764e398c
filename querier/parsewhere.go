package querier

// predicate reads a condition: one on a field, or {"and": […]}, {"or": […]} or
// {"not": {…}}.
func (p *parser) predicate(at string, c *Predicate) error {
	if p.depth++; p.depth > MaxNesting+1 {
		return invalid(at, "conditions stand in each other at most %d deep", MaxNesting)
	}
	defer func() { p.depth-- }()
	members, seen := 0, leafMembers{}
	parts := func(op Operator) func(string) error {
		return func(at string) error {
			members++
			c.Operator = op
			return p.parts(at, op, &c.Parts)
		}
	}
	err := p.object(at, "a condition", p.conditionMembers(c, &seen, parts))
	switch {
	case err != nil:
		return err
	case members > 1 || members == 1 && seen.any():
		return invalid(at, "a condition has either field, operator and value, or one of and, or, not")
	case members == 1:
		return nil
	}
	return seen.check(at, c)
}

// leafMembers notes which members a condition on a field has.
type leafMembers struct{ field, operator, value, listed, fold bool }

func (s *leafMembers) any() bool { return s.field || s.operator || s.value || s.fold }

func (p *parser) conditionMembers(c *Predicate, seen *leafMembers, parts func(Operator) func(string) error) members {
	return members{
		"field": func(at string) error {
			seen.field = true
			return p.field(at, &c.Field)
		},
		"operator": func(at string) error {
			seen.operator = true
			var op string
			err := p.text(at, &op)
			if o := Operator(op); o == And || o == Or || o == Not {
				return invalid(at, "%s is written as {%q: …}", o, o)
			}
			c.Operator = Operator(op)
			return err
		},
		"value": func(at string) error {
			seen.value = true
			if seen.listed = p.dec.PeekKind() == '['; seen.listed {
				return list(p, at, &c.Values, MaxList, (*parser).element)
			}
			c.Values = make([]Value, 1)
			return p.element(at, &c.Values[0])
		},
		"ignoreCase": func(at string) error {
			seen.fold = true
			return p.boolean(at, &c.IgnoreCase)
		},
		"and": parts(And), "or": parts(Or), "not": parts(Not),
	}
}

// parts reads the conditions that another one is made of.
func (p *parser) parts(at string, op Operator, out *[]Predicate) error {
	if op == Not {
		*out = make([]Predicate, 1)
		return p.predicate(at, &(*out)[0])
	}
	return list(p, at, out, MaxConditions, (*parser).predicate)
}

// check checks that the value is of the form that the operator takes.
func (s *leafMembers) check(at string, c *Predicate) error {
	wanted := c.Operator == In || c.Operator == Between
	switch {
	case !s.value:
		return invalid(at, "a condition has field, operator and value; value is missing")
	case wanted && !s.listed:
		return invalid(at+".value", "%s takes a list of values", c.Operator)
	case s.listed && !wanted:
		return invalid(at+".value", "a list goes with in or between only; the operator is %q", shorten(string(c.Operator)))
	}
	return nil
}

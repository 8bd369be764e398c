package querier

// reduce reads what to make of the events: one aggregation, or several by name.
func (p *parser) reduce(at string, r *Reduce) error {
	only := Named{}
	ms := p.namedMembers(&only)
	ms["values"] = func(at string) error { return p.values(at, &r.Values) }
	ms["groupBy"] = func(at string) error { return list(p, at, &r.GroupBy, MaxGroupBy, (*parser).key) }
	ms["orderBy"] = func(at string) error { return p.groupOrders(at, &r.OrderBy) }
	ms["limit"] = func(at string) error {
		err := p.number(at, &r.Limit)
		if err == nil && r.Limit == 0 {
			err = invalid(at, "a number of groups is 1 or more")
		}
		return err
	}
	err := p.object(at, "reduce", ms)
	r.Type, r.Field, r.K = only.Type, only.Field, only.K
	return err
}

// namedMembers are those of an aggregation.
func (p *parser) namedMembers(n *Named) members {
	return members{
		"type":  func(at string) error { return p.text(at, (*string)(&n.Type)) },
		"field": func(at string) error { return p.field(at, &n.Field) },
		"k": func(at string) error {
			err := p.number(at, &n.K)
			if err == nil && (n.K == 0 || n.K > MaxTop) {
				err = invalid(at, "topK shows 1 … %d values", MaxTop)
			}
			return err
		},
	}
}

// values reads an object of aggregations.
func (p *parser) values(at string, out *[]Named) error {
	err := p.each(at, func(at, name string) error {
		if len(*out) == MaxValues {
			return invalid(at, "there are at most %d", MaxValues)
		}
		n := Named{Name: name}
		err := p.object(at, "a value", p.namedMembers(&n))
		*out = append(*out, n)
		return err
	})
	if err == nil && len(*out) == 0 {
		err = invalid(at, "there is at least one, such as {\"n\": {\"type\": \"count\"}}")
	}
	return err
}

// key reads what groups are made by: a field's name, or an object with field
// and bucket.
func (p *parser) key(at string, k *Key) error {
	if p.dec.PeekKind() != '{' {
		return p.field(at, &k.Field)
	}
	var length, zone string
	err := p.object(at, "a key", members{
		"field":  func(at string) error { return p.field(at, &k.Field) },
		"bucket": func(at string) error { return p.text(at, &length) },
		"zone":   func(at string) error { return p.text(at, &zone) },
	})
	if err != nil || length == "" && zone == "" {
		return err
	}
	if k.Bucket, err = ParseBucket(length, zone); err != nil {
		return invalid(at, "%w", err)
	}
	return nil
}

func (p *parser) groupOrders(at string, out *[]GroupOrder) error {
	if p.dec.PeekKind() == '[' {
		return list(p, at, out, MaxOrders, (*parser).groupOrder)
	}
	*out = make([]GroupOrder, 1)
	return p.groupOrder(at, &(*out)[0])
}

func (p *parser) groupOrder(at string, o *GroupOrder) error {
	return p.object(at, "an order", members{
		"field":     func(at string) error { return p.text(at, &o.Name) },
		"direction": func(at string) error { return p.direction(at, &o.Desc) },
	})
}

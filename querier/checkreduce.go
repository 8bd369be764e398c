package querier

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

func (r *Reduce) check() error {
	names := map[string]bool{}
	if len(r.Values) == 0 {
		names[string(r.Type)] = true
		if err := r.named()[0].check("reduce"); err != nil {
			return err
		}
	} else if err := r.checkValues(names); err != nil {
		return err
	}
	if len(r.GroupBy) > MaxGroupBy {
		return invalid("reduce.groupBy", "groups have at most %d fields", MaxGroupBy)
	}
	for i, k := range r.GroupBy {
		if err := r.checkKey(fmt.Sprintf("reduce.groupBy[%d]", i), k, names); err != nil {
			return err
		}
	}
	return r.checkOrder()
}

func (r *Reduce) checkValues(names map[string]bool) error {
	switch {
	case r.Type != "" || r.Field.base != baseNone || r.K != 0:
		return invalid("reduce", "it has either type, or values with a type each")
	case len(r.Values) > MaxValues:
		return invalid("reduce.values", "there are at most %d", MaxValues)
	}
	for _, v := range r.Values {
		at := "reduce.values." + shorten(v.Name)
		switch {
		case v.Name == "" || len(v.Name) > MaxField || !utf8.ValidString(v.Name):
			return invalid("reduce.values", "each has a name of at most %d bytes of UTF-8", MaxField)
		case names[v.Name]:
			return invalid(at, "it is here twice")
		}
		names[v.Name] = true
		if err := v.check(at); err != nil {
			return err
		}
	}
	return nil
}

func (n Named) check(at string) error {
	switch {
	case !n.Type.known():
		return invalid(at+".type", "%q is none of %s, p1 … p99.9", shorten(string(n.Type)), oneOf(reductions))
	case n.Type != Count && n.Field.base == baseNone:
		return invalid(at+".field", "%s needs a field", n.Type)
	case n.Field.base == basePlace:
		return invalid(at+".field", "%s can only be ordered by", Place.name)
	case n.K != 0 && n.Type != TopK:
		return invalid(at+".k", "it goes with topK only")
	case n.K < 0 || n.K > MaxTop:
		return invalid(at+".k", "topK shows 1 … %d values", MaxTop)
	}
	return nil
}

func (r *Reduce) checkKey(at string, k Key, names map[string]bool) error {
	switch {
	case k.base == basePlace || k.base == baseNone:
		return invalid(at, "%s can only be ordered by", Place.name)
	case names[k.name] && len(r.Values) == 0 && k.name == string(r.Type):
		return invalid(at, "%s is the name of the result; write %s", k.name, k.canonical())
	case names[k.name]:
		return invalid(at, "%s is here twice", shorten(k.name))
	}
	names[k.name] = true
	if k.Bucket == (Bucket{}) {
		return nil
	}
	if !k.isTime() {
		return invalid(at, "only timestamp and ingested_at have buckets")
	}
	_, err := ParseBucket(k.Bucket.String(), k.Bucket.Zone)
	return err
}

func (r *Reduce) checkOrder() error {
	switch {
	case len(r.GroupBy) == 0 && (len(r.OrderBy) > 0 || r.Limit != 0):
		return invalid("reduce", "orderBy and limit are of groups: they need groupBy")
	case r.Limit < 0 || r.Limit > MaxGroups:
		return invalid("reduce.limit", "a number of groups is 1 … %d", MaxGroups)
	case len(r.OrderBy) > MaxOrders:
		return invalid("reduce.orderBy", "there are at most %d", MaxOrders)
	}
	for i, o := range r.OrderBy {
		if key, value := r.rank(o.Name); key < 0 && value < 0 {
			return invalid(fmt.Sprintf("reduce.orderBy[%d].field", i), "%q is no key and no value of the groups; they have %s", shorten(o.Name), oneOf(r.groupNames()))
		}
	}
	return nil
}

// groupNames are those that groups can be ordered by.
func (r *Reduce) groupNames() []string {
	var out []string
	for _, k := range r.GroupBy {
		out = append(out, k.name)
	}
	for _, v := range r.named() {
		out = append(out, v.Name)
	}
	return slices.Clip(out)
}

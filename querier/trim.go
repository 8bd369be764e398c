package querier

import "context"

// trims reports whether groups that are not among the first ones of a part of the
// events are not needed of that part: when groups are shown in the order of one
// value that only moves them forward the more events there are, a minimum in
// ascending or a maximum in descending order, and there is no other value. A
// group that is among the first of all is so in the part that has its extreme:
// what comes before it there comes before it in the whole. The field must have
// values of one type, as numbers are preferred to texts.
func (r *reducePlan) trims() bool {
	if r.Limit == 0 || len(r.OrderBy) == 0 || len(r.values) != 1 {
		return false
	}
	v := &r.values[0]
	if !v.Field.isTime() && v.Field.base != baseSequence {
		return false
	}
	for _, by := range r.OrderBy {
		if _, value := r.rank(by.Name); value < 0 {
			continue
		}
		if v.Type != Min && v.Type != Max || by.Desc != (v.Type == Max) {
			return false
		}
	}
	return v.Type == Min || v.Type == Max
}

// trimmed returns the groups of a part that may be shown, and gives back what the
// others are accounted for. The table is not used any more.
func (t *table) trimmed(ctx context.Context) (*table, error) {
	if !t.plan.trims() || t.groups.len() <= t.plan.Limit {
		return t, nil
	}
	first, err := t.sorted(ctx)
	if err != nil {
		return nil, err
	}
	grown := 0
	for g := range int32(t.groups.len()) {
		grown -= t.groupSize(t.groups.at(g))
	}
	out := newTable(t.plan, t.memory)
	from, to := t.columns[0].(*extremes), out.columns[0].(*extremes)
	for _, g := range first {
		keys := t.groups.at(g)
		to.list[out.insert(t.groups.hashes[g], keys)] = from.list[g]
		grown += t.groupSize(keys)
	}
	return out, t.memory.take(grown, groupAdvice)
}

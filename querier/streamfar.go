package querier

import "context"

// rowsFar emits the matching events of sources with the help of workers, which find
// them. They are read here: who wants all events, without conditions that take
// reading, has no use for help.
func (s *stream) rowsFar(ctx context.Context, sources []*source) error {
	first := s.first(sources)
	if err := s.rowsHere(ctx, sources[:first]); err != nil {
		return err
	}
	left := sources[first:]
	open := len(s.deep) > 0 || !s.plan.rest.empty()
	for _, o := range left {
		open = open || len(o.rest) > 0
	}
	if !open || weigh(left) < s.fan.MinBytes {
		return s.rowsHere(ctx, left)
	}
	return s.fanOut(ctx, taskRows, left, func(o *outcome) error {
		for _, u := range o.rows {
			if err := s.ready(ctx, u.unit); err != nil {
				return err
			}
			if err := s.rows(ctx, u.unit, u.rows); err != nil {
				return err
			}
			if err := s.memory.take(-rowBytes*len(u.rows), ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// findRows returns the rows of sources that match.
func (r *run) findRows(ctx context.Context, sources []*source) (out []unitRows, err error) {
	err = r.matches(ctx, sources, func(c *chunk) error {
		if len(c.left) == 0 {
			return nil
		}
		r.matched += int64(len(c.left))
		rows := make([]int32, len(c.left))
		for i, row := range c.left {
			rows[i] = c.unit.rowInGroup(row)
		}
		c.unit.sel = nil // rows are those of the whole group from here on
		out = append(out, unitRows{c.unit, rows})
		return r.memory.take(rowBytes*len(rows), "narrow the query with where")
	})
	return out, err
}

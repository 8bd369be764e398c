package querier

// count counts values.
type count int64

func (c *count) add(*Value, origin) int { *c++; return 0 }

func (c *count) merge(s state) int { *c += *s.(*count); return 0 }

func (c *count) result() Value { return Number(int64(*c)) }

package querier

import "math"

const (
	maxCodes   = math.MaxInt32 // of all keys together
	denseCodes = 1 << 18       // up to so many are looked up in a list
	fewCodes   = 1 << 10       // so many are few, whatever the number of rows
)

// coder has a code for each row's value of a key, and the value of each code.
type coder struct {
	codes []int32 // by the rank of the row
	size  int     // codes are below it
	value func(code int32) Value
}

// assign finds the groups of rows, making those that are new, and returns their
// numbers by the ranks of the rows. Where keys are read from columns with few
// values, each group is looked up only once; nil if the keys of these rows are
// not such.
func (t *table) assign(c *chunk, rows []int32) ([]int32, error) {
	coders := make([]coder, len(t.plan.GroupBy))
	all := 1
	for i := range t.plan.GroupBy {
		v := c.vector(&t.plan.GroupBy[i].Field, t.plan.all.needs[i])
		if v == nil || !coders[i].code(v, &t.grids[i], rows) || all > maxCodes/max(1, coders[i].size) {
			return nil, nil
		}
		all *= coders[i].size
	}
	groups := joined(coders, len(rows))
	known := newNumbering(all)
	t.reserve(min(all, len(rows)))
	for i, code := range groups {
		g, ok := known.get(code)
		if !ok {
			var err error
			if g, err = t.group(t.decodeKeys(coders, code)); err != nil {
				return nil, err
			}
			known.set(code, g)
		}
		groups[i] = g
	}
	return groups, nil
}

// joined returns the codes of all keys together.
func joined(coders []coder, rows int) []int32 {
	if len(coders) == 1 {
		return coders[0].codes
	}
	out := make([]int32, rows)
	for _, k := range coders {
		for i, code := range k.codes {
			out[i] = out[i]*int32(k.size) + code
		}
	}
	return out
}

// decodeKeys returns the values that a code of all keys stands for, until it is
// called again.
func (t *table) decodeKeys(coders []coder, code int32) []Value {
	keys := t.keys
	for i := len(coders) - 1; i >= 0; i-- {
		size := int32(coders[i].size)
		keys[i] = coders[i].value(code % size)
		code /= size
	}
	return keys
}

// code makes codes for a vector, and reports whether it has few enough values.
func (k *coder) code(v *vector, g *grid, rows []int32) bool {
	k.codes = make([]int32, len(rows))
	switch {
	case v.codes != nil:
		k.codeTexts(v, rows)
	case v.ints != nil:
		if g.step == 0 || !k.codeSteps(v, g, rows) {
			k.codeInts(v, g, rows)
		}
	case v.flags != nil:
		k.size = 3
		k.value = func(code int32) Value { return [3]Value{{}, Bool(false), Bool(true)}[code] }
		for i, row := range rows {
			if x := v.value(row); x.kind == boolean {
				k.codes[i] = 1 + int32(x.n)
			}
		}
	default:
		return false
	}
	return true
}

// codeTexts takes the codes of the dictionary, and for null the one behind them.
func (k *coder) codeTexts(v *vector, rows []int32) {
	null := int32(v.dict.Len())
	k.size = int(null) + 1
	k.value = func(code int32) Value {
		if code == null {
			return Value{}
		}
		return Text(v.dict.Value(int(code)))
	}
	for i, row := range rows {
		at := v.index(row)
		if k.codes[i] = v.codes[at]; v.nulls != nil && v.nulls.IsNull(at) {
			k.codes[i] = null
		}
	}
}

// codeSteps counts the buckets from that of the first time on, and reports whether
// these are few beside the rows: rows that come by stream lie in any. 0 is null.
func (k *coder) codeSteps(v *vector, g *grid, rows []int32) bool {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, row := range rows {
		if at := v.index(row); v.nulls == nil || v.nulls.IsValid(at) {
			first, last = min(first, v.ints[at]), max(last, v.ints[at])
		}
	}
	if first > last {
		return false
	}
	first = g.floor(first)
	buckets := (last-first)/g.step + 1
	if buckets < 1 || buckets > max(fewCodes, int64(len(rows))) { // the first where times beyond all bounds overflow
		return false
	}
	step := uint64(g.step)
	for i, row := range rows {
		if at := v.index(row); v.nulls == nil || v.nulls.IsValid(at) {
			k.codes[i] = 1 + int32(uint64(v.ints[at]-first)/step)
		}
	}
	k.size = 1 + int(buckets)
	k.value = func(code int32) Value {
		if code == 0 {
			return Value{}
		}
		return Value{kind: v.kind, n: first + int64(code-1)*g.step}
	}
	return true
}

// codeInts numbers the values, or the buckets of times, in the order in which
// they come. 0 is null.
func (k *coder) codeInts(v *vector, g *grid, rows []int32) {
	values := []Value{{}}
	known := map[int64]int32{}
	var last int64
	var code int32
	for i, row := range rows {
		at := v.index(row)
		if v.nulls != nil && v.nulls.IsNull(at) {
			continue
		}
		n := v.ints[at]
		if g.N > 0 {
			n = g.value(Value{kind: moment, n: n}).n
		}
		if code == 0 || n != last {
			var ok bool
			if code, ok = known[n]; !ok {
				code = int32(len(values))
				known[n] = code
				values = append(values, Value{kind: v.kind, n: n})
			}
			last = n
		}
		k.codes[i] = code
	}
	k.size = len(values)
	k.value = func(code int32) Value { return values[code] }
}

// numbering maps codes to indexes.
type numbering struct {
	dense  []int32 // the index and 1; 0 for none
	sparse map[int32]int32
}

func newNumbering(size int) *numbering {
	if size <= denseCodes {
		return &numbering{dense: make([]int32, size)}
	}
	return &numbering{sparse: map[int32]int32{}}
}

func (n *numbering) get(code int32) (int32, bool) {
	if n.dense != nil {
		return n.dense[code] - 1, n.dense[code] > 0
	}
	id, ok := n.sparse[code]
	return id, ok
}

func (n *numbering) set(code, id int32) {
	if n.dense != nil {
		n.dense[code] = id + 1
		return
	}
	n.sparse[code] = id
}

package querier

// distinct counts the different values.
type distinct struct {
	values map[string]struct{} // by key
	noted  []string            // keys that are not in values yet
}

// distinctSize is what a kept key takes besides its text, in bytes.
const distinctSize = 48

func (d *distinct) add(v *Value, _ origin) int {
	var scratch [64]byte
	w := v.compacted()
	key := w.appendKey(scratch[:0])
	if _, ok := d.all()[string(key)]; ok {
		return 0
	}
	d.values[string(key)] = struct{}{}
	return distinctSize + len(key)
}

// note adds the key of a value that is in no other note, and returns by how many
// bytes the state grew. A state that is merged soon need not look for the others.
func (d *distinct) note(key string) int {
	d.noted = append(d.noted, key)
	return distinctSize + len(key)
}

// all returns all keys.
func (d *distinct) all() map[string]struct{} {
	for _, key := range d.noted {
		d.values[key] = struct{}{}
	}
	d.noted = nil
	return d.values
}

func (d *distinct) merge(s state) int {
	o := s.(*distinct)
	d.all()
	freed := 0
	for key := range o.values {
		freed += d.take(key)
	}
	for _, key := range o.noted {
		freed += d.take(key)
	}
	return -freed
}

// take adds a key of another state, and returns what is freed if it is there
// already.
func (d *distinct) take(key string) int {
	before := len(d.values)
	if d.values[key] = struct{}{}; len(d.values) > before {
		return 0
	}
	return distinctSize + len(key)
}

func (d *distinct) result() Value { return Number(int64(len(d.all()))) }

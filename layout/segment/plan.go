package segment

import (
	"cmp"
	"slices"
	"strings"
)

// What makes a column pay.
const (
	minRows     = 32     // a path that so many rows have,
	minShare    = 1_000  // and one row in so many, is common
	maxLength   = 256    // bytes of strings, on average: longer ones are text to be read, not compared
	seldomTwice = 3      // strings that on average come less often get a filter, not a dictionary
	textShare   = 16     // all different strings together may be one in so many of the bytes of JSON
	filterBits  = 10     // of a bloom filter, for a value: one error in a hundred
	filterShare = 200    // filters without columns may be one in so many of the bytes of JSON,
	maxFilters  = 8      // so many paths may have them,
	fewAlike    = 1. / 3 // if no more of their strings come again (the sketch is not exact),
	filterRows  = 2      // and one row in so many has the path
)

// whole returns what the different strings of all rows take, in bytes.
func (c *candidate) whole() float64 { return c.cost * float64(c.rows) }

// besideJSON is about what an event takes beside its documents, in bytes.
const besideJSON = 100

// candidate is a path that may get a column.
type candidate struct {
	Field
	rows  int64   // that the column would have a value in
	cost  float64 // bytes of its different strings, for a row with one
	alike float64 // part of the strings that came before
}

// Plan returns how the file is best written: the common paths, up to
// [MaxFields], those of most rows first. Strings are a second copy of what the
// JSON has, which is all the larger the more of them are different: columns of
// strings are those that cost least, as long as together they are a modest part
// of the events. Those that seldom come twice, such as hashes, get a filter.
func (c *Chooser) Plan() Plan {
	if c.rows == 0 {
		return Plan{}
	}
	p := Plan{IDBits: filterSize(c.ids, c.rows), Dictionaries: c.dictionaries(), Bytes: c.bytes + c.rows*besideJSON}
	var all []candidate
	for d := range c.docs {
		all = append(all, c.candidates(c.docs[d].root, documents[d].String())...)
	}
	all, dear := affordable(all, float64(c.bytes)/textShare)
	p.Filters = c.filters(dear)
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.rows, a.rows), strings.Compare(a.Path, b.Path))
	})
	for _, f := range all[:min(len(all), MaxFields)] {
		p.Fields = append(p.Fields, f.Field)
	}
	slices.SortFunc(p.Fields, func(a, b Field) int { return slices.Compare(a.Names(), b.Names()) })
	return p
}

// filters returns those of the paths that no column is affordable for that get
// filters: common ones of strings that are nearly all different, first those that most
// rows have, and of these the longest, which are hashes rather than times. Where a reader takes in all of a
// row group at once, filters of its parts would spare nothing.
func (c *Chooser) filters(dear []candidate) (out []Field) {
	if c.rows < pageRows {
		return nil
	}
	slices.SortFunc(dear, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.rows, a.rows), cmp.Compare(b.cost, a.cost), strings.Compare(a.Path, b.Path))
	})
	left := float64(c.bytes) / filterShare
	for _, f := range dear {
		cost := float64(f.rows) * filterBits / 8
		if f.alike <= fewAlike && f.FilterBits > 0 && f.rows*filterRows >= c.rows && cost <= left && len(out) < maxFilters {
			left -= cost
			out = append(out, f.Field)
		}
	}
	slices.SortFunc(out, func(a, b Field) int { return slices.Compare(a.Names(), b.Names()) })
	return out
}

// affordable returns the candidates that cost least and together no more than
// the bytes given, and the others.
func affordable(all []candidate, budget float64) (cheap, dear []candidate) {
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.whole(), b.whole()), strings.Compare(a.Path, b.Path))
	})
	for _, f := range all {
		cost := f.whole()
		if cost > budget {
			dear = append(dear, f)
			continue
		}
		budget -= cost
		cheap = append(cheap, f)
	}
	return cheap, dear
}

// candidates returns the paths below n that may get a column. Of names that
// differ in case only, which many programs take for the same, only the more
// frequent is one.
func (c *Chooser) candidates(n *node, path string) []candidate {
	var members []*node
	for _, m := range n.members {
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.tally.rows(), a.tally.rows()), strings.Compare(a.name, b.name))
	})
	var out []candidate
	taken := map[string]bool{}
	for _, m := range members {
		at := path + "." + m.name
		if taken[strings.ToLower(m.name)] || len(at) > MaxFieldPath {
			continue
		}
		t := m.tally
		found := []candidate{{Field: t.field(at, c.rows), rows: t.scalars()}}
		if found[0].Type == String {
			found[0].alike = 1 - t.unlike()
			found[0].cost = t.unlike() * float64(t.length) / float64(t.texts)
		}
		if t.objects >= found[0].rows {
			found = c.candidates(m, at)
		} else if found[0].Type == 0 {
			continue
		}
		taken[strings.ToLower(m.name)] = taken[strings.ToLower(m.name)] || len(found) > 0
		out = append(out, found...)
	}
	return out
}

// scalars returns how many rows the best column would have a value in.
func (t *tally) scalars() int64 { return max(t.whole+t.broken, t.booleans, t.texts) }

// field returns the field that holds most of what was counted, of no type if it
// does not pay.
func (t *tally) field(path string, rows int64) Field {
	f := Field{Path: path}
	n := t.scalars()
	switch {
	case n < max(minRows, rows/minShare) || n < (t.rows()-t.nulls)/2:
	case n == t.whole+t.broken && t.broken <= t.big:
		f.Type = Int64
	case n == t.whole+t.broken:
		f.Type = Double
	case n == t.booleans:
		f.Type = Boolean
	case t.length <= n*maxLength:
		f.Type = String
		if t.high() {
			f.FilterBits = filterSize(int64(t.unlike()*float64(t.texts)), rows) // a value that comes again sets no more bits
		}
	}
	return f
}

// unlike returns which part of the texts is different from all before.
func (t *tally) unlike() float64 {
	return min(1, float64(t.sketch.estimate())/float64(max(t.sketched, 1)))
}

// high reports whether the texts seldom come twice.
func (t *tally) high() bool { return t.unlike()*seldomTwice > 1 }

// filterSize returns the size of a bloom filter for a column in which some of the rows
// have a value, in bits a row; 0 if none has.
func filterSize(values, rows int64) int {
	return int((values*filterBits + rows - 1) / max(rows, 1))
}

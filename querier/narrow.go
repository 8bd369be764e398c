package querier

import (
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/segment"
)

// possible reports whether the statistics of shredded fields leave it open that
// events of the unit pass predicates on JSON.
func (u *unit) possible(deep []predicate) bool {
	for i := range deep {
		p := &deep[i]
		if !u.shredded(&p.field, p.test.needs()) {
			continue
		}
		if s, ok := u.group.FieldStats(p.field.canonical()); ok && !p.test.mayPass(&s, u.group.Rows(), whole) {
			return false
		}
	}
	return true
}

// mayPass reports whether a value may pass among rows of which statistics are
// known; whole numbers are of the kind given.
func (t *test) mayPass(s *segment.Stats, rows int, k kind) bool {
	may, _ := t.judgeAll(s, rows, k)
	return may
}

// judgeAll is judge for rows of which statistics are known, some of them without a
// value.
func (t *test) judgeAll(s *segment.Stats, rows int, k kind) (may, must bool) {
	may, must = s.Nulls < int64(rows), s.Nulls == int64(rows)
	if lo, hi, ok := boundsOf(s, k); ok {
		may, must = t.judge(&lo, &hi)
	}
	if s.Nulls > 0 {
		missed, nulled := t.match(&Value{}), t.match(&Value{kind: null})
		may, must = may || missed || nulled, must && missed && nulled
	}
	return may, must
}

// boundsOf returns the bounds that statistics tell of.
func boundsOf(s *segment.Stats, k kind) (lo, hi Value, ok bool) {
	if a, z, ok := s.Ints(); ok {
		return Value{kind: k, n: a}, Value{kind: k, n: z}, true
	}
	if a, z, ok := s.Floats(); ok {
		return floatValue(a), floatValue(z), true
	}
	if a, z, ok := s.Booleans(); ok {
		return Bool(a), Bool(z), true
	}
	a, z, ok := s.Strings()
	return Text(a), Text(z), ok
}

// narrow leaves of a data file's row group the pages that may hold a match, by
// the page indexes, which are in memory with the file's end, and then by bloom
// filters. It returns false if nothing is left.
func (u *unit) narrow(cheap, deep []predicate, rest *residue, stats *counters) (bool, error) {
	if !u.file {
		return true, nil
	}
	rows := segment.Rows{{From: 0, To: u.group.Rows()}}
	for _, preds := range [][]predicate{cheap, deep} {
		for i := range preds {
			pages, k, err := u.pages(&preds[i])
			if err != nil {
				return false, err
			}
			if pages != nil {
				rows = rows.Intersect(passing(&preds[i].test, pages, k, false, stats))
			}
		}
	}
	for i := range rest.conditions {
		some, err := rest.conditions[i].pages(u, false, stats)
		if err != nil {
			return false, err
		}
		if some != nil {
			rows = rows.Intersect(some)
		}
	}
	if rows.Count() == 0 {
		return false, nil
	}
	held, err := u.held(cheap, deep)
	if err != nil {
		return false, err
	}
	for i := 0; i < len(deep) && held; i++ {
		some, err := u.filtered(&deep[i], stats)
		if err != nil {
			return false, err
		}
		if some != nil {
			rows = rows.Intersect(some)
			held = rows.Count() > 0
		}
	}
	if !held {
		stats.filteredGroups.Add(1)
	}
	if rows.Count() < u.group.Rows() {
		u.sel = rows
	}
	return held, nil
}

// filtered returns the rows that filters of a path that has no column leave open for a
// predicate; nil for all where there are none, or the predicate asks for no texts.
func (u *unit) filtered(p *predicate, stats *counters) (segment.Rows, error) {
	texts := p.texts()
	if texts == nil || u.mask != nil || !p.field.isJSON() {
		return nil, nil
	}
	rows, ok, err := u.group.RowsWith(p.field.canonical(), texts)
	if ok {
		stats.byFilter.Add(1)
	}
	return rows, err
}

// texts returns the texts one of which a predicate asks for, if they are few; nil if
// it asks for anything else.
func (p *predicate) texts() (texts []string) {
	values := p.test.values
	if p.test.fold || p.test.op != Eq && p.test.op != In || len(values) > fewValues {
		return nil
	}
	for i := range values {
		if values[i].kind != text {
			return nil
		}
		texts = append(texts, values[i].s)
	}
	return texts
}

// pages returns the pages of the column that a predicate is about, nil where it
// is about none, and the kind of its whole numbers.
func (u *unit) pages(p *predicate) ([]segment.Page, kind, error) {
	k := whole
	var col segment.Column
	switch p.field.base {
	case baseTime:
		col, k = segment.Time, moment
	case baseIngested:
		col, k = segment.Ingested, moment
	case baseSequence:
		col = segment.Sequence
	case baseStream:
		col = segment.Stream
	case baseType:
		col = segment.Type
	default:
		if !u.shredded(&p.field, p.test.needs()) {
			return nil, k, nil
		}
		pages, err := u.group.FieldPages(p.field.canonical())
		return pages, k, err
	}
	pages, err := u.group.Pages(col)
	return pages, k, err
}

// passing returns the rows of the pages that may hold a match, or where the test is
// negated may hold something else.
func passing(t *test, pages []segment.Page, k kind, negated bool, stats *counters) segment.Rows {
	var out segment.Rows
	read := int64(0)
	for i := range pages {
		p := &pages[i]
		may, must := t.judgeAll(&p.Stats, p.To-p.From, k)
		if negated {
			may = !must
		}
		if may {
			out = out.Add(p.Range)
			read++
		}
	}
	stats.pagesConsidered.Add(int64(len(pages)))
	stats.pagesRead.Add(read)
	return out
}

// held reports whether bloom filters leave it open that the unit holds the texts
// that predicates ask for.
func (u *unit) held(cheap, deep []predicate) (bool, error) {
	for _, preds := range [][]predicate{cheap, deep} {
		for i := range preds {
			if may, err := u.heldBy(&preds[i]); !may || err != nil {
				return may, err
			}
		}
	}
	return true, nil
}

func (u *unit) heldBy(p *predicate) (bool, error) {
	values := p.test.values
	if p.test.fold || p.test.op != Eq && p.test.op != In || len(values) > fewValues {
		return true, nil
	}
	for i := range values {
		if may, err := u.mayHold(&p.field, &values[i]); may || err != nil {
			return true, err
		}
	}
	return false, nil
}

// mayHold asks the bloom filter of a field's column, if it has one, for a value.
func (u *unit) mayHold(f *Field, v *Value) (bool, error) {
	if v.kind != text {
		return true, nil
	}
	switch f.base {
	case baseStream:
		return u.group.MayHold(segment.Stream, v.s)
	case baseID:
		if _, err := event.ParsePlace(v.s); err == nil {
			return true, nil // the id of an event that was given none
		}
		return u.group.MayHold(segment.ID, v.s)
	}
	if u.shredded(f, 0) {
		return u.group.FieldMayHold(f.canonical(), v.s)
	}
	return true, nil
}

package segment

import (
	"encoding/binary"

	"github.com/firnlog/firn/layout/event"
)

// choices are the columns that get a dictionary where their values come again
// often: documents of few kinds, times of whole seconds, and the one time that all
// events of a commit bear.
var choices = [...]Column{Time, Ingested, Metadata}

// repeats is what decides whether a column gets a dictionary.
type repeats struct {
	seen   int64  // values that were looked at
	sketch sketch // of these
	rows   int64  // of files with a dictionary, less those of files without
}

// often reports whether the values come again often, by what was looked at, else by
// what most files have.
func (r *repeats) often() bool {
	if r.seen == 0 {
		return r.rows > 0
	}
	return r.sketch.estimate()*seldomTwice <= r.seen
}

func (r *repeats) see(value []byte) {
	r.seen++
	r.sketch.add(value)
}

// seeAll looks at an event's values of the columns in question.
func (c *Chooser) seeAll(e *event.Event) {
	var micros [8]byte
	for i, col := range choices {
		switch col {
		case Metadata:
			c.repeats[i].see(e.Metadata)
		case Time:
			c.repeats[i].see(binary.LittleEndian.AppendUint64(micros[:0], uint64(e.Time)))
		case Ingested:
			c.repeats[i].see(binary.LittleEndian.AppendUint64(micros[:0], uint64(e.Ingested)))
		}
	}
}

// seeGroup takes in which columns of a row group have a dictionary.
func (c *Chooser) seeGroup(g *Group) {
	for i, col := range choices {
		if g.meta(g.file.leaf[col]).DictionaryPageOffset != 0 {
			c.repeats[i].rows += int64(g.rows)
		} else {
			c.repeats[i].rows -= int64(g.rows)
		}
	}
}

// dictionaries returns the columns whose values come again often.
func (c *Chooser) dictionaries() (cols Columns) {
	for i, col := range choices {
		if c.repeats[i].often() {
			cols |= Set(col)
		}
	}
	return cols
}

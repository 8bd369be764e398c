package querier

import (
	"github.com/go-json-experiment/json"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// FromStart is the cursor before the first event of any instance.
const FromStart = "start"

// mark is a place in a shard's log: the one of the next event to be read.
type mark struct {
	position int64
	ordinal  int32
}

// behind returns the mark behind an event.
func behind(p event.Place) mark { return mark{p.Position, p.Ordinal + 1} }

// last returns the place of the last event before the mark, which need not
// exist.
func (m mark) last(shard int) event.Place {
	return event.Place{Shard: shard, Position: m.position, Ordinal: m.ordinal - 1}
}

// tailCursor says how far a tail has been read. Its text form means nothing to
// clients.
type tailCursor struct {
	Instance   string  `json:"i"`
	Generation int64   `json:"g"`
	Marks      []int64 `json:"m"` // by shard: position and ordinal
}

func encodeMarks(inst *catalog.Instance, marks []mark) string {
	c := tailCursor{Instance: inst.ID, Generation: inst.Generation, Marks: make([]int64, 0, 2*len(marks))}
	for _, m := range marks {
		c.Marks = append(c.Marks, m.position, int64(m.ordinal))
	}
	body, err := json.Marshal(c)
	if err != nil {
		panic(err) // an id and numbers always encode
	}
	return sealCursor(body)
}

// marksOf returns where to begin in each shard of a view for the cursor given: ""
// stands for its end. Errors are Invalid, or Gone for a cursor of an earlier
// life of the instance.
func marksOf(v *commitlog.View, after string) ([]mark, error) {
	marks := make([]mark, v.Instance.Shards)
	for shard := range marks {
		switch after {
		case "":
			marks[shard] = mark{position: v.Point.Ends[shard] + 1}
		case FromStart:
			marks[shard] = mark{position: 1}
		}
	}
	if after == "" || after == FromStart {
		return marks, nil
	}
	var c tailCursor
	body, ok := openCursor(after)
	switch {
	case !ok || json.Unmarshal(body, &c, json.RejectUnknownMembers(true)) != nil:
		return nil, invalid("after", "it is no cursor of a tail: give the one that came with the last event, or %q, or none", FromStart)
	case c.Instance != v.Instance.ID:
		return nil, invalid("after", "the cursor is of instance %q, not of %q", shorten(c.Instance), v.Instance.ID)
	case c.Generation != v.Instance.Generation:
		return nil, fault.New(fault.Gone, "after: the cursor is of an earlier life of instance %q, which was deleted and made again: begin without it", v.Instance.ID)
	case len(c.Marks) != 2*len(marks):
		return nil, invalid("after", "the cursor is damaged")
	}
	for shard := range marks {
		m := mark{c.Marks[2*shard], int32(c.Marks[2*shard+1])}
		if m.position < 1 || m.ordinal < 0 || int64(m.ordinal) != c.Marks[2*shard+1] || m.position > v.Point.Ends[shard]+1 {
			return nil, invalid("after", "the cursor is damaged")
		}
		marks[shard] = m
	}
	return marks, nil
}

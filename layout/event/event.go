// Package event defines the record that Firn keeps, the values that identify
// and order it, and the JSON form in which clients send it.
package event

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// Event is one immutable record. The client gives the first group of fields,
// Firn the second when it commits the event.
type Event struct {
	Stream   string   // 1 to MaxName bytes of UTF-8
	Type     string   // 1 to MaxName bytes of UTF-8
	Time     Micros   // when it happened, as the client says; default: arrival
	ID       string   // the client's own id, or "" for the derived one (EventID)
	Tags     []string // a set; stored in the order given, without doubles
	Payload  []byte   // any JSON value, byte for byte as sent
	Metadata []byte   // a JSON object, byte for byte as sent

	Sequence int64  // 1, 2, 3, … in its stream
	Ingested Micros // time of the commit that holds it
	Place    Place  // where in the instance's log it stands
}

// EventID returns the id that clients see: the one that the client gave, else
// the place in its text form.
func (e *Event) EventID() string {
	if e.ID != "" {
		return e.ID
	}
	return e.Place.String()
}

// Size returns about how many bytes the event takes in memory. It is what
// buffers and batches are bounded by.
func (e *Event) Size() int {
	n := len(e.Stream) + len(e.Type) + len(e.ID) + len(e.Payload) + len(e.Metadata) + 64
	for _, t := range e.Tags {
		n += len(t) + 16
	}
	return n
}

// Place is an event's place in its instance's log. Places order events in
// append order: by shard, then position, then ordinal. The text form is
// <shard>-<position>-<ordinal>, such as 0-123-7.
type Place struct {
	Shard    int   // 0 … 255
	Position int64 // number of the commit in the shard's log: 1, 2, 3, …
	Ordinal  int32 // index of the event in its commit: 0, 1, 2, …
}

// String returns the text form.
func (p Place) String() string {
	return strconv.Itoa(p.Shard) + "-" + strconv.FormatInt(p.Position, 10) + "-" + strconv.FormatInt(int64(p.Ordinal), 10)
}

// Compare returns -1, 0 or 1 as p stands before, at or behind q in append order.
func (p Place) Compare(q Place) int {
	switch {
	case p.Shard != q.Shard:
		return sign(p.Shard < q.Shard)
	case p.Position != q.Position:
		return sign(p.Position < q.Position)
	case p.Ordinal != q.Ordinal:
		return sign(p.Ordinal < q.Ordinal)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// ParsePlace reads the text form of a [Place].
func ParsePlace(s string) (Place, error) {
	parts := strings.Split(s, "-")
	if len(parts) == 3 {
		shard, err1 := strconv.ParseUint(parts[0], 10, 8)
		pos, err2 := strconv.ParseInt(parts[1], 10, 64)
		ord, err3 := strconv.ParseInt(parts[2], 10, 32)
		p := Place{int(shard), pos, int32(ord)}
		if err1 == nil && err2 == nil && err3 == nil && pos > 0 && ord >= 0 && p.String() == s {
			return p, nil
		}
	}
	return Place{}, fault.New(fault.Invalid, "%q is no event place: it would be <shard>-<position>-<ordinal>, such as 0-123-7", shorten(s))
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

var _ fmt.Stringer = Place{}

package commitlog

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/seal"
	"github.com/firnlog/firn/layout/segment"
)

// Format is the version of commits that this code writes; higher ones are
// refused.
const Format = 1

// Commit is one object of a shard's log, in memory.
type Commit struct {
	Key        string // of the object in the bucket
	Shard      int
	Position   int64
	ID         string       // of the writer's attempt
	Time       event.Micros // never before that of the commit before it
	Generation int64        // of the instance
	Drop       bool         // ends the generation: nothing up to here counts any more
	Erase      *Erasure     // erases events at lower positions: its rows are no events
	Keys       []KeyRange   // idempotency keys of the events
	Bytes      int          // of the stored object
	File       *segment.File
}

// KeyRange says which events of a commit came under an idempotency key.
type KeyRange struct {
	Key   string `json:"key"`
	Hash  string `json:"hash"`  // of the request
	First int32  `json:"first"` // ordinal of the first event
	Count int32  `json:"count"` // of events
}

// The keys of a commit's footer.
const (
	metaFormat     = "firn.format"
	metaKey        = "firn.key"  // of the object
	metaKind       = "firn.kind" // "events", "drop" or "erase"
	metaID         = "firn.id"
	metaTime       = "firn.time" // microseconds
	metaGeneration = "firn.generation"
	metaKeys       = "firn.keys"    // JSON
	metaErasure    = "firn.erasure" // JSON
)

// encode returns the object of a commit. The events, of so many different streams,
// must bear their places.
func (c *Commit) encode(events []event.Event, streams int) ([]byte, error) {
	meta := map[string]string{
		metaFormat:     strconv.Itoa(Format),
		metaKey:        c.Key,
		metaKind:       "events",
		metaID:         c.ID,
		metaTime:       strconv.FormatInt(int64(c.Time), 10),
		metaGeneration: strconv.FormatInt(c.Generation, 10),
	}
	if c.Drop {
		meta[metaKind] = "drop"
	}
	if c.Erase != nil {
		order, err := json.Marshal(c.Erase)
		if err != nil {
			return nil, err
		}
		meta[metaKind], meta[metaErasure] = "erase", string(order)
	}
	if len(c.Keys) > 0 {
		keys, err := json.Marshal(c.Keys)
		if err != nil {
			return nil, err
		}
		meta[metaKeys] = string(keys)
	}
	return segment.Encode(events, streams, meta)
}

// decodeAt reads the commit at a key, which must be the one that belongs there.
func decodeAt(key string, body []byte, shard int, position int64) (*Commit, error) {
	c, err := decode(body, shard, position)
	if err != nil {
		return nil, fault.Wrap(err, "%s", key)
	}
	return c, seal.At(key, c.Key)
}

// decode reads the object of a commit. It checks its seal, so that every error
// about its content means that someone wrote it so.
func decode(body []byte, shard int, position int64) (*Commit, error) {
	f, err := segment.Decode(body)
	if err != nil {
		return nil, err
	}
	format, err := strconv.Atoi(f.Meta(metaFormat))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "the commit bears no format")
	}
	if format > Format {
		return nil, fault.New(fault.Unavailable, "format %d is newer than this program, which knows up to %d: upgrade it", format, Format)
	}
	c := &Commit{Key: f.Meta(metaKey), Shard: shard, Position: position, ID: f.Meta(metaID), Bytes: len(body), File: f}
	t, err1 := strconv.ParseInt(f.Meta(metaTime), 10, 64)
	g, err2 := strconv.ParseInt(f.Meta(metaGeneration), 10, 64)
	c.Time, c.Generation = event.Micros(t), g
	if keys := f.Meta(metaKeys); keys != "" {
		err = json.Unmarshal([]byte(keys), &c.Keys)
	}
	switch f.Meta(metaKind) {
	case "drop":
		c.Drop = true
	case "erase":
		c.Erase = &Erasure{}
		err = json.Unmarshal([]byte(f.Meta(metaErasure)), c.Erase)
	case "events":
	default:
		err = fmt.Errorf("kind %q", f.Meta(metaKind))
	}
	if err1 != nil || err2 != nil || err != nil || c.ID == "" {
		return nil, fault.New(fault.Corrupt, "the commit's footer is not one of ours (%v)", err)
	}
	return c, nil
}

// writerID reads the writer's id for the rules of chains.
func writerID(body []byte) (string, error) {
	c, err := decode(body, 0, 0)
	if err != nil {
		return "", err
	}
	return c.ID, nil
}

// Holds reports whether the commit's rows are events: a drop has none, and an
// erasure's are names of events.
func (c *Commit) Holds() bool { return !c.Drop && c.Erase == nil }

// Events returns the commit's rows with all their fields.
func (c *Commit) Events() ([]event.Event, error) {
	events := make([]event.Event, 0, c.File.Rows())
	for _, g := range c.File.Groups() {
		b, err := g.Read(segment.AllColumns)
		if err != nil {
			return nil, fault.Wrap(err, "%s", c.Key)
		}
		for i := range b.Rows() {
			events = append(events, b.Event(i, c.Shard))
		}
	}
	return events, nil
}

// heads calls f with the stream and sequence number of each event.
func (c *Commit) heads(f func(stream string, sequence int64)) error {
	for _, g := range c.File.Groups() {
		b, err := g.Read(segment.Set(segment.Stream, segment.Sequence))
		if err != nil {
			return fault.Wrap(err, "%s", c.Key)
		}
		for i, n := range b.Ints(segment.Sequence) {
			f(b.Text(segment.Stream, i), n)
		}
	}
	return nil
}

package verify

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/segment"
	"github.com/firnlog/firn/layout/store"
)

// commit is an object of a log, as FORMAT.md describes it.
type commit struct {
	key        string
	own        string // the key that it bears
	shard      int
	position   int64
	id         string
	time       event.Micros
	generation int64
	drop       bool
	erase      *commitlog.Erasure // an order, whose rows are names of events
	keys       []keyRange
	file       *segment.File
}

// keyRange says which events of a commit came under an idempotency key.
type keyRange struct {
	Key   string `json:"key"`
	Hash  string `json:"hash"`
	First int32  `json:"first"`
	Count int32  `json:"count"`
}

// readCommit reads the commit that stands at a position.
func readCommit(ctx context.Context, s store.Store, key string, shard int, position int64) (*commit, error) {
	body, _, err := store.ReadAll(ctx, s, key)
	if err != nil {
		return nil, err
	}
	f, err := segment.Decode(body)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(f.Meta("firn.format"))
	if err != nil {
		return nil, fault.New(fault.Corrupt, "the commit bears no format")
	}
	if err := known(n, commitlog.Format); err != nil {
		return nil, err
	}
	c := &commit{key: key, own: f.Meta("firn.key"), shard: shard, position: position, id: f.Meta("firn.id"), file: f}
	t, err1 := strconv.ParseInt(f.Meta("firn.time"), 10, 64)
	g, err2 := strconv.ParseInt(f.Meta("firn.generation"), 10, 64)
	c.time, c.generation = event.Micros(t), g
	var err3 error
	if keys := f.Meta("firn.keys"); keys != "" {
		err3 = json.Unmarshal([]byte(keys), &c.keys)
	}
	kind := f.Meta("firn.kind")
	c.drop = kind == "drop"
	var err4 error
	if kind == "erase" {
		c.erase = &commitlog.Erasure{}
		err4 = json.Unmarshal([]byte(f.Meta("firn.erasure")), c.erase)
	}
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || g < 1 || c.id == "" || kind != "drop" && kind != "events" && kind != "erase" {
		return nil, fault.New(fault.Corrupt, "the footer is not that of a commit")
	}
	return c, nil
}

// events calls f for each event of the commit.
func (c *commit) events(f func(*event.Event)) error {
	for _, g := range c.file.Groups() {
		b, err := g.Read(segment.AllColumns)
		if err != nil {
			return err
		}
		for i := range b.Rows() {
			e := b.Event(i, c.shard)
			f(&e)
		}
	}
	return nil
}

// checkKeys checks that the ranges of keys lie in the commit one behind the other.
func (c *commit) checkKeys() string {
	next := int64(0)
	for _, k := range c.keys {
		if k.Key == "" || int64(k.First) < next || k.Count < 1 || int64(k.First)+int64(k.Count) > c.file.Rows() {
			return "the idempotency key " + strconv.Quote(k.Key) + " does not stand for a range of the commit's events"
		}
		next = int64(k.First) + int64(k.Count)
	}
	return ""
}

// illegal says what is wrong with an event's values, "" if nothing is. Ahead of
// which clock its time was when it arrived is not known any more.
func illegal(e *event.Event) string {
	if err := e.Check(event.MaxTime); err != nil {
		return err.Error()
	}
	switch {
	case e.Sequence < 1 || e.Place.Position < 1 || e.Place.Ordinal < 0:
		return "the sequence number, position or ordinal is none"
	case !jsontext.Value(e.Payload).IsValid(jsontext.AllowDuplicateNames(true)):
		return "the payload is not valid JSON"
	case !jsontext.Value(e.Metadata).IsValid(jsontext.AllowDuplicateNames(true)) || jsontext.Value(e.Metadata).Kind() != '{':
		return "the metadata are not a JSON object"
	}
	for i, t := range e.Tags {
		for _, other := range e.Tags[:i] {
			if t == other {
				return "the tag " + strconv.Quote(t) + " is there twice"
			}
		}
	}
	return ""
}

// hashOf is a checksum of all that an event holds.
func hashOf(e *event.Event) uint64 {
	h := xxhash.New()
	var n [8]byte
	number := func(v int64) {
		binary.LittleEndian.PutUint64(n[:], uint64(v))
		h.Write(n[:])
	}
	text := func(s string) {
		number(int64(len(s)))
		h.WriteString(s)
	}
	for _, s := range []string{e.Stream, e.Type, e.ID} {
		text(s)
	}
	for _, v := range []int64{e.Sequence, e.Place.Position, int64(e.Place.Ordinal), int64(e.Time), int64(e.Ingested), int64(len(e.Tags))} {
		number(v)
	}
	for _, t := range e.Tags {
		text(t)
	}
	for _, b := range [][]byte{e.Payload, e.Metadata} {
		number(int64(len(b)))
		h.Write(b)
	}
	return h.Sum64()
}

package verify

import (
	"context"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// shardPass is the reading of one shard.
type shardPass struct {
	*pass
	shard int
	state snapshot.Shard // in the newest snapshot

	ids     map[string]string // writers' ids of the commits that are there: their keys
	highest int64             // generation that was dropped last
	void    bool              // by a drop in the tail: the table counts no more

	tail     map[string]*tailStream
	tailKeys map[string]keyUse   // first use of each key in the tail
	uses     map[string][]keyUse // of each key in the folded commits that are there and count
	recent   map[int64]*folded   // the folded commits that are there, by position
	drops    map[int64]bool      // positions of drop commits that are there

	erased  erasures
	orders  map[int64]bool    // positions of the snapshot's erasures, and which are carried out
	pending map[int64]*commit // commits of erasures that are there, by position
	names   map[string]string // streams, each once

	undropped *commit // of the tail, of an earlier generation, and no drop behind it

	streams  map[string]*stream
	sources  []string // data files
	places   places
	noHeads  bool   // a run of heads cannot be read
	noTable  bool   // a part of the table cannot be read
	noTail   bool   // a commit of the tail cannot be read
	logPlace string // prefix of the log
}

// tailStream is where a stream begins and ends in the tail.
type tailStream struct {
	first, last int64
	key         string // of the commit that holds the first
}

// folded is a folded commit, whose events the table must hold.
type folded struct {
	key    string
	late   bool // stored after it was folded: then it need not be what was folded
	events []kept
}

// kept is an event of a folded commit.
type kept struct {
	hash    uint64
	expires bool // retention may have taken it out of the table
	stream  string
	seen    bool
}

// keyUse is the use of an idempotency key in a commit.
type keyUse struct {
	keyRange
	position int64
	time     event.Micros
	commit   string // its key
}

// verifyShard checks a shard: its log, its part of the table, and that both
// say the same.
func (p *pass) verifyShard(ctx context.Context, shard int) error {
	s := &shardPass{pass: p, shard: shard, state: p.snap.ShardState(shard), noTable: p.lost,
		ids: map[string]string{}, tail: map[string]*tailStream{}, tailKeys: map[string]keyUse{}, uses: map[string][]keyUse{},
		recent: map[int64]*folded{}, drops: map[int64]bool{}, streams: map[string]*stream{}, logPlace: layout.Log(p.inst.ID, shard)}
	s.pending, s.names = map[int64]*commit{}, map[string]string{}
	s.highest = s.state.Generation
	s.learn()
	if err := s.readLog(ctx); err != nil {
		return err
	}
	if err := s.readHeads(ctx); err != nil {
		return err
	}
	if err := s.readKeys(ctx); err != nil {
		return err
	}
	for _, f := range p.files[shard] {
		if err := s.readFile(ctx, f); err != nil {
			return err
		}
	}
	s.checkState()
	if !s.void {
		s.checkStreams()
		s.checkPlaces()
		s.checkRecent()
	}
	s.checkTail()
	s.count()
	return nil
}

// forEver reports whether no event of the instance can have expired.
func (s *shardPass) forEver() bool { return s.inst.RetentionDays == 0 && s.inst.VisibleFrom == 0 }

// mayExpire reports whether retention may have taken an event out of the table
// by now.
func (s *shardPass) mayExpire(t event.Micros) bool { return t < s.inst.HiddenBefore(s.now) }

// checkShard says where a stream belongs if it is not here.
func (s *shardPass) checkShard(stream string) (int, bool) {
	want := int(xxhash.Sum64String(stream) % uint64(max(1, s.inst.Shards)))
	return want, want == s.shard
}

// intern returns a stream's name in memory of its own, shared by all who have it.
func (s *shardPass) intern(name string) string {
	if _, ok := s.names[name]; !ok {
		own := strings.Clone(name)
		s.names[own] = own
	}
	return s.names[name]
}

// stream returns what is known of a stream.
func (s *shardPass) stream(name string) *stream {
	st := s.streams[name]
	if st == nil {
		st = &stream{}
		s.streams[string([]byte(name))] = st // a copy: names share the memory of what they were read with
	}
	return st
}

// checkState checks that the drops of the shard's log fit the instance's state.
func (s *shardPass) checkState() {
	live := !s.void && len(s.streams) > 0 || len(s.tail) > 0
	switch {
	case s.highest > s.inst.Generation || s.highest == s.inst.Generation && s.inst.State == catalog.Active:
		s.out.fault(Chain, s.logPlace, "generation %d is dropped, and the instance is %s in generation %d", s.highest, s.inst.State, s.inst.Generation)
	case s.inst.State == catalog.Deleted && s.shard < s.inst.Shards && s.highest < s.inst.Generation && !s.noTail:
		s.out.fault(Chain, s.logPlace, "the instance is deleted, and the shard bears no drop of generation %d", s.inst.Generation)
	case s.undropped != nil && s.inst.State == catalog.Active:
		s.out.fault(Chain, s.undropped.key, "the commit is of generation %d, the instance in generation %d, and no drop comes between", s.undropped.generation, s.inst.Generation)
	case s.shard >= s.inst.Shards && live && !s.noTail:
		s.out.fault(Misplaced, s.logPlace, "the shard holds events, and the instance has only %d shards", s.inst.Shards)
	}
}

// count adds what counts to the instance's sums.
func (s *shardPass) count() {
	names := len(s.tail)
	if !s.void {
		for name, st := range s.streams {
			if s.tail[name] == nil {
				names++
			}
			for _, sp := range st.spans {
				s.sum.Events += sp.hi - sp.lo + 1
			}
		}
	}
	for _, t := range s.tail {
		s.sum.Events += t.last - t.first + 1
	}
	s.sum.Streams += int64(names)
}

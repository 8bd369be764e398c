package commitlog

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/firnlog/firn/internal/bug"
	"github.com/firnlog/firn/layout"
	"github.com/firnlog/firn/layout/chain"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/snapshot"
)

// errDropped says that the instance was deleted after the request's caller
// looked it up.
var errDropped = errors.New("the instance was deleted")

// commit settles a group of requests, all but those that it returns, which wait
// for what it has just stored.
//
// It returns when the group's events are durable at one position, or nobody can
// tell, or they surely are not: in the last two cases everything known of the
// shard is dropped, so that the next group starts from what the bucket says. A
// crash in here leaves the commit either whole in the log or absent; its
// requests were not answered.
func (w *writer) commit(ctx context.Context, group []*request) []*request {
	var deferred []*request
	caughtUp, starts := false, 0
	for len(group) > 0 {
		began := w.log.now()
		p, err := w.prepare(ctx, group)
		if err == nil && len(p.refused) > 0 && !caughtUp && !bug.In(bug.RefuseFromMemory) {
			// An answer that writes nothing must not come from old knowledge.
			if err = w.st.catchUp(ctx); err == nil {
				caughtUp = true
				continue
			}
		}
		if err == nil {
			err = w.refuse(ctx, p)
			group = p.members
			deferred = append(deferred, p.deferred...)
			if err == nil && len(group) > 0 {
				if w.full(p) {
					return deferred
				}
				var won bool
				if won, err = w.store(ctx, p); won {
					return deferred
				}
			}
		}
		unknown := fault.Is(err, fault.Unknown)
		moved := !unknown && (errors.Is(err, errMoved) || errors.Is(err, chain.ErrSwept)) || unknown && bug.In(bug.BlindRetry)
		if moved && starts < pinTries {
			starts++
			if err = w.startOver(ctx); err == nil {
				continue
			}
		}
		if errors.Is(err, errMoved) {
			err = restless(w.instance, w.log.awake(began, err))
		}
		if err != nil {
			w.st = nil
			for _, r := range group {
				w.settle(r, outcome{err: err})
			}
			return deferred
		}
	}
	return deferred
}

// startOver looks up the newest snapshot and forgets all else.
func (w *writer) startOver(ctx context.Context) error {
	w.st = nil
	_, err := w.log.newest(ctx, w.instance, 0)
	return err
}

// prepare brings the state up to where a group may be planned, and plans it.
func (w *writer) prepare(ctx context.Context, group []*request) (*plan, error) {
	if w.st != nil && (len(w.st.heads) > maxHeads || len(w.st.keys) > maxKeys) {
		w.st = nil // forget, and keep in memory what is used from now on
	}
	if w.st == nil {
		st, err := w.log.cold(ctx, w.instance, w.shard, w.st.unknown(group))
		if err != nil {
			return nil, err
		}
		w.st, w.current = st, w.log.now()
		w.compare(st.base.seen.At, st.base.looked)
	}
	// One that seems wrong is compared again: the answer may have been slow, or the
	// clock set right since.
	if chain.Elapsed(w.st.base.looked, w.log.now()) >= chain.Fresh || w.jumped() || w.skew.Abs() > MaxSkew || w.suspicious() {
		if err := w.st.refresh(ctx); err != nil {
			return nil, err
		}
		if err := w.st.catchUp(ctx); err != nil {
			return nil, err
		}
		w.compare(w.st.base.seen.At, w.st.base.looked)
	}
	if err := w.probe(ctx); err != nil {
		return nil, err
	}
	now := w.log.now()
	if w.skew.Abs() > MaxSkew && !bug.In(bug.WrongClock) {
		const form = "2006-01-02T15:04:05Z"
		return nil, fault.New(fault.Unavailable, "this machine's clock says %s and the store's %s: they must not differ by more than %v: set the clock right",
			now.UTC().Format(form), now.Add(w.skew).UTC().Format(form), MaxSkew)
	}
	return w.st.plan(ctx, group, now)
}

// probe looks behind the log's end where others write to the shard, too, and have
// had the time to: a GET is cheaper and sooner answered than a PUT that is lost. (A
// writer that goes on at once has the best chance at the position behind its own.)
func (w *writer) probe(ctx context.Context) error {
	if !w.shared || chain.Elapsed(w.current, w.log.now()) <= probeAge {
		return nil
	}
	end := w.st.end
	if err := w.st.catchUp(ctx); err != nil {
		return err
	}
	w.shared, w.current = w.st.end > end, w.log.now()
	return nil
}

// compare notes how far the store's clock is ahead of ours.
func (w *writer) compare(theirs, ours time.Time) {
	w.skew, w.compared = theirs.Sub(ours), ours
}

// jumped reports whether our clock has to be compared with the store's anew: it
// shows that long after the last time, or before it, which can be a jump of it.
// One commit with a time of a clock that is days ahead would make the shard
// forget idempotency keys, since no commit's time is before that.
func (w *writer) jumped() bool {
	return w.log.now().Round(0).Sub(w.compared.Round(0)).Abs() > MaxSkew
}

// refuse answers the requests of a plan that write nothing.
func (w *writer) refuse(ctx context.Context, p *plan) error {
	for i, r := range p.refused {
		o := outcome{err: r.err}
		if r.replay != nil {
			o = w.replay(ctx, *r.replay)
		}
		if errors.Is(o.err, errMoved) {
			for _, later := range p.refused[i:] {
				p.members = append(p.members, later.request)
			}
			return o.err
		}
		w.settle(r.request, o)
	}
	return nil
}

// replay answers a request as it was answered the first time, out of the commit
// that was stored then: it is kept for at least the grace after it was folded,
// and its key no longer than that.
func (w *writer) replay(ctx context.Context, k snapshot.Key) outcome {
	c, err := w.log.commit(ctx, w.instance, w.shard, k.Position, w.st.base.seen.At)
	if fault.Is(err, fault.NotFound) {
		return outcome{err: fault.New(fault.Gone, "the idempotency key was used at %v, and the answer of then is no longer kept", k.Time)}
	}
	if err != nil {
		return outcome{err: err}
	}
	events, err := c.Events()
	if err != nil {
		return outcome{err: err}
	}
	if int(k.Ordinal+k.Count) > len(events) {
		return outcome{err: fault.New(fault.Corrupt, "%s ends before its idempotency keys do", c.Key)}
	}
	return outcome{events: events[k.Ordinal : k.Ordinal+k.Count], position: k.Position, replayed: true}
}

// store puts a plan's commit at the next position. It reports whether the
// commit is there, and has then answered its requests. When another's commit
// is, that is learned.
func (w *writer) store(ctx context.Context, p *plan) (won bool, failed error) {
	st := w.st
	key, first := layout.Commit(w.instance, w.shard, st.end+1), p.members[0]
	c := &Commit{Key: key, Shard: w.shard, Position: st.end + 1, ID: uuid.NewString(), Time: p.time, Generation: first.generation, Drop: first.drop, Erase: first.erase, Keys: p.keys}
	body, err := c.encode(p.events, len(p.moved))
	if err != nil {
		return false, err
	}
	c.Bytes = len(body)
	if bug.In(bug.EarlyAck) { // whatever becomes of the put
		w.acknowledge(p, c)
		defer func() { won, failed, w.st = true, nil, nil }()
		p.members = nil
	}
	res, err := chain.Slot{Store: w.log.store, Key: key, WriterID: writerID}.Try(ctx, c.ID, body)
	if err != nil {
		return false, err
	}
	if chain.Stale(st.base.seen.At, res.StoreTime) && !bug.In(bug.TrustSlowWriter) {
		if err := w.stillAhead(ctx, c.Position, res.Won); err != nil {
			return false, err
		}
	}
	if !res.Won && res.Body == nil && bug.In(bug.ConflictIsTaken) {
		st.end++
		return false, nil
	}
	if !res.Won {
		winner, err := decodeAt(key, res.Body, w.shard, c.Position)
		if err != nil {
			return false, err
		}
		w.log.cache.put(key, winner, len(res.Body))
		if err := st.learn(winner); err != nil {
			return false, err
		}
		err = st.catchUp(ctx) // whoever lost once may be far behind
		w.shared, w.current = true, w.log.now()
		return false, err
	}
	w.current = w.log.now()
	w.compare(res.StoreTime, w.current)
	if own, err := decode(body, w.shard, c.Position); err == nil {
		w.log.cache.put(key, own, len(body))
	}
	st.apply(p, c)
	w.log.wrote(w.instance, len(body))
	w.acknowledge(p, c)
	return true, nil
}

// acknowledge answers the requests of a plan that is stored as c.
func (w *writer) acknowledge(p *plan, c *Commit) {
	for i, r := range p.members {
		first, end := p.first[i], p.first[i]+len(r.batch.Events)
		w.settle(r, outcome{events: p.events[first:end:end], position: c.Position})
	}
}

// stillAhead is the third rule of chains: a slot that was written, or read,
// long after the newest snapshot was last looked up counts only if the snapshot
// of now has not folded it. Otherwise it may have been swept before, and our
// commit stands where no reader looks.
func (w *writer) stillAhead(ctx context.Context, position int64, won bool) error {
	base, err := w.log.newest(ctx, w.instance, 0)
	switch {
	case err != nil && won:
		return fault.New(fault.Unknown, "the commit was written late: %w", err)
	case err != nil:
		return err
	case base.snap.ShardState(w.shard).Folded < position:
		w.st.rebase(base)
		w.compare(base.seen.At, base.looked) // our clock may have stood still, too
		return nil
	case won:
		return fault.New(fault.Unknown, "the commit was written so late that it may be without effect")
	}
	return errMoved
}

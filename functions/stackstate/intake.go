package stackstate

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
)

// eventMemory is about what an event takes beside its own bytes, which its
// payload and its metadata both hold.
const eventMemory = 1 << 10

// atOnce is how many events with an identity are appended at once. Each is an
// append of its own, and those that meet share a commit. More of them would make
// fewer and larger commits, of which one is read for each duplicate.
const atOnce = 100

// delivery is one message on its way into the log.
type delivery struct {
	*receiver
	message *message
	report  []outcome // of each event of the message
}

// intake answers 200 when every event is stored or can never be, and reports on
// each; otherwise an error after which the agent sends all again.
func (d *receiver) intake(w http.ResponseWriter, r *http.Request) {
	body, err := d.deliver(w, r)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	respond(w, http.StatusOK, body)
}

func (d *receiver) deliver(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	deduplicate, err := d.deduplicates(r)
	if err != nil {
		return nil, err
	}
	loan := d.Borrow()
	defer loan.End()
	body, err := d.ReadAppend(w, r, loan)
	if err != nil {
		return nil, err
	}
	m, err := decode(body)
	if err != nil {
		return nil, err
	}
	if err := loan.Grow(r.Context(), int64(len(body))+eventMemory*int64(len(m.events))); err != nil {
		return nil, err
	}
	inst, err := d.Instance(r.Context(), Instance, front.CanAppend)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	v := delivery{receiver: d, message: m, report: make([]outcome, len(m.events))}
	if err := v.store(r.Context(), inst, deduplicate); err != nil {
		return nil, err
	}
	v.count()
	return v.render(), nil
}

// deduplicates reads the parameter of that name. All others are ignored, since
// clients put their key among them.
func (d *receiver) deduplicates(r *http.Request) (bool, error) {
	given := r.URL.Query().Get("deduplicate")
	if given == "" {
		return d.Deduplicate, nil
	}
	asked, err := strconv.ParseBool(given)
	if err != nil {
		return false, fault.New(fault.Invalid, "the parameter deduplicate is true or false")
	}
	return asked, nil
}

// store appends what can be stored. Events with an identity go first: when one
// of them fails, nothing is stored that would be stored twice by a repetition.
func (v *delivery) store(ctx context.Context, inst catalog.Instance, deduplicate bool) error {
	now := event.ToMicros(v.Now())
	var identified []int
	var keys, hashes []string
	var rest []int
	events := make([]event.Event, len(v.message.events))
	for i, it := range v.message.events {
		s, err := v.message.build(it, now)
		if err == nil {
			err = v.Limits.CheckEvent(&s.event)
		}
		if err == nil && inst.TooOld(s.event.Time, now) {
			err = fault.New(fault.Invalid, "the event is too old: it is of %s, and the instance takes events of the last %d seconds", s.event.Time, inst.MaxEventAgeSeconds)
		}
		v.report[i].note = s.note
		if err != nil {
			v.report[i].reject(err)
			continue
		}
		events[i] = s.event
		if deduplicate && s.key != "" {
			identified, keys, hashes = append(identified, i), append(keys, s.key), append(hashes, s.hash)
		} else {
			rest = append(rest, i)
		}
	}
	if err := v.storeEach(ctx, events, identified, keys, hashes); err != nil {
		return err
	}
	return v.storeAll(ctx, events, rest)
}

// storeEach appends events that have an identity, each under a key of its own.
func (v *delivery) storeEach(ctx context.Context, events []event.Event, which []int, keys, hashes []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for j, i := range which {
		group.Go(func() error {
			b := commitlog.Batch{Events: events[i : i+1 : i+1], Key: keys[j], Hash: hashes[j]}
			receipt, err := v.append(ctx, b)
			switch {
			case errors.Is(err, commitlog.ErrKeyReused):
				v.report[i].reject(fault.New(fault.Invalid, "another event with this source and source_identifier was stored within the last 24 hours"))
				return nil
			case err != nil:
				return err
			}
			v.report[i].accept(receipt.Events[0], receipt.Replayed)
			return nil
		})
	}
	return group.Wait()
}

// storeAll appends events together.
func (v *delivery) storeAll(ctx context.Context, events []event.Event, which []int) error {
	if len(which) == 0 {
		return nil
	}
	b := commitlog.Batch{Events: make([]event.Event, len(which))}
	for j, i := range which {
		b.Events[j] = events[i]
	}
	receipt, err := v.append(ctx, b)
	if err != nil {
		return err
	}
	for _, p := range receipt.Parts {
		if p.Err != nil {
			return fault.Wrap(p.Err, "only a part of the events is known to be stored")
		}
	}
	for j, i := range which {
		v.report[i].accept(receipt.Events[j], false)
	}
	return nil
}

func (v *delivery) append(ctx context.Context, b commitlog.Batch) (commitlog.Receipt, error) {
	return v.Append(ctx, Instance, b, &catalog.Instance{ID: Instance, Name: Instance})
}

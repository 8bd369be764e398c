package access

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/querier"
)

// stream is where what happens to keys is kept, in the instance [front.Own].
const stream = "keys"

// MaxKeys bounds the keys that are in force at once.
const MaxKeys = 10_000

// Ring holds the API keys of a bucket. It is safe for concurrent use.
type Ring struct {
	log     front.Log
	queries front.Queries
	now     func() time.Time
	keys    fresh[keyring]

	mu    sync.Mutex // guards what is below
	noted map[string]time.Time
}

// keyring is what is known of the keys at one time. It never changes: what is
// learned makes another one.
type keyring struct {
	keys map[string]*Key
	last int64 // sequence number of the last event that was read
}

// renewAge is the age from which on keys are read again in the background: a
// bucket that takes less than what is left to MaxAge makes nobody wait.
const renewAge = 3 * time.Second

// NewRing returns the keys of the bucket of a log. It reads nothing yet. now is
// the clock; nil means time.Now.
func NewRing(log front.Log, queries front.Queries, now func() time.Time) *Ring {
	if now == nil {
		now = time.Now
	}
	r := &Ring{log: log, queries: queries, now: now, noted: map[string]time.Time{}}
	r.keys = fresh[keyring]{read: r.read, now: now, renew: renewAge}
	return r
}

// change is what an event says happened to a key.
type change struct {
	Action  string    `json:"action"` // create, rotate, revoke or use
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Grants  []string  `json:"grants,omitempty"`
	Sum     string    `json:"sum,omitempty"`  // SHA-256 of the secret, in hex
	Until   time.Time `json:"until,omitzero"` // of a rotation: how long the former secrets are good
	Expires time.Time `json:"expires,omitzero"`
	At      time.Time `json:"at"`
}

// caller returns who a key's holder is.
func (r *Ring) caller(ctx context.Context, full string) (front.Caller, error) {
	id, text, ok := split(full)
	if !ok {
		return front.Caller{}, fault.New(fault.Unauthenticated, "this is no API key of Firn")
	}
	known, err := r.keys.get(ctx, MaxAge)
	if err != nil {
		return front.Caller{}, err
	}
	now, k := r.now(), known.keys[id]
	if k == nil || !k.opens(text, now) || !k.good(now) {
		return front.Caller{}, fault.New(fault.Unauthenticated, "the API key is not known, or its time is over; a new one is known everywhere within %d seconds", int(MaxAge.Seconds()))
	}
	r.used(k, now)
	return front.Caller{Name: "key:" + id, Grants: k.Grants}, nil
}

// empty reports whether no key was ever made: one that was revoked still says
// that keys are asked for here.
func (r *Ring) empty(ctx context.Context) (bool, error) {
	known, err := r.keys.get(ctx, MaxAge)
	return len(known.keys) == 0, err
}

// InForce reports whether a key is in force now.
func (r *Ring) InForce(ctx context.Context) (bool, error) {
	known, err := r.keys.get(ctx, MaxAge)
	return known.inForce(r.now()) > 0, err
}

// inForce counts the keys that are good at a time.
func (known keyring) inForce(now time.Time) (n int) {
	for _, k := range known.keys {
		if k.good(now) {
			n++
		}
	}
	return n
}

// used has it recorded that a key is used, once a day. That this fails, as in a
// function that may not write, is no reason to turn the caller away.
func (r *Ring) used(k *Key, now time.Time) {
	if now.Sub(k.Used) <= 24*time.Hour {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.noted[k.ID]) <= 24*time.Hour {
		return
	}
	r.noted[k.ID] = now
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = r.append(ctx, change{Action: "use", ID: k.ID, At: now}, commitlog.Any)
	}()
}

// List returns all keys, the revoked ones too, by their age.
func (r *Ring) List(ctx context.Context) ([]Key, error) {
	known, err := r.keys.latest(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Key, 0, len(known.keys))
	for _, k := range known.keys {
		list = append(list, *k)
	}
	slices.SortFunc(list, func(a, b Key) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

// Create makes a key and returns it with its full text, which is not kept and
// cannot be shown again. Invalid when the grants are.
func (r *Ring) Create(ctx context.Context, name string, grants []string, expires time.Time) (full string, k Key, err error) {
	if _, err := ParseGrants(grants); err != nil {
		return "", k, err
	}
	if name == "" || len(name) > catalog.MaxText {
		return "", k, fault.New(fault.Invalid, "a key's name has 1 to %d bytes", catalog.MaxText)
	}
	if !expires.IsZero() && !expires.After(r.now()) {
		return "", k, fault.New(fault.Invalid, "the key would have expired at %s", expires.Format(time.RFC3339))
	}
	id := newID()
	full, sum := newSecret(id)
	k, err = r.change(ctx, id, func(known keyring) (change, error) {
		if known.keys[id] != nil {
			return change{}, fault.New(fault.Internal, "the random id %s is taken", id)
		}
		if known.inForce(r.now()) >= MaxKeys {
			return change{}, fault.New(fault.Limit, "%d keys are in force, and there can be no more: revoke one first", MaxKeys)
		}
		return change{Action: "create", ID: id, Name: name, Grants: grants, Sum: sum, Expires: expires}, nil
	})
	return full, k, err
}

// Rotate gives a key a new secret and returns the key in full. The former one is
// good for overlap longer.
func (r *Ring) Rotate(ctx context.Context, id string, overlap time.Duration) (full string, k Key, err error) {
	full, sum := newSecret(id)
	k, err = r.change(ctx, id, func(known keyring) (change, error) {
		if k := known.keys[id]; k == nil || !k.good(r.now()) {
			return change{}, fault.New(fault.NotFound, "there is no key %q in force", shorten(id))
		}
		return change{Action: "rotate", ID: id, Sum: sum, Until: r.now().Add(max(overlap, 0))}, nil
	})
	return full, k, err
}

// Revoke ends a key, everywhere within [MaxAge].
func (r *Ring) Revoke(ctx context.Context, id string) (Key, error) {
	return r.change(ctx, id, func(known keyring) (change, error) {
		if known.keys[id] == nil {
			return change{}, fault.New(fault.NotFound, "there is no key %q", shorten(id))
		}
		return change{Action: "revoke", ID: id}, nil
	})
}

// change appends what decide says, on top of all that is known. When another
// change comes first it decides again.
func (r *Ring) change(ctx context.Context, id string, decide func(keyring) (change, error)) (Key, error) {
	for {
		known, err := r.keys.latest(ctx)
		if err != nil {
			return Key{}, err
		}
		c, err := decide(known)
		if err != nil {
			return Key{}, err
		}
		c.At = r.now().UTC()
		err = r.append(ctx, c, commitlog.Expectation(known.last))
		if fault.Is(err, fault.Conflict) {
			continue
		}
		if err == nil {
			known, err = r.keys.latest(ctx)
		}
		if err != nil {
			return Key{}, err
		}
		return *known.keys[id], nil
	}
}

// append stores a change, where the stream stands as expected.
func (r *Ring) append(ctx context.Context, c change, expect commitlog.Expectation) error {
	payload, err := json.Marshal(c)
	if err != nil {
		return err
	}
	by, err := json.Marshal(map[string]string{"by": front.CallerOf(ctx).Name})
	if err != nil {
		return err
	}
	b := commitlog.Batch{Expect: map[string]commitlog.Expectation{stream: expect}, Events: []event.Event{{
		Stream: stream, Type: "key", Time: event.ToMicros(c.At), Payload: payload, Metadata: by,
		Tags: []string{"archive", "archive:" + c.Action, "archiving", "archiving:" + c.Action, "keys", "keys:" + c.ID},
	}}}
	_, err = r.log.Append(ctx, front.Own, b)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	_, err = r.log.CreateInstance(ctx, catalog.Instance{ID: front.Own, Name: front.Own})
	if err != nil && !fault.Is(err, fault.Exists) {
		return err
	}
	_, err = r.log.Append(ctx, front.Own, b)
	return err
}

// read returns what is known once all that happened since is learned.
func (r *Ring) read(ctx context.Context, known keyring) (keyring, error) {
	for own := false; ; own = true {
		q := querier.New(front.Own)
		q.Stream, q.NoTotal = stream, true
		q.Where = []querier.Predicate{{Field: querier.Sequence, Operator: querier.Gt, Values: []querier.Value{querier.Number(known.last)}}}
		res, err := r.queries.Run(ctx, q)
		switch {
		case fault.Is(err, fault.NotFound):
			return known, nil // no instance of Firn's own yet: no keys
		case err != nil:
			return known, fault.New(fault.Unavailable, "API keys cannot be read: %w", err)
		case len(res.Events) == 0:
			return known, nil
		case !own:
			known.keys = cloned(known.keys)
		}
		for _, raw := range res.Events {
			if err := known.learn(raw); err != nil {
				return known, err
			}
		}
	}
}

// cloned returns keys of its own.
func cloned(keys map[string]*Key) map[string]*Key {
	out := make(map[string]*Key, len(keys))
	for id, k := range keys {
		own := *k
		own.secrets = slices.Clone(k.secrets)
		out[id] = &own
	}
	return out
}

// learn takes in an event as queries show it.
func (known *keyring) learn(raw []byte) error {
	var e struct {
		Sequence int64  `json:"sequence_number"`
		Payload  change `json:"payload"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return fault.New(fault.Corrupt, "an event about API keys cannot be read: %w", err)
	}
	known.last = e.Sequence
	c, k := e.Payload, known.keys[e.Payload.ID]
	switch {
	case c.Action == "create":
		grants, err := ParseGrants(c.Grants)
		if err != nil {
			return fault.New(fault.Corrupt, "key %s: %w", c.ID, err)
		}
		known.keys[c.ID] = &Key{ID: c.ID, Name: c.Name, Grants: grants, Created: c.At, Expires: c.Expires, secrets: []secret{{sum: c.Sum}}}
	case k == nil:
	case c.Action == "rotate":
		k.rotate(c.Sum, c.Until)
	case c.Action == "revoke" && k.Revoked.IsZero():
		k.Revoked = c.At
	case c.Action == "use" && c.At.After(k.Used):
		k.Used = c.At
	}
	return nil
}

package front

import (
	"context"
	"net/http"
	"path"

	"github.com/firnlog/firn/layout/fault"
)

// Right is what a caller may do with an instance. They are bits of a set.
type Right uint8

// The rights.
const (
	CanAppend Right = 1 << iota // store events
	CanQuery                    // read events, settings and statistics
	CanAdmin                    // make, change and delete instances, erase events
)

// String returns the right's name, such as "append".
func (r Right) String() string {
	switch r {
	case CanAppend:
		return "append"
	case CanQuery:
		return "query"
	case CanAdmin:
		return "admin"
	}
	return "unknown"
}

// Grant gives rights on the instances whose id matches a pattern of
// [path.Match], such as "orders" or "team-*".
type Grant struct {
	Instances string
	Rights    Right
}

// Caller is who sends a request.
type Caller struct {
	Name   string // as audit events show it, such as the id of a key
	Grants []Grant
}

// May reports whether the caller has a right on an instance. Firn's own
// instances, whose ids begin with an underscore, are never matched by the
// wildcards of a pattern that does not begin with one.
func (c Caller) May(r Right, instance string) bool {
	for _, g := range c.Grants {
		own := instance != "" && instance[0] == '_'
		if g.Rights&r == 0 || own && (g.Instances == "" || g.Instances[0] != '_') {
			continue
		}
		if ok, err := path.Match(g.Instances, instance); ok && err == nil {
			return true
		}
	}
	return false
}

// Anyone may do everything: the caller where no keys are asked for.
var Anyone = Caller{Name: "anyone", Grants: []Grant{{"*", CanAppend | CanQuery | CanAdmin}, {"_*", CanQuery}, {Own, CanAdmin}}}

type callerKey struct{}

// WithCaller returns a context whose requests are the caller's.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

type requestKey struct{}

// withRequest returns a context that knows which request the caller was let in
// by, so that what goes on for long can ask again.
func withRequest(ctx context.Context, r *http.Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// recheck returns an error unless the sender of the request that a context is of,
// if it is of one, still has the right. A caller who sends too many requests is a
// known one.
func (s *Service) recheck(ctx context.Context, right Right, instance string) error {
	r, _ := ctx.Value(requestKey{}).(*http.Request)
	if s.Authenticate == nil || r == nil {
		return nil
	}
	caller, err := s.Authenticate(r)
	switch {
	case fault.Is(err, fault.Overload):
		return nil
	case err != nil:
		return err
	}
	return Allow(WithCaller(ctx, caller), right, instance)
}

// CallerOf returns who a context's request is from: one without any rights
// where nobody was let in.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Allow returns an error of kind Denied unless the context's caller has the
// right. What it says is the same for instances that exist and for others.
func Allow(ctx context.Context, r Right, instance string) error {
	if CallerOf(ctx).May(r, instance) {
		return nil
	}
	return fault.New(fault.Denied, "these credentials do not give the right to %s on %q", r, shorten(instance))
}

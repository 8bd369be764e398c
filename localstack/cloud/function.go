//go:build unix

package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// maxPayload bounds what goes into a function and comes out of it in one piece.
const maxPayload = 6 << 20

// The reasons why a function is not run.
var (
	ErrThrottled = errors.New("all environments of the function are busy")
	ErrTooLarge  = fmt.Errorf("the invocation has more than %d bytes", maxPayload)
	ErrTimeout   = errors.New("the function's time is over")
)

// Function is a program and its environments.
type Function struct {
	Name    string
	Program string
	Env     []string // of the process; nothing of this process' own comes in
	// Limit is how many environments there may be at once: the reserved
	// concurrency.
	Limit   int
	Timeout time.Duration
	Log     io.Writer

	runtime *runtime

	mu    sync.Mutex
	all   map[*environment]bool
	rest  []*environment // idle, the last used last
	stats Stats
}

// Stats count what happened to a function.
type Stats struct {
	Invocations, Failed, Throttled, Cold, Killed, Frozen int
	Init                                                 []time.Duration // of each cold start, to the first request for work
	Warm                                                 []time.Duration // of invocations of environments that were there, to the answer
}

// Invoke runs the function and returns its answer, whose body the caller closes.
// An error means that nobody can tell what it did, but for the three above:
// ErrThrottled and ErrTooLarge mean that it did nothing.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Answer, error) {
	if len(payload) > maxPayload {
		return Answer{}, ErrTooLarge
	}
	e, cold, err := f.take()
	if err != nil {
		return Answer{}, err
	}
	if cold {
		select {
		case <-e.ready:
		case <-e.dead:
			f.count(func(s *Stats) { s.Failed++ })
			return Answer{}, fmt.Errorf("the function %s ended at its start", f.Name)
		}
		f.count(func(s *Stats) { s.Init = append(s.Init, e.init) })
	}
	began := time.Now()
	in := &invocation{id: uuid.NewString(), payload: payload, deadline: began.Add(f.Timeout), answered: make(chan struct{})}
	e.give(in)
	a, err := f.wait(ctx, e, in)
	a.Cold = cold
	f.count(func(s *Stats) {
		s.Invocations++
		if err != nil {
			s.Failed++
		} else if !cold {
			s.Warm = append(s.Warm, time.Since(began))
		}
	})
	return a, err
}

// wait waits for an answer. When the time is over the environment is ended, as
// Lambda does; that nobody waits any more does not stop it.
func (f *Function) wait(ctx context.Context, e *environment, in *invocation) (Answer, error) {
	late := time.AfterFunc(time.Until(in.deadline), func() {
		if e.invocation(in.id) != nil {
			e.signal(syscall.SIGKILL)
		}
	})
	go func() {
		select {
		case <-e.dead:
			in.answer(Answer{}, fmt.Errorf("the environment of %s ended: %w", f.Name, ErrTimeout))
		case <-in.answered:
			if in.err != nil || !in.result.Streamed {
				late.Stop()
			}
		}
	}()
	select {
	case <-in.answered:
		return in.result, in.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// take returns an environment that is idle, or a new one.
func (f *Function) take() (e *environment, cold bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.rest) > 0 {
		e = f.rest[len(f.rest)-1]
		f.rest = f.rest[:len(f.rest)-1]
		if f.all[e] {
			return e, false, nil
		}
	}
	if len(f.all) >= f.Limit {
		f.stats.Throttled++
		return nil, false, ErrThrottled
	}
	e = &environment{id: uuid.NewString(), function: f, work: make(chan *invocation, 1), ready: make(chan struct{}), dead: make(chan struct{})}
	if err := e.start(f.runtime); err != nil {
		return nil, false, err
	}
	f.all[e] = true
	f.stats.Cold++
	return e, true, nil
}

// free makes an environment one that can be taken.
func (f *Function) free(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rest = append(f.rest, e)
}

// gone forgets an environment that has ended.
func (f *Function) gone(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, e)
}

func (f *Function) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

// Stats returns what happened until now.
func (f *Function) Stats() (s Stats) {
	f.count(func(now *Stats) { s = *now })
	return s
}

// some returns an environment in the middle of an invocation, or nil.
func (f *Function) some() *environment {
	busy := slices.DeleteFunc(f.environments(), func(e *environment) bool { return !e.busy() })
	if len(busy) == 0 {
		return nil
	}
	return busy[rand.IntN(len(busy))]
}

func (f *Function) environments() []*environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.all))
}

// KillOne ends an environment in the middle of an invocation, if there is one.
func (f *Function) KillOne() bool {
	e := f.some()
	if e == nil {
		return false
	}
	e.kill()
	f.count(func(s *Stats) { s.Killed++ })
	return true
}

// FreezeOne stands an environment still in the middle of an invocation, if there
// is one, until thaw is called.
func (f *Function) FreezeOne() (thaw func(), ok bool) {
	e := f.some()
	if e == nil {
		return nil, false
	}
	e.signal(syscall.SIGSTOP)
	f.count(func(s *Stats) { s.Frozen++ })
	return func() { e.signal(syscall.SIGCONT) }, true
}

// End ends all environments, so that the next invocation starts one.
func (f *Function) End() {
	for _, e := range f.environments() {
		e.kill()
	}
}

// stop ends the function.
func (f *Function) stop() {
	f.mu.Lock()
	f.Limit = 0
	f.mu.Unlock()
	f.End()
}

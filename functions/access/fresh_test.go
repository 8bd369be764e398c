package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// source is where a value is kept that is the time of its reading.
type source struct {
	takes atomic.Int64 // a reading, in nanoseconds
	fails atomic.Bool
	asked atomic.Int64
}

func (s *source) read(ctx context.Context, _ time.Time) (time.Time, error) {
	s.asked.Add(1)
	at := time.Now()
	select {
	case <-time.After(time.Duration(s.takes.Load())):
	case <-ctx.Done():
		return at, ctx.Err()
	}
	if s.fails.Load() {
		return at, errors.New("away")
	}
	return at, nil
}

func TestFresh(t *testing.T) {
	const most = 5 * time.Second
	run := func(name string, f func(t *testing.T, s *source, v *fresh[time.Time])) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{}
				v := &fresh[time.Time]{read: s.read, now: time.Now, renew: 3 * time.Second}
				if _, err := v.get(t.Context(), most); err != nil {
					t.Fatal(err)
				}
				f(t, s, v)
				time.Sleep(patience) // until no reading is under way
			})
		})
	}
	run("nobody waits for a slow reading while the value is young", func(t *testing.T, s *source, v *fresh[time.Time]) {
		s.takes.Store(int64(1900 * time.Millisecond))
		for range 1000 {
			began := time.Now()
			at, err := v.get(t.Context(), most)
			if waited := time.Since(began); err != nil || waited != 0 || began.Sub(at) >= most {
				t.Fatalf("waited %v for a value of %v ago: %v", waited, began.Sub(at), err)
			}
			time.Sleep(17 * time.Millisecond)
		}
		if n := s.asked.Load(); n > 6 { // 17 s, one each 3 s
			t.Errorf("%d readings", n)
		}
	})
	run("an old value is never given, and who waits shares one reading", func(t *testing.T, s *source, v *fresh[time.Time]) {
		time.Sleep(most)
		s.takes.Store(int64(8 * time.Second))
		before := s.asked.Load()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				began := time.Now()
				if at, err := v.get(t.Context(), most); err != nil || began.Sub(at) >= most {
					t.Errorf("a value of %v ago, %v", began.Sub(at), err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		if n := s.asked.Load() - before; n != 1 {
			t.Errorf("%d readings", n)
		}
	})
	run("a reading that hangs holds up nobody for ever", func(t *testing.T, s *source, v *fresh[time.Time]) {
		time.Sleep(3 * time.Second)
		s.takes.Store(int64(20 * time.Second))
		if _, err := v.get(t.Context(), most); err != nil { // begins it
			t.Fatal(err)
		}
		time.Sleep(most)
		s.takes.Store(0)
		began := time.Now()
		at, err := v.get(t.Context(), most)
		if err != nil || time.Since(began) != 0 || at != began {
			t.Errorf("waited %v: %v", time.Since(began), err)
		}
		time.Sleep(12*time.Second + most) // the one that hung has ended, and is no news
		s.fails.Store(true)
		if at, err := v.get(t.Context(), time.Hour); err != nil || at != began {
			t.Errorf("%v, %v", at.Sub(began), err)
		}
	})
	run("it fails closed", func(t *testing.T, s *source, v *fresh[time.Time]) {
		s.fails.Store(true)
		time.Sleep(most - 1)
		if _, err := v.get(t.Context(), most); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		time.Sleep(1)
		if _, err := v.get(t.Context(), most); err == nil {
			t.Error("an old value is given")
		}
		s.takes.Store(int64(time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.get(ctx, most); !fault.Is(err, fault.Unavailable) {
			t.Errorf("who has no time left: %v", err)
		}
	})
	run("a failure answers for a while", func(t *testing.T, s *source, v *fresh[time.Time]) {
		v.pause = 4 * time.Second
		s.fails.Store(true)
		time.Sleep(most)
		before := s.asked.Load()
		for range 40 {
			if _, err := v.get(t.Context(), most); err == nil {
				t.Fatal("an old value is given")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.asked.Load() - before; n != 1 {
			t.Errorf("%d readings within the pause", n)
		}
		s.fails.Store(false)
		if _, err := v.get(t.Context(), most); err != nil {
			t.Error(err)
		}
	})
	run("the latest is read anew", func(t *testing.T, s *source, v *fresh[time.Time]) {
		s.takes.Store(int64(time.Second))
		for range 3 {
			called := time.Now()
			if at, err := v.latest(t.Context()); err != nil || at.Before(called) {
				t.Errorf("of %v before the call, %v", called.Sub(at), err)
			}
		}
	})
}

// TestRevocationBehindASlowBucket: whatever the bucket's answers take, a request
// that comes MaxAge after a revocation was acknowledged elsewhere is not let in.
func TestRevocationBehindASlowBucket(t *testing.T) {
	for _, latency := range []time.Duration{time.Millisecond, 600 * time.Millisecond, 4 * time.Second} {
		bubble.Run(t, func(t *testing.T) {
			s := store.NewMemory()
			full, k, err := ring(s).Create(t.Context(), "k", []string{"*:query"}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			a := New(Config{Ring: ring(&late{s, latency})})
			var revoked atomic.Pointer[time.Time]
			var requests sync.WaitGroup
			var in, out atomic.Int64
			for range 500 { // one each 50 ms
				requests.Go(func() {
					arrived := time.Now()
					_, err := enter(a, "Authorization", "Bearer "+full)
					at := revoked.Load()
					if err == nil && at != nil && arrived.Sub(*at) >= MaxAge {
						t.Errorf("latency %v: let in %v after the revocation", latency, arrived.Sub(*at))
					}
					if err == nil {
						in.Add(1)
					} else {
						out.Add(1)
					}
				})
				time.Sleep(50 * time.Millisecond)
				if revoked.Load() == nil && in.Load() > 100 {
					if _, err := ring(s).Revoke(t.Context(), k.ID); err != nil {
						t.Fatal(err)
					}
					now := time.Now()
					revoked.Store(&now)
				}
			}
			requests.Wait()
			if revoked.Load() == nil || out.Load() == 0 {
				t.Errorf("latency %v: %d let in, %d refused", latency, in.Load(), out.Load())
			}
			time.Sleep(patience)
		})
	}
}

// late is a store whose lists take long.
type late struct {
	store.Store
	latency time.Duration
}

func (l *late) List(ctx context.Context, o store.ListOptions) (store.Page, error) {
	time.Sleep(l.latency)
	return l.Store.List(ctx, o)
}

// TestUseIsNotedOnceADay, and a rotation forgets no secret that is still good.
func TestUseIsNotedOnceADay(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMemory()
		admin, a := ring(s), New(Config{Ring: ring(s)})
		full, k, err := admin.Create(front.WithCaller(t.Context(), front.Anyone), "k", []string{"*:query"}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for range 50 { // an hour apart
			if _, err := enter(a, "Authorization", "Bearer "+full); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		known, err := admin.keys.latest(t.Context())
		if err != nil || known.last != 1+2 || time.Since(known.keys[k.ID].Used) > 26*time.Hour {
			t.Errorf("%d events about keys, used %v ago: %v", known.last, time.Since(known.keys[k.ID].Used), err)
		}
		old := full
		for range maxSecrets - 1 {
			if full, _, err = admin.Rotate(t.Context(), k.ID, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(MaxAge)
		if _, err := enter(a, "Authorization", "Bearer "+old); err != nil {
			t.Errorf("within the overlap: %v", err)
		}
		if _, _, err = admin.Rotate(t.Context(), k.ID, time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge)
		if _, err := enter(a, "Authorization", "Bearer "+old); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the secret of %d rotations ago: %v", maxSecrets, err)
		}
		// An overlap that was given is not lengthened by the next one.
		if _, _, err = admin.Rotate(t.Context(), k.ID, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(MaxAge)
		if _, err := enter(a, "Authorization", "Bearer "+full); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("after a rotation without overlap: %v", err)
		}
		synctest.Wait()
	})
}

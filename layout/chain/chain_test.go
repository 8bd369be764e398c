package chain

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// scripted is a store whose next puts do what the script says, one rune each:
// '.' works, 'l' is lost, 'a' is applied without an answer, 'o' finds another
// writer's object put just before it, 'c' is refused as conflicting, 'r' is
// refused, 'n' and 'i' are answered by what has no place here, and 'g' finds the slot
// taken by an object that is gone when it is read.
type scripted struct {
	store.Store
	script string
	puts   int
}

func (s *scripted) Put(ctx context.Context, key string, body store.Body, cond store.Condition) (store.Receipt, error) {
	step := byte('.')
	if s.puts < len(s.script) {
		step = s.script[s.puts]
	}
	s.puts++
	switch step {
	case 'l':
		return store.Receipt{}, fault.New(fault.Unknown, "no answer")
	case 'a':
		s.Store.Put(ctx, key, body, cond)
		return store.Receipt{}, fault.New(fault.Unknown, "no answer")
	case 'o':
		s.Store.Put(ctx, key, strings.NewReader("other"), cond)
	case 'c':
		return store.Receipt{}, fault.New(fault.Conflict, "409")
	case 'r':
		return store.Receipt{}, fault.New(fault.Unavailable, "refused")
	case 'n':
		return store.Receipt{}, fault.New(fault.NotFound, "404")
	case 'i':
		return store.Receipt{}, errors.New("something broke")
	case 'g':
		return store.Receipt{}, fault.New(fault.Exists, "412")
	}
	return s.Store.Put(ctx, key, body, cond)
}

func TestTry(t *testing.T) {
	for _, tc := range []struct {
		script string
		won    bool
		kind   fault.Kind // with an error
		puts   int
	}{
		{script: ".", won: true, puts: 1},
		{script: "l.", won: true, puts: 2},
		{script: "a.", won: true, puts: 2},  // the 412 is about our own object
		{script: "la", won: true, puts: 3},  // likewise
		{script: "o", won: false, puts: 1},  // the 412 is about another's
		{script: "lo", won: false, puts: 2}, // and so is this one
		{script: "ao", won: true, puts: 2},  // ours was first
		{script: "cc.", won: true, puts: 3}, // 409: the same slot again
		{script: "rr.", won: true, puts: 3}, // refused: likewise
		{script: "rrrr", kind: fault.Unavailable, puts: refusedTries},
		{script: strings.Repeat("l", 99), kind: fault.Unknown, puts: unknownTries},
		{script: "lrrrrrrrrrrrrrrrrrrrr", kind: fault.Unknown, puts: unknownTries}, // once in doubt, always in doubt
		{script: "n", kind: fault.NotFound, puts: 1},
		{script: "ln", kind: fault.Unknown, puts: 2}, // what an answer says of this put, it does not say of the one before
		{script: "ai", kind: fault.Unknown, puts: 2},
		{script: "g", kind: fault.Unavailable, puts: 1}, // another's, that was swept
		{script: "lg", kind: fault.Unknown, puts: 2},    // swept, too, but perhaps ours
	} {
		bubble.Run(t, func(t *testing.T) {
			s := &scripted{Store: store.NewMemory(), script: tc.script}
			slot := Slot{Store: s, Key: "slot", WriterID: func(b []byte) (string, error) { return string(b), nil }}
			res, err := slot.Try(t.Context(), "me", []byte("me"))
			if (err != nil) != (tc.kind != 0) || err != nil && fault.KindOf(err) != tc.kind {
				t.Fatalf("%q: %v", tc.script, err)
			}
			if res.Won != tc.won || s.puts != tc.puts {
				t.Errorf("%q: won %v after %d puts", tc.script, res.Won, s.puts)
			}
			if err == nil && !res.Won && string(res.Body) != "other" {
				t.Errorf("%q: the winner's object is %q", tc.script, res.Body)
			}
			if strings.HasSuffix(tc.script, "g") && !errors.Is(err, ErrSwept) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTryEndsWithItsContext(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		s := &scripted{Store: store.NewMemory(), script: strings.Repeat("l", 99)}
		slot := Slot{Store: s, Key: "slot", WriterID: func(b []byte) (string, error) { return string(b), nil }}
		if _, err := slot.Try(ctx, "me", []byte("me")); !fault.Is(err, fault.Unknown) {
			t.Fatal(err)
		}
	})
}

func TestElapsedTakesTheLongerOfBothClocks(t *testing.T) {
	now := time.Now()
	slept := now.Round(0).Add(time.Hour) // the wall clock alone moved on
	if got := Elapsed(now, slept); got != time.Hour {
		t.Errorf("%v", got)
	}
	if got := Elapsed(now, now.Add(time.Minute)); got != time.Minute {
		t.Errorf("%v", got)
	}
}

package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Probe proves on one fresh key that s carries out put-if-absent: of two puts
// at once and a third after them exactly one may store its body. Everything in
// Firn rests on that, and a service that ignores If-None-Match answers with
// success alike. The error is Invalid for such a store, and for one that does
// not tell the time; Unavailable or Unknown where there is no telling.
//
// One object may stay behind below probe/, where deletion is not allowed or
// the answer of a put was lost.
func Probe(ctx context.Context, s Store) error {
	key := "probe/" + rand.Text()
	if _, err := s.Get(ctx, key, Range{}); !fault.Is(err, fault.NotFound) {
		return fault.Wrap(err, "probe the store")
	} else if AbsentAt(err).IsZero() {
		return noTime("answers 404 without a Date")
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = s.Delete(ctx, key)
	}()
	ours := [2]string{"probe " + rand.Text(), "probe " + rand.Text()}
	var won [2]bool
	var errs [2]error
	done := make(chan struct{})
	go func() {
		defer close(done)
		won[1], errs[1] = claim(ctx, s, key, ours[1])
	}()
	won[0], errs[0] = claim(ctx, s, key, ours[0])
	<-done
	for _, err := range errs {
		if err != nil {
			return fault.Wrap(err, "probe the store")
		}
	}
	if won[0] == won[1] {
		return noPutIfAbsent("of two puts at once, both %s", map[bool]string{true: "succeeded", false: "failed"}[won[0]])
	}
	winner := ours[0]
	if won[1] {
		winner = ours[1]
	}
	late, err := claim(ctx, s, key, "probe, too late")
	if err != nil {
		return fault.Wrap(err, "probe the store")
	}
	return probed(ctx, s, key, winner, late)
}

// probed checks what the puts left.
func probed(ctx context.Context, s Store, key, winner string, late bool) error {
	o, err := s.Get(ctx, key, Range{})
	if err != nil {
		return fault.Wrap(err, "probe the store")
	}
	o.Body.Close()
	if o.StoreTime.IsZero() || o.Modified.IsZero() {
		return noTime("answers without Date or Last-Modified")
	}
	content, _, err := ReadAll(ctx, s, key)
	if err != nil {
		return fault.Wrap(err, "probe the store")
	}
	if late || string(content) != winner {
		return noPutIfAbsent("an object was replaced")
	}
	return nil
}

func noTime(how string) error {
	return fault.New(fault.Invalid, "the store does not tell the time, it %s: Firn cannot use it", how)
}

func noPutIfAbsent(format string, args ...any) error {
	return fault.Wrap(fault.New(fault.Invalid, format, args...),
		"the bucket does not honour put-if-absent (If-None-Match: *): Firn cannot use it")
}

// claim puts content at key if absent and tells whether it is there now. By
// the rules of chains: what a lost answer leaves open is settled by what the
// key holds, and where that is nothing by the same put again.
func claim(ctx context.Context, s Store, key, content string) (won bool, err error) {
	for try := range 6 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return false, err
			case <-time.After(50 * time.Millisecond << try):
			}
		}
		_, err = s.Put(ctx, key, bytes.NewReader([]byte(content)), IfAbsent)
		switch fault.KindOf(err) {
		case fault.Conflict:
			continue
		case fault.Exists, fault.Unknown:
		default:
			return err == nil, err
		}
		found, _, getErr := ReadAll(ctx, s, key)
		if getErr == nil {
			return string(found) == content, nil
		}
		if !fault.Is(getErr, fault.NotFound) {
			return false, getErr
		}
	}
	return false, err
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/fault"
)

// scripted is a server that gives its answers one after the other, the last one
// for ever, and remembers the keys that it was sent.
type scripted struct {
	answers []string // codes of errors, "" for success
	keys    []string
	also    func() // called with each request
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	code := s.answers[min(len(s.keys), len(s.answers))-1]
	if s.also != nil {
		s.also()
	}
	if code == "" {
		_, _ = io.WriteString(w, `{"success":true,"data":{"count":2}}`)
		return
	}
	fmt.Fprintf(w, `{"success":false,"error":"the reason","code":%q,"requestId":"r"}`, code)
}

// appendTo appends two batches of two events to a server.
func appendTo(ctx context.Context, s *scripted) (*appendRun, error) {
	r := &appendRun{
		appendCmd: &appendCmd{Instance: "log", Batch: 2, RunID: "run"}, bar: &progress{},
		app: &app{stderr: io.Discard}, client: client.Local(s),
	}
	err := r.input(ctx, newBatcher("in", strings.NewReader("{}\n{}\n{}\n{}\n"), 2))
	if err != nil {
		err = r.explain(err)
	}
	return r, err
}

func TestSendAgain(t *testing.T) {
	f := func(answers []string, wantStored int, wantKind fault.Kind, wantKeys string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{answers: answers}
			r, err := appendTo(t.Context(), s)
			if r.events != wantStored || fault.KindOf(err) != wantKind {
				t.Errorf("%q: %d events stored, %v, want %d and %v", answers, r.events, err, wantStored, wantKind)
			}
			if keys := strings.Join(s.keys, " "); keys != wantKeys {
				t.Errorf("%q: keys %s, want %s", answers, keys, wantKeys)
			}
		})
	}
	six := strings.TrimSpace(strings.Repeat("run-2 ", sendTries))
	f([]string{"", "unknown_outcome", "overload", "unavailable", ""}, 4, fault.Internal, "run-1 run-2 run-2 run-2 run-2")
	f([]string{"", "unknown_outcome"}, 2, fault.Unknown, "run-1 "+six)
	f([]string{"", "unknown_outcome", "unavailable"}, 2, fault.Unknown, "run-1 "+six)
	f([]string{"", "overload"}, 2, fault.Overload, "run-1 "+six)
	f([]string{"", "invalid"}, 2, fault.Invalid, "run-1 run-2")
	f([]string{"", "conflict"}, 2, fault.Conflict, "run-1 run-2")
	f([]string{"unavailable"}, 0, fault.Unavailable, "run-1") // a wrong address is said at once
	f([]string{"unknown_outcome", ""}, 4, fault.Internal, "run-1 run-1 run-2")
}

// An interruption does not cut off a batch that is under way.
func TestInterruptedAppend(t *testing.T) {
	f := func(answers []string, wantStored int, want func(error) bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			r, err := appendTo(ctx, &scripted{answers: answers, also: cancel})
			if r.events != wantStored || !want(err) {
				t.Errorf("%q: %d events stored, %v, want %d", answers, r.events, err, wantStored)
			}
			var b bytes.Buffer
			report(&b, err)
			if !strings.Contains(b.String(), "--run-id run:") {
				t.Errorf("%q does not say how to go on", b.String())
			}
		})
	}
	interrupted := func(err error) bool { return errors.Is(err, errInterrupted) }
	f([]string{""}, 2, interrupted)
	f([]string{"overload"}, 0, interrupted)
	f([]string{"unknown_outcome"}, 0, func(err error) bool { return fault.Is(err, fault.Unknown) })
}

func TestReport(t *testing.T) {
	f := func(err error, want int, text string) {
		t.Helper()
		var b bytes.Buffer
		if got := report(&b, err); got != want || b.String() != text {
			t.Errorf("%v: status %d and %q, want %d and %q", err, got, b.String(), want, text)
		}
	}
	f(nil, 0, "")
	f(errors.New("x"), 1, "firn: x\n")
	f(fault.New(fault.Conflict, "x"), 1, "firn: x (conflict)\n")
	f(fault.New(fault.Unknown, "x"), 3, "firn: OUTCOME UNKNOWN: x (unknown_outcome)\n")
	f(&advisedError{fault.New(fault.Unknown, "x"), "do y"}, 3, "firn: OUTCOME UNKNOWN: x (unknown_outcome)\ndo y\n")
	f(usage("x %d", 1), 2, "firn: x 1\n")
	f(fault.New(fault.Invalid, "\x1b[2J"), 1, "firn: \\u001b[2J (invalid)\n")
}

func TestLineOfAnError(t *testing.T) {
	r := &appendRun{}
	b := batch{lines: []int{4, 7}}
	f := func(err error, receipt client.Receipt, want string) {
		t.Helper()
		got := r.failed("in", b, receipt, err)
		if got.Error() != want || fault.KindOf(got) != fault.KindOf(err) {
			t.Errorf("got %q of kind %v, want %q", got, fault.KindOf(got), want)
		}
	}
	f(fault.New(fault.Invalid, "line 2: bad"), client.Receipt{}, "in:7: bad")
	f(fault.New(fault.Invalid, "line 3: bad"), client.Receipt{}, "in:4-7: line 3: bad")
	f(fault.New(fault.Overload, "busy"), client.Receipt{}, "in:4-7: busy")
	f(fault.New(fault.Overload, "busy"), client.Receipt{Count: 1}, "in:4-7: 1 of 2 events of this batch are stored: busy")
}

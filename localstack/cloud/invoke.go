//go:build unix

package cloud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// invocations is Lambda's API for invoking functions: by type Event nobody waits
// for the answer, and what meets no free environment is dropped, as with a short
// MaximumEventAge; else the answer is the function's.
func (s *Stack) invocations(ctx context.Context) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.Functions[r.PathValue("name")]
		payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
			say(w, http.StatusForbidden, "Missing Authentication Token")
		case f == nil:
			say(w, http.StatusNotFound, "Function not found")
		case err != nil:
			say(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		case r.Header.Get("X-Amz-Invocation-Type") == "Event":
			w.WriteHeader(http.StatusAccepted)
			go s.event(ctx, f, payload)
		default:
			invoke(w, r, f, payload)
		}
	}
}

// event runs a function and drops what it says.
func (s *Stack) event(ctx context.Context, f *Function, payload []byte) {
	if a, err := f.Invoke(ctx, payload); err == nil {
		a.Body.Close()
	}
}

// invoke runs a function and hands its answer on.
func invoke(w http.ResponseWriter, r *http.Request, f *Function, payload []byte) {
	a, err := f.Invoke(r.Context(), payload)
	switch {
	case errors.Is(err, ErrThrottled):
		say(w, http.StatusTooManyRequests, "Rate Exceeded.")
	case err != nil:
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		say(w, http.StatusOK, err.Error())
	default:
		defer a.Body.Close()
		_, _ = io.Copy(w, a.Body)
	}
}

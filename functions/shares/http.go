package shares

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// Path is where servers take shares from each other, by POST.
const Path = "/v1/shares"

// The headers of a request with a share: its ticket. The answer bears the last.
const (
	headerInstance = "Firn-Instance"
	headerDigest   = "Firn-Digest"
	headerSeal     = "Firn-Seal"
)

// Bounds of what servers send each other, in bytes.
const (
	MaxShare  = 16 << 20
	MaxAnswer = 16 << 20
)

// Door returns the route on which a server does shares for others.
func Door(s *front.Service, fail func(http.ResponseWriter, *http.Request, error)) front.Door {
	w := NewWorker(s)
	return front.Door{Name: "shares", Fail: fail, Routes: []front.Route{{
		Pattern: "POST " + Path, Sealed: true,
		Serve: func(rw http.ResponseWriter, r *http.Request) {
			if err := w.serve(rw, r); err != nil {
				fail(rw, r, err)
			}
		},
	}}}
}

// serve answers a request with a share, whose body is only read once it is known
// who sent it.
func (w *Worker) serve(rw http.ResponseWriter, r *http.Request) error {
	t := Ticket{r.Header.Get(headerInstance), r.Header.Get(headerDigest), r.Header.Get(headerSeal)}
	inst, err := w.Check(r.Context(), &t)
	if err != nil {
		return err
	}
	loan := w.service.Borrow()
	defer loan.End()
	share, err := front.ReadBody(rw, r, loan, MaxShare, MaxShare)
	if err != nil {
		return err
	}
	answer, seal, err := w.Do(r.Context(), inst, &t, share, MaxAnswer)
	if err != nil {
		return err
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set(headerSeal, seal)
	_, _ = rw.Write(answer)
	return nil
}

// HTTP carries shares to servers, which take turns.
type HTTP struct {
	urls   []string
	client http.Client
	turn   atomic.Uint64
}

// NewHTTP returns a carrier to the servers at the URLs given, at least one. Errors
// are Invalid.
func NewHTTP(urls []string) (*HTTP, error) {
	h := &HTTP{client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fault.New(fault.Invalid, "%q is no URL of a server: write http://HOST:PORT or https://HOST", text)
		}
		h.urls = append(h.urls, u.Scheme+"://"+u.Host+Path)
	}
	if len(h.urls) == 0 {
		return nil, fault.New(fault.Invalid, "no server is named")
	}
	return h, nil
}

// Carry implements [Carrier].
func (h *HTTP) Carry(ctx context.Context, t Ticket, share []byte) ([]byte, string, error) {
	to := h.urls[h.turn.Add(1)%uint64(len(h.urls))]
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(share))
	if err != nil {
		return nil, "", err
	}
	r.Header = http.Header{"Content-Type": {"application/octet-stream"}, headerInstance: {t.Instance}, headerDigest: {t.Digest}, headerSeal: {t.Seal}}
	resp, err := h.client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, "", err
	case resp.StatusCode != http.StatusOK:
		return nil, "", fault.New(fault.Unavailable, "%s answers %d: %s", to, resp.StatusCode, fmt.Sprintf("%.200s", answer))
	case len(answer) > MaxAnswer:
		return nil, "", fault.New(fault.Unavailable, "%s answers more than %d bytes", to, MaxAnswer)
	}
	return answer, resp.Header.Get(headerSeal), nil
}

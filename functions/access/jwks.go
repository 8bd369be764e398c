package access

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/firnlog/firn/layout/fault"
)

// Bounds of a JWKS that is read from a URL.
const (
	jwksBytes   = 1 << 20
	jwksKeys    = 100
	jwksTimeout = 5 * time.Second
	jwksAge     = 10 * time.Minute // after which it is read again
	jwksPause   = 30 * time.Second // between two readings for ids that are not known
)

// JWKSFile returns the keys of a file with a JSON Web Key Set (RFC 7517).
func JWKSFile(name string) (KeySet, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the JWKS cannot be read: %w", err)
	}
	keys, err := parseJWKS(data)
	return fixed(keys), err
}

// parseJWKS returns the public keys of a set that tokens may be signed with.
func parseJWKS(data []byte) ([]jose.JSONWebKey, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fault.New(fault.Invalid, "no JSON Web Key Set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, k := range set.Keys {
		if k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 || len(keys) > jwksKeys {
		return nil, fault.New(fault.Invalid, "the JSON Web Key Set has %d public keys for signatures: 1 to %d are needed", len(keys), jwksKeys)
	}
	return keys, nil
}

// remote is a JWKS at a URL.
type remote struct {
	url    string
	client *http.Client

	mu    sync.Mutex // guards what is below, also while the set is read
	keys  []jose.JSONWebKey
	read  time.Time // the last time that worked
	tried time.Time
}

// JWKSURL returns the keys of a JSON Web Key Set at an https URL. It is read when
// it is first needed, every ten minutes, and when a token names a key that is
// not known. The connection goes to public addresses only, whatever the name
// resolves to.
func JWKSURL(text string) (KeySet, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.Invalid, "a JWKS is read from an https URL, not from %q", shorten(text))
	}
	dialer := &net.Dialer{Timeout: jwksTimeout, Control: publicOnly}
	return &remote{url: text, client: &http.Client{
		Timeout:       jwksTimeout,
		Transport:     &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: jwksTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// shared is the address space of carriers (RFC 6598), which is not public.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// publicOnly refuses connections to addresses that only machines of a private
// network have, such as the metadata services of clouds. It sees what a name
// was resolved to, so that a name cannot lead there either.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) {
		return fault.New(fault.Invalid, "%v is no public address", ip)
	}
	return nil
}

// Keys implements [KeySet].
func (r *remote) Keys(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := withID(r.keys, id)
	old := time.Since(r.read) > jwksAge
	if (old || len(found) == 0) && (r.tried.IsZero() || time.Since(r.tried) > jwksPause) {
		r.tried = time.Now()
		keys, err := r.fetch(ctx)
		if err != nil && r.keys == nil {
			return nil, fault.New(fault.Unavailable, "the keys of tokens cannot be read: %w", err)
		}
		if err == nil { // else the ones of before are good a while longer
			r.keys, r.read = keys, r.tried
			found = withID(keys, id)
		}
	}
	return found, nil
}

func (r *remote) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, jwksBytes+1))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || len(data) > jwksBytes {
		return nil, fault.New(fault.Unavailable, "%s answered %d with %d bytes", r.url, resp.StatusCode, len(data))
	}
	return parseJWKS(data)
}

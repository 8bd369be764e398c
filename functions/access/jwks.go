package access

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
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
	jwksMost    = time.Hour        // after which it is not trusted any more, if it cannot be read
	jwksUnknown = 30 * time.Second // old at least, it is read again for an id that is not known
	jwksPause   = 5 * time.Second  // after a reading that failed
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
	keys   fresh[[]jose.JSONWebKey]
}

// JWKSURL returns the keys of a JSON Web Key Set at an https URL. It is read when
// it is first needed, every ten minutes, and when a token names a key that is
// not known. Where it cannot be read, what was read last is good for an hour. The
// connection goes to public addresses only, whatever the name resolves to, and
// straight: through no proxy, and following no redirect.
func JWKSURL(text string) (KeySet, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.Invalid, "a JWKS is read from an https URL, such as https://id.example.org/jwks.json")
	}
	return newRemote(text, &http.Client{
		Timeout:       jwksTimeout,
		Transport:     &http.Transport{DialContext: publicDialer().DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: jwksTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}), nil
}

func newRemote(url string, client *http.Client) *remote {
	r := &remote{url: url, client: client}
	r.keys = fresh[[]jose.JSONWebKey]{now: time.Now, renew: jwksAge, pause: jwksPause,
		read: func(ctx context.Context, _ []jose.JSONWebKey) ([]jose.JSONWebKey, error) {
			keys, err := r.fetch(ctx)
			if err != nil {
				return nil, fault.New(fault.Unavailable, "the keys of tokens cannot be read: %w", err)
			}
			return keys, nil
		}}
	return r
}

// Keys implements [KeySet].
func (r *remote) Keys(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	keys, err := r.keys.get(ctx, jwksMost)
	if found := withID(keys, id); err != nil || len(found) > 0 {
		return found, err
	}
	keys, err = r.keys.get(ctx, jwksUnknown)
	return withID(keys, id), err
}

func (r *remote) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, unnamed(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, unnamed(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, jwksBytes+1))
	if err != nil {
		return nil, unnamed(err)
	}
	if resp.StatusCode != http.StatusOK || len(data) > jwksBytes {
		return nil, fault.New(fault.Unavailable, "the answer has status %d and %d bytes", resp.StatusCode, len(data))
	}
	return parseJWKS(data)
}

// unnamed returns an error of a request without the URL, which clients need not
// read and which may hold credentials.
func unnamed(err error) error {
	if named, ok := errors.AsType[*url.Error](err); ok {
		return named.Err
	}
	return err
}

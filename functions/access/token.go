package access

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// algorithms are the ones that tokens may be signed with. Neither "none" nor any
// with a shared secret is among them.
var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.RS256, jose.ES256}

// leeway is how far the clock of who issues tokens may be from ours.
const leeway = time.Minute

// maxToken bounds a token in bytes.
const maxToken = 16 << 10

// Tokens checks JSON Web Tokens (RFC 7519). Their grants stand in the claim
// firn_grants, a list of the text form of [ParseGrant]; where they have none, in
// Grants.
type Tokens struct {
	// Keys are where the keys to check signatures with come from.
	Keys KeySet
	// Issuer and Audience, where given, must be those of the token.
	Issuer, Audience string
	// Grants are those of a token without the claim; nil refuses such tokens.
	Grants []front.Grant
	// Eternal takes tokens that never expire, as ClusterCockpit issues them.
	Eternal bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// KeySet gives the public keys that a token may be signed with.
type KeySet interface {
	// Keys returns the keys with an id, or all when the token names none.
	Keys(ctx context.Context, id string) ([]jose.JSONWebKey, error)
}

// caller checks a token and returns its holder.
func (t *Tokens) caller(ctx context.Context, text string) (front.Caller, error) {
	bad := func(err error) (front.Caller, error) {
		return front.Caller{}, fault.New(fault.Unauthenticated, "the token is not good: %w", err)
	}
	if len(text) > maxToken {
		return front.Caller{}, fault.New(fault.Unauthenticated, "the token has more than %d bytes", maxToken)
	}
	token, err := jwt.ParseSigned(text, algorithms)
	if err != nil {
		return bad(err)
	}
	keys, err := t.Keys.Keys(ctx, token.Headers[0].KeyID)
	if err != nil {
		return front.Caller{}, err
	}
	var claims jwt.Claims
	var own struct {
		Grants []string `json:"firn_grants"`
	}
	err = fault.New(fault.Unauthenticated, "no key is known that it could be signed with")
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != token.Headers[0].Algorithm {
			continue
		}
		if err = token.Claims(key.Key, &claims, &own); err == nil {
			break
		}
	}
	if err != nil {
		return bad(err)
	}
	if err := t.validate(claims); err != nil {
		return bad(err)
	}
	grants := t.Grants
	if len(own.Grants) > 0 {
		if grants, err = ParseGrants(own.Grants); err != nil {
			return bad(err)
		}
	}
	if grants == nil {
		return front.Caller{}, fault.New(fault.Denied, "the token bears no firn_grants")
	}
	return front.Caller{Name: "token:" + claims.Subject, Grants: grants}, nil
}

func (t *Tokens) validate(c jwt.Claims) error {
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	want := jwt.Expected{Issuer: t.Issuer, Time: now()}
	if t.Audience != "" {
		want.AnyAudience = jwt.Audience{t.Audience}
	}
	if c.Expiry == nil && !t.Eternal {
		return fault.New(fault.Unauthenticated, "it has no time at which it expires")
	}
	return c.ValidateWithLeeway(want, leeway)
}

// fixed is a set of keys that never changes.
type fixed []jose.JSONWebKey

// Keys implements [KeySet].
func (f fixed) Keys(_ context.Context, id string) ([]jose.JSONWebKey, error) {
	return withID(f, id), nil
}

// withID returns the keys with an id; keys without one are asked for any.
func withID(keys []jose.JSONWebKey, id string) []jose.JSONWebKey {
	var out []jose.JSONWebKey
	for _, k := range keys {
		if id == "" || k.KeyID == "" || k.KeyID == id {
			out = append(out, k)
		}
	}
	return out
}

// Ed25519Key returns the set of one raw public key in standard base64, the form
// of ClusterCockpit's jwt_public_key.
func Ed25519Key(text string) (KeySet, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fault.New(fault.Invalid, "an Ed25519 public key is %d bytes in standard base64", ed25519.PublicKeySize)
	}
	return fixed{{Key: ed25519.PublicKey(raw), Algorithm: string(jose.EdDSA)}}, nil
}

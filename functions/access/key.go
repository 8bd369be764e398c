package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/front"
)

// A key reads firn_<id>_<secret>: the prefix lets scanners find keys that
// leaked, the id is public, and the secret is 32 random bytes. Since it is random,
// a plain hash of it is as good as a slow one.
const keyPrefix = "firn_"

// Key is an API key as it is kept.
type Key struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Grants  []front.Grant `json:"-"`
	Created time.Time     `json:"created"`
	Expires time.Time     `json:"expires,omitzero"` // zero: never
	Revoked time.Time     `json:"revoked,omitzero"`
	Used    time.Time     `json:"used,omitzero"` // last, to the day

	secrets []secret // the newest first
}

// secret is one secret of a key: after a rotation two are good for a while.
type secret struct {
	sum   string // SHA-256 in hex
	until time.Time
}

// newSecret returns a key in full, to be shown once, and what is kept of it.
func newSecret(id string) (full, sum string) {
	random := make([]byte, 32)
	rand.Read(random)
	text := base64.RawURLEncoding.EncodeToString(random)
	return keyPrefix + id + "_" + text, sumOf(text)
}

// newID returns a random id: 10 characters, easy to read aloud.
func newID() string {
	random := make([]byte, 10)
	rand.Read(random)
	const letters = "abcdefghjkmnpqrstuvwxyz23456789"
	for i := range random {
		random[i] = letters[int(random[i])%len(letters)]
	}
	return string(random)
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// split takes a full key apart.
func split(full string) (id, text string, ok bool) {
	rest, ok := strings.CutPrefix(full, keyPrefix)
	if !ok {
		return "", "", false
	}
	id, text, ok = strings.Cut(rest, "_")
	return id, text, ok && id != "" && text != ""
}

// opens reports whether a secret is one of the key's at the time now. It takes
// as long for a wrong one as for a right one.
func (k *Key) opens(text string, now time.Time) bool {
	sum, found := sumOf(text), 0
	for _, s := range k.secrets {
		same := subtle.ConstantTimeCompare([]byte(sum), []byte(s.sum))
		if s.until.IsZero() || now.Before(s.until) {
			found |= same
		}
	}
	return found == 1
}

// rotate gives the key a new secret. Those that it has are good until then, at
// most.
func (k *Key) rotate(sum string, until time.Time) {
	kept := []secret{{sum: sum}}
	for _, s := range k.secrets {
		if s.until.IsZero() || until.Before(s.until) {
			s.until = until
		}
		kept = append(kept, s)
	}
	k.secrets = kept[:min(len(kept), maxSecrets)]
}

// maxSecrets bounds the secrets of a key that are good at once, whatever the
// overlaps: the newest ones.
const maxSecrets = 8

// good reports whether the key is in force at the time now.
func (k *Key) good(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

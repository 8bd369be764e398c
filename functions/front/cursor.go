package front

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/querier"
)

// Cursors say which points and places of an instance to read, and the querier
// believes them. So clients get them signed, with HMAC-SHA-256 and a secret of the
// instance: what comes back was given out here, for this instance. All cursors
// pass through here, those of pages and of tails.

// macBytes are how many bytes of the MAC a cursor bears: 2^128 tries for a
// forgery.
const macBytes = 16

// sealCursor returns the form of a cursor that clients get: the MAC in
// base64url, then the cursor.
func sealCursor(inst *catalog.Instance, cursor string) string {
	mac := hmac.New(sha256.New, []byte(inst.Secret))
	mac.Write([]byte(inst.ID + "\n" + cursor))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:macBytes]) + cursor
}

// openCursor returns the cursor that was sealed as text, or false for any other
// text.
func openCursor(inst *catalog.Instance, text string) (string, bool) {
	at := base64.RawURLEncoding.EncodedLen(macBytes)
	if len(text) < at || len(text) > at+querier.MaxCursor {
		return "", false
	}
	return text[at:], hmac.Equal([]byte(text), []byte(sealCursor(inst, text[at:])))
}

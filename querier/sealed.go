package querier

import "encoding/base64"

// sealCursor returns the text form of a cursor, and openCursor the cursor that
// a client gave back, or false for anything that sealCursor did not make. All
// cursors, of pages and of tails, pass through here.
func sealCursor(body []byte) (text string) { return base64.RawURLEncoding.EncodeToString(body) }

func openCursor(text string) (body []byte, ok bool) {
	if len(text) > MaxCursor {
		return nil, false
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return body, err == nil
}

// Package seal gives an object a checksum of itself.
//
// Page checksums of Parquet leave out headers, indexes and footer, and JSON has
// none. A sealed object therefore holds, somewhere near its end, the marker
// "firn-seal:" and 16 hex digits: the XXH64 of the whole object with these
// digits taken as zeros. One rule serves both forms.
package seal

import (
	"bytes"
	"encoding/hex"

	"github.com/cespare/xxhash/v2"

	"github.com/firnlog/firn/layout/fault"
)

const marker = "firn-seal:"

const digits = 16

var zeros = []byte("0000000000000000")

// Blank is the text to put into an object before it is sealed. It must be the
// last of its kind in the object: nothing from outside may follow it.
const Blank = marker + "0000000000000000"

// Seal writes the checksum over the last [Blank] in body, in place. It panics
// when there is none, since only our own encoders call it.
func Seal(body []byte) {
	at := place(body)
	if at < 0 || !bytes.Equal(body[at:at+digits], zeros) {
		panic("seal: the object has no blank to seal")
	}
	copy(body[at:], sum(body, at))
}

// Check verifies that body is as it was when it was sealed. The error is of
// kind Corrupt.
func Check(body []byte) error {
	at := place(body)
	if at < 0 {
		return fault.New(fault.Corrupt, "the object bears no seal")
	}
	if !bytes.Equal(sum(body, at), body[at:at+digits]) {
		return fault.New(fault.Corrupt, "the object's seal does not match its content")
	}
	return nil
}

// place returns where the digits of the last marker are, or -1.
func place(body []byte) int {
	at := bytes.LastIndex(body, []byte(marker))
	if at < 0 || at+len(marker)+digits > len(body) {
		return -1
	}
	return at + len(marker)
}

// At checks that the object found at key is the one that belongs there, by the
// key that it bears under its seal: what stands in another's place is whole, and
// as wrong as what is damaged. The error is of kind Corrupt.
func At(key, own string) error {
	if own != key {
		return fault.New(fault.Corrupt, "%s: the object there bears the key %q: it belongs elsewhere", key, own)
	}
	return nil
}

// sum returns the checksum of body with the digits at the place taken as zeros.
func sum(body []byte, at int) []byte {
	h := xxhash.New()
	h.Write(body[:at]) // a hash never fails
	h.Write(zeros)
	h.Write(body[at+digits:])
	return hex.AppendEncode(nil, h.Sum(nil))
}

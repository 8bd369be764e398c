// Package forge helps fuzz targets to reach behind checksums: what decoders do with
// objects that are whole and nonsense, as someone may write them on purpose.
package forge

import (
	"bytes"
	"runtime/metrics"
	"testing"

	"github.com/firnlog/firn/layout/seal"
)

// Overwrite returns a copy of body with damage written over it from a place on,
// counted from the end, where footers are.
func Overwrite(body []byte, fromEnd uint16, damage []byte) []byte {
	forged := bytes.Clone(body)
	copy(forged[len(forged)-1-int(fromEnd)%len(forged):], damage)
	return forged
}

// Seal makes the seal of an object right again. It reports false when the place of
// the seal is damaged itself.
func Seal(body []byte) bool {
	marker, zeros, _ := bytes.Cut([]byte(seal.Blank), []byte(":"))
	at := bytes.LastIndex(body, append(marker, ':'))
	if at += len(marker) + 1; at <= len(marker) || at+len(zeros) > len(body) {
		return false
	}
	copy(body[at:], zeros)
	seal.Seal(body)
	return true
}

// Within fails when f allocates more than so many bytes.
func Within(t *testing.T, most uint64, f func()) {
	t.Helper()
	before := allocated()
	f()
	if n := allocated() - before; n > most {
		t.Errorf("%d bytes were allocated; at most %d are right", n, most)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

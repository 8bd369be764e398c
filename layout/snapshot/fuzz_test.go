package snapshot

import (
	"fmt"
	"testing"

	"github.com/firnlog/firn/internal/forge"
	"github.com/firnlog/firn/layout/fault"
)

// FuzzRun overwrites bytes of runs of heads and keys, from their ends, and seals
// them again: they are read or Corrupt, and no more is taken than there can be.
func FuzzRun(f *testing.F) {
	var heads []Head
	var keys []Key
	for i := range 40 {
		heads = append(heads, Head{fmt.Sprint("stream-", i), int64(i)})
		keys = append(keys, Key{fmt.Sprint("key-", i), "hash", int64(i), 1, 2, 3})
	}
	runOfHeads, err1 := EncodeRun("heads", heads)
	runOfKeys, err2 := EncodeRun("keys", keys)
	if err1 != nil || err2 != nil {
		f.Fatal(err1, err2)
	}
	f.Add(uint16(3), []byte{0xff})
	f.Add(uint16(300), []byte{0x16, 0x80, 0x80, 0x80, 0x80, 0x80, 0x0f})
	f.Fuzz(func(t *testing.T, fromEnd uint16, damage []byte) {
		forged(t, runOfHeads, fromEnd, damage, decodeRun[Head])
		forged(t, runOfKeys, fromEnd, damage, decodeRun[Key])
	})
}

func forged[T Entry](t *testing.T, run []byte, fromEnd uint16, damage []byte, decode func([]byte) ([]T, string, error)) {
	body := forge.Overwrite(run, fromEnd, damage)
	if !forge.Seal(body) {
		return
	}
	forge.Within(t, 64<<20, func() {
		if _, _, err := decode(body); err != nil && !fault.Is(err, fault.Corrupt) {
			t.Errorf("the error is no Corrupt: %v", err)
		}
	})
}

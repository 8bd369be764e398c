package seal

import (
	"bytes"
	"testing"

	"github.com/firnlog/firn/layout/fault"
)

func FuzzSeal(f *testing.F) {
	f.Add([]byte(`{"a":1,"seal":"`), []byte(`"}`), 3)
	f.Add([]byte(Blank), []byte{}, 0)
	f.Add([]byte("firn-seal:"), []byte("x"), 12)
	f.Fuzz(func(t *testing.T, before, after []byte, flip int) {
		if bytes.Contains(append([]byte("0"), after...), []byte(marker)) {
			t.Skip("the blank must be the last")
		}
		body := append(append(bytes.Clone(before), Blank...), after...)
		Seal(body)
		if err := Check(body); err != nil {
			t.Fatal(err)
		}
		if flip < 0 {
			flip = -(flip + 1)
		}
		body[flip%len(body)] ^= 0x20
		if err := Check(body); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d of %q changed: %v", flip%len(body), body, err)
		}
	})
}

func TestNoSeal(t *testing.T) {
	for _, body := range []string{"", "firn-seal:", "firn-seal:123", "{}"} {
		if err := Check([]byte(body)); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

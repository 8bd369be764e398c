package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// What a codec for a column makes of pages comes back whole, whichever level it
// keeps to: the thorough one for text, the fast one for letters at random.
func TestFittingKeepsToTheLevelThatPays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	words := make([]string, 500)
	for i := range words {
		words[i] = fmt.Sprintf("%x", rng.Uint64()>>(20+rng.IntN(30)))
	}
	text, random := &strings.Builder{}, make([]byte, 100_000)
	for text.Len() < 100_000 {
		f := rng.Float64()
		fmt.Fprintf(text, "%s and the %s, ", words[int(f*f*f*500)], words[rng.IntN(500)])
	}
	for i := range random {
		random[i] = 'a' + byte(rng.IntN(26))
	}
	f := func(name string, page []byte, want *codec) {
		t.Helper()
		c := Fitting().(*fitting)
		for _, p := range [][]byte{page[:100], page, page[:1_000]} { // the first is too small to tell by
			packed, err := c.Encode(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Decode(nil, packed); err != nil || !bytes.Equal(got, p) {
				t.Errorf("%s: %d bytes come back as %d, %v", name, len(p), len(got), err)
			}
		}
		if c.chosen != want {
			t.Errorf("%s: the other level was chosen", name)
		}
	}
	f("text", []byte(text.String()), thorough)
	f("random", random, fast)
}

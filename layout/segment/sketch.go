package segment

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// sketch estimates how many different strings it was shown, by HyperLogLog
// (Flajolet et al., 2007) with 64 registers: within 13 % in two cases of three.
// Two of them merge without loss.
type sketch [64]byte

func (s *sketch) add(text []byte) {
	h := xxhash.Sum64(text)
	at := h & 63
	// The rank of the first set bit among the 58 others.
	s[at] = max(s[at], byte(bits.LeadingZeros64(h|63))+1)
}

func (s *sketch) merge(o *sketch) {
	for i := range s {
		s[i] = max(s[i], o[i])
	}
}

func (s *sketch) estimate() int64 {
	const m = float64(len(s))
	sum, empty := 0.0, 0.0
	for _, rank := range s {
		sum += math.Ldexp(1, -int(rank))
		if rank == 0 {
			empty++
		}
	}
	if e := 0.709 * m * m / sum; e > 2.5*m || empty == 0 {
		return int64(e)
	}
	return int64(m * math.Log(m/empty)) // few values: by the empty registers
}

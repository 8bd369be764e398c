package access

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/firnlog/firn/layout/fault"
)

// rates bound how many requests each caller sends. Their number is that of the
// callers, who are known: keys, and subjects of tokens that were signed.
type rates struct {
	limit rate.Limit
	burst int
	mu    *sync.Mutex
	by    map[string]*rate.Limiter
}

// maxCallers bounds the callers whose rates are remembered; with more, all
// start anew.
const maxCallers = 10_000

func newRates(perSecond float64, burst int) rates {
	if perSecond <= 0 {
		return rates{}
	}
	return rates{limit: rate.Limit(perSecond), burst: max(burst, int(math.Ceil(perSecond)), 1), mu: &sync.Mutex{}, by: map[string]*rate.Limiter{}}
}

// take lets a caller's request through, or says when to come again.
func (r *rates) take(caller string) error {
	if r.limit == 0 {
		return nil
	}
	r.mu.Lock()
	l := r.by[caller]
	if l == nil {
		if len(r.by) >= maxCallers {
			clear(r.by)
		}
		l = rate.NewLimiter(r.limit, r.burst)
		r.by[caller] = l
	}
	r.mu.Unlock()
	if l.AllowN(time.Now(), 1) {
		return nil
	}
	return fault.New(fault.Overload, "more than %g requests a second come with these credentials: try again in a moment", float64(r.limit))
}

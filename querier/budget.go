package querier

import (
	"cmp"
	"sync/atomic"

	"github.com/firnlog/firn/layout/fault"
)

// budget accounts for the bytes that a query holds. It is safe for concurrent use.
type budget struct {
	used   atomic.Int64
	limit  int64
	groups int // that a reduction may have; 0 for MaxGroups
}

// maxGroups returns how many groups a reduction may have.
func (b *budget) maxGroups() int { return cmp.Or(b.groups, MaxGroups) }

// take accounts for n more bytes, or fewer if n is negative. Beyond the
// limit it is an error of kind Limit with the advice given.
func (b *budget) take(n int, advice string) error {
	if b.used.Add(int64(n)) > b.limit {
		if b.limit < 1<<20 {
			return fault.New(fault.Limit, "the query needs more than %d bytes of memory: %s", b.limit, advice)
		}
		return fault.New(fault.Limit, "the query needs more than %d MiB of memory: %s", b.limit>>20, advice)
	}
	return nil
}

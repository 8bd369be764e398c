package commitlog

import (
	"time"

	"github.com/firnlog/firn/layout/store"
)

// OpenAt is Open for a process with a clock of its own.
func OpenAt(s store.Store, now func() time.Time) *Log {
	l := Open(s)
	l.now = now
	return l
}

// BoundTail sets at how many commits of a shard's tail groups wait, and events
// are refused.
func (l *Log) BoundTail(slow, most int64) { l.slowTail, l.maxTail = slow, most }

// BoundTailBytes sets from how many bytes of a shard's tail on groups wait.
func (l *Log) BoundTailBytes(slow int64) { l.slowBytes = slow }

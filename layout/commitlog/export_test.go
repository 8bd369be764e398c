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

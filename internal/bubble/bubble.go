// Package bubble runs tests in virtual time.
package bubble

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Run runs f in a bubble of testing/synctest, where time passes only while
// everyone waits.
//
// Codecs that f used lie in the pools of the Parquet library afterwards and
// hold channels of the bubble, which nobody outside may touch: collecting
// garbage twice empties the pools. Tests that use it must not run in parallel
// with others.
func Run(t *testing.T, f func(*testing.T)) {
	t.Helper()
	defer func() {
		runtime.GC()
		runtime.GC()
	}()
	synctest.Test(t, f)
}

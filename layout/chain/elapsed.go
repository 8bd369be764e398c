package chain

import "time"

// Elapsed returns how much time has passed at now since then, by whichever of
// the process's two clocks saw more of it: the monotonic clock stands still
// while a machine sleeps, and the wall clock can be set back.
func Elapsed(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

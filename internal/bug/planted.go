//go:build planted

package bug

import "sync/atomic"

// Planted says whether this program was built for planting mistakes.
const Planted = true

var planted atomic.Int32

// Plant chooses the one mistake to be made from now on.
func Plant(b Bug) { planted.Store(int32(b)) }

// In reports whether mistake b is to be made.
func In(b Bug) bool { return Bug(planted.Load()) == b }

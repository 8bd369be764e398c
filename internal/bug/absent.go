//go:build !planted

package bug

// Planted says whether this program was built for planting mistakes.
const Planted = false

// In reports whether mistake b is to be made: never.
func In(Bug) bool { return false }

// Plant chooses the mistake to be made; here it does nothing.
func Plant(Bug) {}

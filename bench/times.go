package main

import (
	"slices"
	"time"
)

// times are how long the same thing took, again and again.
type times []time.Duration

// sorted sorts them, which at needs.
func (t times) sorted() times {
	slices.Sort(t)
	return t
}

// at returns a percentile in milliseconds, such as that of 0.99.
func (t times) at(p float64) float64 {
	if len(t) == 0 {
		return 0
	}
	return float64(t[min(int(p*float64(len(t))), len(t)-1)].Microseconds()) / 1000
}

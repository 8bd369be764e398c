package querier

import (
	"strings"
	"unicode"
)

// fold returns s in the form that all strings share that differ in case only,
// by Unicode's simple case folding, as [strings.EqualFold] has it.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A') // the smallest of its letters, as below
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

// folded returns a value with its text folded; other values as they are.
func folded(v Value) Value {
	if v.kind == text {
		return Text(fold(v.s))
	}
	return v
}

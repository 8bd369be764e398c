package verify

import "fmt"

// unequal says that a value is not what it should be, "" when it is.
func unequal[T comparable](what string, has, want T) string {
	if has == want {
		return ""
	}
	return fmt.Sprintf("%s is said to be %v and is %v", what, has, want)
}

// firstOf returns the first text that says something.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

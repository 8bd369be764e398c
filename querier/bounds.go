package querier

// The bounds of the language beside those of [MaxMemory] and its like. What
// exceeds one is Invalid.
const (
	// MaxNesting bounds how deep and, or and not stand in each other.
	MaxNesting = 16
	// MaxPattern bounds a regular expression, in bytes.
	MaxPattern = 1_024
	// MaxValues bounds the values that one reduce asks for.
	MaxValues = 32
	// MaxTop bounds the k of topK.
	MaxTop = 1_000
)

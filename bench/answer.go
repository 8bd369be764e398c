package main

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is the rows of an answer in one form for all sides: texts as they are,
// numbers as float64, times in microseconds since 1970.
type answer [][]any

// cell puts a value into that form.
func cell(c column, v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, float64:
		return v, nil
	case int64:
		return float64(v), nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, nil
	case []byte:
		return string(v), nil
	case string:
		if c.kind != moment {
			return v, nil
		}
		t, err := time.Parse(time.RFC3339Nano, v)
		return float64(t.UnixMicro()), err
	}
	return nil, fmt.Errorf("%s: a value of type %T is not expected", c.name, v)
}

// sorted puts the rows into one order for all sides.
func (a answer) sorted() answer {
	key := func(row []any) string { return fmt.Sprintf("%v", row) }
	slices.SortFunc(a, func(x, y []any) int { return strings.Compare(key(x), key(y)) })
	return a
}

// differs says what two answers to the same question do not agree on, "" for
// nothing.
func (s *shape) differs(a, b answer) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d rows, not %d", len(b), len(a))
	}
	for i := range a {
		for j, c := range s.columns {
			if !same(c.kind, a[i][j], b[i][j]) {
				return fmt.Sprintf("row %d, %s: %s, not %s", i, c.name, show(b[i][j]), show(a[i][j]))
			}
		}
	}
	return ""
}

func same(k kind, a, b any) bool {
	x, ok1 := a.(float64)
	y, ok2 := b.(float64)
	if k != within || !ok1 || !ok2 {
		return a == b
	}
	return math.Abs(x-y) <= 0.0101*max(math.Abs(x), math.Abs(y)) // and a hair for what the two divide differently
}

func show(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprintf("%q", v)
}

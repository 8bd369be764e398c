package querier

import (
	"context"
	"slices"
)

// firsts gathers the first n of an order out of many, of which it never holds
// more than about twice as many.
type firsts[T any] struct {
	n       int
	compare func(a, b T) int
	list    []T
	full    bool // list[n-1] comes behind n-1 others
}

// spare is how many more than 2n are gathered before the last ones are left out.
const spare = 1_000

// offer takes v in, unless n others come before it.
func (f *firsts[T]) offer(v T) {
	if f.late(v) {
		return
	}
	if f.list = append(f.list, v); len(f.list) >= 2*f.n+spare {
		slices.SortFunc(f.list, f.compare)
		f.list = f.list[:f.n]
		f.full = f.n > 0
	}
}

// late reports whether it is known that n others come before v or at it.
func (f *firsts[T]) late(v T) bool { return f.full && f.compare(v, f.list[f.n-1]) >= 0 }

// sorted returns the first n in their order.
func (f *firsts[T]) sorted(ctx context.Context) ([]T, error) {
	err := sortUnder(ctx, f.list, f.compare)
	return f.list[:min(f.n, len(f.list))], err
}

// sortPiece is how many are sorted without a look at whether they are still wanted.
const sortPiece = 8_192

// sortUnder sorts a list in place, for as long as ctx lasts.
func sortUnder[T any](ctx context.Context, list []T, compare func(a, b T) int) error {
	for piece := range slices.Chunk(list, sortPiece) {
		if err := ctx.Err(); err != nil {
			return err
		}
		slices.SortFunc(piece, compare)
	}
	from, to := list, make([]T, len(list))
	for width := sortPiece; width < len(list); width *= 2 {
		for at := 0; at < len(list); at += 2 * width {
			if err := ctx.Err(); err != nil {
				return err
			}
			middle, end := min(at+width, len(list)), min(at+2*width, len(list))
			mergeSorted(to[at:at], from[at:middle], from[middle:end], compare)
		}
		from, to = to, from
	}
	copy(list, from)
	return nil
}

// mergeSorted appends two sorted lists to one.
func mergeSorted[T any](to, a, b []T, compare func(a, b T) int) {
	for len(a) > 0 && len(b) > 0 {
		if compare(b[0], a[0]) < 0 {
			to, b = append(to, b[0]), b[1:]
		} else {
			to, a = append(to, a[0]), a[1:]
		}
	}
	to = append(to, a...)
	_ = append(to, b...)
}

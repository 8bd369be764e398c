package compactor

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/firnlog/firn/layout/event"
	"github.com/firnlog/firn/layout/snapshot"
)

// fanIn is how many files of about the same size a day and shard must hold
// before they are merged into one, whether or not the day still grows.
const fanIn = 32

// fewFiles is how many files a day may keep that is over: fewer are not worth
// another rewriting.
const fewFiles = 6

// A file that has one part in largePart of the target is large enough to be left
// so, unless there are manyLarge of them.
const (
	largePart = 64
	manyLarge = 8
)

// settle is how long after its end a day counts as over: most of what comes late
// has come by then.
const settle = 3 * 3600_000_000

// over reports whether the day of a time is over for good, as far as one can tell
// at the time now.
func over(day, now event.Micros) bool {
	return int64(now)-settle >= (dayOf(day)+1)*microsDay
}

// mergeable returns those files of one day and shard that are to be merged next;
// nil for none. Files of half the target or more are done. Of the others, fanIn
// or more of about the same size are merged. When the day is over all are, but
// for those that are large enough to be left so, as long as none is larger than
// the rest together. So most events are written twice at most, by a fold and by
// one merge, fewer than three times on average, and what comes late once for each
// doubling; and a day that is over holds in a shard, beside files that are done,
// fewer than manyLarge + fewFiles and one for each doubling beyond.
func mergeable(files []snapshot.File, over bool, target int64) []snapshot.File {
	small := slices.DeleteFunc(slices.Clone(files), func(f snapshot.File) bool { return f.Bytes >= target/2 })
	slices.SortFunc(small, func(a, b snapshot.File) int {
		return cmp.Or(cmp.Compare(a.Bytes, b.Bytes), strings.Compare(a.Key, b.Key))
	})
	for from, to := 0, 0; from < len(small); from = to {
		for to < len(small) && sizeClass(small[to].Bytes) == sizeClass(small[from].Bytes) {
			to++
		}
		if to-from >= fanIn {
			return fitting(small[from:to], target)
		}
	}
	if !over {
		return nil
	}
	large := func(f snapshot.File) bool { return f.Bytes >= target/largePart }
	if rest := slices.DeleteFunc(slices.Clone(small), large); len(small)-len(rest) < manyLarge {
		small = rest
	}
	best := 0
	var before int64 // bytes of the smaller files
	for i, f := range small {
		if i+1 >= fewFiles && f.Bytes <= before {
			best = i + 1
		}
		before += f.Bytes
	}
	return fitting(small[:best], target)
}

// fitting returns as many of the files as one merge takes: up to fanIn, and
// together not larger than twice the target. Nil for none.
func fitting(files []snapshot.File, target int64) []snapshot.File {
	var total int64
	for i, f := range files {
		if total += f.Bytes; total > 2*target || i == fanIn {
			return files[:i]
		}
	}
	if len(files) == 0 {
		return nil
	}
	return files
}

// sizeClass numbers sizes by powers of eight, with all below 64 KiB in one.
func sizeClass(bytes int64) int {
	return bits.Len64(uint64(bytes>>16)) / 3
}

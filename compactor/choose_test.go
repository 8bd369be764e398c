package compactor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/firnlog/firn/layout/snapshot"
)

// Days that grow by files of random sizes: what merging rewrites, and how many
// files are left, stay within what is promised.
func TestMergingKeepsItsBounds(t *testing.T) {
	const target = 256 << 20
	rng := rand.New(rand.NewPCG(4, 4))
	for _, most := range []int64{300 << 10, 2 << 20, 9 << 20} { // of a fold
		for _, folds := range []int{3, 50, 96, 400} {
			var files []snapshot.File
			var folded, merged int64
			n := 0
			add := func(size int64, level int) {
				n++
				files = append(files, snapshot.File{Key: fmt.Sprint(n), Bytes: size, Level: level})
			}
			settle := func(over bool) {
				for inputs := mergeable(files, over, target); inputs != nil; inputs = mergeable(files, over, target) {
					if len(inputs) < 2 || len(inputs) > fanIn {
						t.Fatalf("%d files are merged", len(inputs))
					}
					var size int64
					level := 0
					for _, in := range inputs {
						size, level = size+in.Bytes, max(level, in.Level+1)
						files = slices.DeleteFunc(files, func(f snapshot.File) bool { return f.Key == in.Key })
					}
					if size > 2*target {
						t.Fatalf("a merge of %d bytes", size)
					}
					merged += size
					add(size, level)
				}
			}
			for range folds {
				size := most/2 + rng.Int64N(most/2)
				folded += size
				add(size, 0)
				settle(false)
				if len(files) > 3*fanIn {
					t.Fatalf("%d files in a day that grows", len(files))
				}
			}
			settle(true)
			for range max(8, folded/100/(10<<10)) { // late ones
				folded += 10 << 10
				add(10<<10, 0)
				settle(true)
			}
			ratio := 1 + float64(merged)/float64(folded)
			t.Logf("%d folds of up to %d KiB: files written %.2f times, %d are left", folds, most>>10, ratio, len(files))
			small := 0
			for _, f := range files {
				if f.Bytes < target/2 {
					small++
				}
			}
			if ratio >= 3 || small > manyLarge+fewFiles+12 {
				t.Errorf("%d folds of up to %d bytes: written %.2f times, %d small files are left", folds, most, ratio, small)
			}
		}
	}
}

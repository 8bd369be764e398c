package querier

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A set of numbers holds what a map does, whether few of them are in it, a good part,
// or far apart, and when it changes from one to another.
func TestNumberSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{4, 100, 5_000, 1 << 30} {
		var s numberSet
		want := map[uint32]bool{}
		for i := range 3_000 {
			n := uint32(rng.IntN(most))
			if i > 2_000 { // beyond what was there
				n += uint32(i) * 1_000
			}
			if s.add(n) == want[n] {
				t.Fatalf("below %d: %d is taken for new: %v", most, n, want[n])
			}
			want[n] = true
		}
		if len(s.list) != len(want) {
			t.Errorf("below %d: %d numbers, want %d", most, len(s.list), len(want))
		}
	}
}

// Lists that are looked up together are found as one by one, in tables of any size.
func TestFindEach(t *testing.T) {
	for _, size := range []int{0, 1, 63, 64, 1_000} {
		known, asked := tuples{width: 1}, tuples{width: 1}
		for i := range size {
			v := []Value{Text(fmt.Sprint("known", i))}
			known.add(hashOf(v), v)
		}
		for i := range 2*size + 1 {
			v := []Value{Text(fmt.Sprint([]string{"known", "new"}[i%2], i/2))}
			asked.append(hashOf(v), v)
		}
		numbers := make([]int32, asked.len())
		known.findEach(&asked, numbers)
		for i, n := range numbers {
			if want := int32(i / 2); i%2 == 0 && i/2 < size && n != want || (i%2 == 1 || i/2 == size) && n != -1 {
				t.Errorf("of %d, list %d is number %d", size, i, n)
			}
		}
	}
}

// Buckets that are counted from the first one on are those that are looked up one by
// one, and times far apart are not counted.
func TestCodeSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, length := range []string{"1s", "5m", "1h", "1d", "1w"} {
		b, err := ParseBucket(length, "")
		if err != nil {
			t.Fatal(err)
		}
		g := newGrid(b)
		v := &vector{kind: moment, ints: make([]int64, 500)}
		rows := make([]int32, len(v.ints))
		for i := range rows {
			rows[i], v.ints[i] = int32(i), rng.Int64N(800*g.step)-400*g.step // before and after 1970
		}
		counted, looked := coder{codes: make([]int32, len(rows))}, coder{codes: make([]int32, len(rows))}
		if !counted.codeSteps(v, &g, rows) {
			t.Fatalf("%s: not counted", length)
		}
		looked.codeInts(v, &g, rows)
		for i := range rows {
			if got, want := counted.value(counted.codes[i]), looked.value(looked.codes[i]); got != want {
				t.Fatalf("%s: %d is in %+v, want %+v", length, v.ints[i], got, want)
			}
		}
		v.ints[7] = 1_000_000 * g.step
		if counted.codeSteps(v, &g, rows) {
			t.Errorf("%s: a million buckets are counted for %d rows", length, len(rows))
		}
	}
}

package layout

import (
	"math"
	"slices"
	"testing"
)

func TestKeysSortByNumber(t *testing.T) {
	numbers := []int64{1, 2, 9, 10, 11, 99, 100, 1 << 40, math.MaxInt64}
	var up, down []string
	for _, n := range numbers {
		c, d := Commit("i", 7, n), Descending("catalog/", n)
		if got, ok := ParseCommit(c); !ok || got != n {
			t.Errorf("%s reads as %d", c, got)
		}
		if got, ok := ParseDescending(d); !ok || got != n {
			t.Errorf("%s reads as %d", d, got)
		}
		up, down = append(up, c), append(down, d)
	}
	slices.Reverse(down)
	if !slices.IsSorted(up) || !slices.IsSorted(down) {
		t.Errorf("%v\n%v", up, down)
	}
	if up[0] != "instances/i/log/shard=007/00000000000000000001.parquet" || Descending(Catalog, 1) != "catalog/9999999999999999999.json" {
		t.Errorf("%s %s", up[0], Descending(Catalog, 1))
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add("instances/i/log/shard=007/00000000000000000001.parquet")
	f.Add("catalog/9999999999999999999.json")
	f.Fuzz(func(t *testing.T, key string) {
		if n, ok := ParseCommit(key); ok && n <= 0 {
			t.Errorf("%q reads as %d", key, n)
		}
		if n, ok := ParseDescending(key); ok && n < 0 {
			t.Errorf("%q reads as %d", key, n)
		}
	})
}

package contention

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var table = flag.Bool("table", false, "print the table of TESTING.md: some minutes")

// TestOneWriterHasItsShardAlone: what ARCHITECTURE.md says an append costs.
func TestOneWriterHasItsShardAlone(t *testing.T) {
	r := Run(t, Load{Writers: 1, Shards: 1, Warmup: 5 * time.Second, Time: time.Minute})
	if r.Failed > 0 || r.Acked < 1000 || abs(int64(r.Commits)-r.Requests.Put) > 1 || r.Requests.Get+r.Requests.List > 0 {
		t.Errorf("%+v", r)
	}
}

// TestWritersContend: each of n writers pays for the one that wins, and none
// fails; more shards take more appends.
func TestWritersContend(t *testing.T) {
	if testing.Short() {
		t.Skip("many encodings of commits: without -short")
	}
	one := Run(t, Load{Writers: 8, Shards: 1, Warmup: 10 * time.Second, Time: 20 * time.Second})
	two := Run(t, Load{Writers: 8, Shards: 2, Warmup: 10 * time.Second, Time: 20 * time.Second})
	if one.Failed+two.Failed > 0 {
		t.Errorf("failed: %d, %d", one.Failed, two.Failed)
	}
	if puts := float64(one.Requests.Put) / float64(one.Acked); puts < 2 || puts > 9 {
		t.Errorf("8 writers on a shard pay %.1f PUTs for an append", puts)
	}
	if two.Acked < one.Acked*5/4 {
		t.Errorf("two shards take %d appends, one %d", two.Acked, one.Acked)
	}
}

func TestTable(t *testing.T) {
	if !*table {
		t.Skip("-table prints it")
	}
	fmt.Println(Header)
	for _, shards := range []int{1, 4, 16, 64} {
		for _, writers := range []int{1, 8, 64, 256} {
			fmt.Println(Run(t, Load{Writers: writers, Shards: shards, Warmup: 10 * time.Second, Time: 10 * time.Second}))
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }

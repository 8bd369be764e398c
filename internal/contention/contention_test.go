package contention

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var table = flag.Bool("table", false, "print the table of docs/operating.md: a minute")

// TestOneWriterHasItsShardAlone: what ARCHITECTURE.md says an append costs.
func TestOneWriterHasItsShardAlone(t *testing.T) {
	r := Run(t, Load{Writers: 1, Shards: 1, Warmup: 5 * time.Second, Time: time.Minute})
	if r.Failed > 0 || r.Acked < 1000 || abs(int64(r.Commits)-r.Puts) > 1 || r.Gets > 0 {
		t.Errorf("%+v", r)
	}
}

// TestTheModelIsRight: the model comes to what the real code does, where many
// contend for one shard and where they spread over some.
func TestTheModelIsRight(t *testing.T) {
	if testing.Short() {
		t.Skip("many encodings of commits: without -short")
	}
	for _, load := range []Load{{Writers: 3, Shards: 1}, {Writers: 8, Shards: 1}, {Writers: 9, Shards: 4}} {
		load.Warmup, load.Time = 5*time.Second, 20*time.Second
		real, model := Run(t, load), Model(t, load)
		differ := func(what string, a, b float64) {
			if a < 0.8*b || a > 1.25*b {
				t.Errorf("%d writers on %d shards: %s: the real code has %.2f, the model %.2f", load.Writers, load.Shards, what, a, b)
			}
		}
		differ("commits", float64(real.Commits), float64(model.Commits))
		differ("PUTs per append", real.perAppend(real.Puts), model.perAppend(model.Puts))
		differ("GETs per append", real.perAppend(real.Gets), model.perAppend(model.Gets))
		if real.Failed > 0 {
			t.Errorf("%d writers on %d shards: %d appends failed", load.Writers, load.Shards, real.Failed)
		}
	}
}

// TestWritersContend: each of n writers pays for the one that wins; more shards
// take more appends.
func TestWritersContend(t *testing.T) {
	load := Load{Writers: 8, Shards: 1, Warmup: 10 * time.Second, Time: 20 * time.Second}
	one := Model(t, load)
	load.Shards = 4
	four := Model(t, load)
	if puts := one.perAppend(one.Puts); puts < 2 || puts > 8 {
		t.Errorf("8 writers on a shard pay %.1f PUTs for an append", puts)
	}
	if four.Acked < one.Acked*3/2 {
		t.Errorf("four shards take %d appends, one %d", four.Acked, one.Acked)
	}
}

func TestTable(t *testing.T) {
	if !*table {
		t.Skip("-table prints it")
	}
	fmt.Println(Header)
	for _, shards := range []int{1, 4, 16, 64} {
		for _, writers := range []int{1, 4, 8, 16, 64, 256} {
			fmt.Println(Model(t, Load{Writers: writers, Shards: shards, Warmup: 40 * time.Second, Time: time.Minute}))
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }

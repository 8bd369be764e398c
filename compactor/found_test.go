package compactor

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/store"
)

// The simulation found that the log of a shard which an instance does not have
// any more was kept for ever: deleted events must be gone from the bucket, also
// when the instance was made again with fewer shards, before or after they were folded.
func TestDeletedEventsLeaveFormerShards(t *testing.T) {
	for _, folded := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) { deleteFormerShards(t, folded) })
	}
}

func deleteFormerShards(t *testing.T, folded bool) {
	s := store.NewMemory()
	l := newLog(t, s, 3)
	c := &Compactor{Log: l}
	mustAppend(t, l, batch(rand.New(rand.NewPCG(5, 5)), 50))
	if folded {
		mustRun(t, c)
	}
	if _, err := l.DeleteInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.CreateInstance(t.Context(), catalog.Instance{ID: "i", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustRun(t, c)
		time.Sleep(25 * time.Hour)
	}
	mustRun(t, c)
	for _, key := range keys(t, s) {
		if strings.Contains(key, "/log/") || strings.Contains(key, "/data/") {
			t.Errorf("folded before %v: %s is left of what was deleted days ago", folded, key)
		}
	}
}

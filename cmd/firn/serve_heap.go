package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// By how many percent a heap grows until it is collected again, unless GOGC says it:
// by Go's usual number as long as it is small, where collections are cheap by being
// seldom, and by less from largeHeap bytes on. What makes it large are bytes of
// commits and pages, which a collection does not go through.
const (
	smallGrowth = 100
	largeGrowth = 50
	largeHeap   = 160 << 20
)

// boundHeap keeps the memory of a server small beside what it holds, until ctx ends.
func boundHeap(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for growth := smallGrowth; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		next := smallGrowth
		if live[0].Value.Uint64() >= largeHeap {
			next = largeGrowth
		}
		if next != growth {
			growth = next
			debug.SetGCPercent(growth)
		}
	}
}

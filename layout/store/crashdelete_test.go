//go:build unix

package store_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// A deletion that finds nothing, since another process has just unlinked the
// object and died, is as durable as one that did it.
func TestPowerLossAfterTwoDeletions(t *testing.T) {
	died := 0
	for operations := range 12 {
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				disk := store.NewDisk(rand.New(rand.NewPCG(seed, 0)))
				mustPut(t, startFolder(t, disk, -1), "x/1", "content")
				if startFolder(t, disk, 1+operations).Delete(t.Context(), "x/1") != nil {
					died++
				}
				if err := startFolder(t, disk, -1).Delete(t.Context(), "x/1"); err != nil {
					t.Fatal(err)
				}
				after := disk.Crash(rand.New(rand.NewPCG(seed, 1)))
				_, err := startFolder(t, after, -1).Get(t.Context(), "x/1", store.Range{})
				wantKind(t, "get what was deleted before the crash", err, fault.NotFound)
			})
		}
	}
	if died == 0 {
		t.Error("no process died while it deleted")
	}
}

func startFolder(t *testing.T, disk *store.Disk, operations int) *store.Folder {
	t.Helper()
	s, err := disk.Start(operations).Folder()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

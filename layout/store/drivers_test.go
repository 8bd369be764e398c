package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/layout/store"
	"github.com/firnlog/firn/layout/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMemory() })
}

func TestFolder(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openFolder(t, t.TempDir()) })
}

func openFolder(t *testing.T, dir string) *store.Folder {
	t.Helper()
	s, err := store.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCountedPasses(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewCounted(store.NewMemory()) })
}

// TestS3 runs the suite on a real server, each part below a prefix of its own,
// with bodies sent in parts from 5 MiB on, the least that S3 allows.
func TestS3(t *testing.T) {
	store.SetMultipart(t, 5<<20, 5<<20)
	server := storetest.StartS3(t)
	var part atomic.Int32
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := store.Open(t.Context(), server.URL(fmt.Sprintf("firn/part-%d/below", part.Add(1))))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

package storetest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

func testPutIfAbsent(t *testing.T, s store.Store) {
	put(t, s, "slot/1", "winner", store.IfAbsent)
	for _, late := range []string{"loser", "winner", ""} {
		_, err := s.Put(t.Context(), "slot/1", bytes.NewReader([]byte(late)), store.IfAbsent)
		wantKind(t, "second put", err, fault.Exists)
	}
	if got := get(t, s, "slot/1"); got != "winner" {
		t.Errorf("read %q", got)
	}
	put(t, s, "slot/2", "replaceable", store.Always)
	_, err := s.Put(t.Context(), "slot/2", bytes.NewReader([]byte("loser")), store.IfAbsent)
	wantKind(t, "put over an ordinary one", err, fault.Exists)
	if err := s.Delete(t.Context(), "slot/1"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "slot/1", "after deletion", store.IfAbsent)
}

// testPutIfAbsentRace has writers race along a chain of keys, as appenders do.
func testPutIfAbsentRace(t *testing.T, s store.Store) {
	race(t, s, 16, 30, func(writer, slot int) []byte {
		return fmt.Appendf(nil, "writer %d at slot %d, %s", writer, slot, noise(uint64(writer), 500+writer))
	})
}

// testLargeBodyRace is the same with bodies that a driver may send in parts.
func testLargeBodyRace(t *testing.T, s store.Store) {
	race(t, s, 4, 2, func(writer, slot int) []byte { return noise(uint64(writer*256+slot), 11<<20+writer) })
}

// race has all writers put all slots if absent, and wants for each slot one
// winner, whose content stands. A conflict is tried again: it must settle.
func race(t *testing.T, s store.Store, writers, slots int, content func(writer, slot int) []byte) {
	winners := make([]atomic.Int32, slots)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for slot := range slots {
				body := content(w, slot)
				err := putSettled(t, s, slotKey(slot), body)
				switch {
				case err == nil:
					if !winners[slot].CompareAndSwap(0, int32(w+1)) {
						t.Errorf("slot %d has more than one winner", slot)
					}
				case !fault.Is(err, fault.Exists):
					t.Errorf("slot %d: %v", slot, err)
				}
				got, _, err := store.ReadAll(t.Context(), s, slotKey(slot))
				if winner := winners[slot].Load(); err != nil || winner == int32(w+1) && !bytes.Equal(got, body) {
					t.Errorf("slot %d read after winner %d put it: %d bytes, %v", slot, winner, len(got), err)
				}
			}
		})
	}
	wg.Wait()
	for slot := range slots {
		winner := int(winners[slot].Load()) - 1
		if winner < 0 {
			t.Fatalf("slot %d has no winner", slot)
		}
		if got := get(t, s, slotKey(slot)); got != string(content(winner, slot)) {
			t.Errorf("slot %d does not hold what its winner put", slot)
		}
	}
	if keys, _ := list(t, s, store.ListOptions{Prefix: "race/"}); len(keys) != slots {
		t.Errorf("%d keys for %d slots", len(keys), slots)
	}
}

func slotKey(slot int) string { return fmt.Sprintf("race/%020d.parquet", slot) }

func putSettled(t *testing.T, s store.Store, key string, body []byte) error {
	for {
		_, err := s.Put(t.Context(), key, bytes.NewReader(body), store.IfAbsent)
		switch fault.KindOf(err) {
		case fault.Conflict:
			continue
		case fault.Unknown: // a service that refuses a large body may not stay to the end of it
			got, _, readErr := store.ReadAll(t.Context(), s, key)
			if fault.Is(readErr, fault.NotFound) {
				continue
			}
			if readErr == nil && bytes.Equal(got, body) {
				return nil
			}
			return fault.New(fault.Exists, "another's is there (%v)", readErr)
		}
		return err
	}
}

// testReplaceWhileReading wants every read to bring one whole version.
func testReplaceWhileReading(t *testing.T, s store.Store) {
	const versions = 30
	version := func(i int) []byte { return bytes.Repeat([]byte{byte('A' + i)}, 100_000+i) }
	whole := func(data []byte) bool {
		return len(data) >= 100_000 && bytes.Equal(data, version(int(data[0]-'A')))
	}
	put(t, s, "changing", string(version(0)), store.Always)
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !done.Load() {
				got, _, err := store.ReadAll(t.Context(), s, "changing")
				if err != nil || !whole(got) {
					t.Errorf("read %d bytes that are no version, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range versions {
		put(t, s, "changing", string(version(i)), store.Always)
	}
	done.Store(true)
	wg.Wait()
	if got := get(t, s, "changing"); got != string(version(versions-1)) {
		t.Error("the last version does not stand")
	}
}

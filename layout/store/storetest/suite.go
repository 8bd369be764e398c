// Package storetest proves that an object store keeps the contract of
// [store.Store], and runs a real S3 server for those who need one.
//
// [Run] is the one conformance suite: every driver passes it, on every service
// that Firn is said to run on. [StartS3] starts the light server of the
// everyday tests.
package storetest

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// Run runs the conformance suite. open is called for each part of it and
// returns an empty store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"PutGet", testPutGet},
		{"Ranges", testRanges},
		{"EmptyObject", testEmptyObject},
		{"Replace", testReplace},
		{"PutIfAbsent", testPutIfAbsent},
		{"PutIfAbsentRace", testPutIfAbsentRace},
		{"ReplaceWhileReading", testReplaceWhileReading},
		{"LargeBody", testLargeBody},
		{"LargeBodyRace", testLargeBodyRace},
		{"Immutable", testImmutable},
		{"ListOrder", testListOrder},
		{"ListPages", testListPages},
		{"ListAfterPut", testListAfterPut},
		{"Delete", testDelete},
		{"Tags", testTags},
		{"BadKeys", testBadKeys},
		{"GoodKeys", testGoodKeys},
		{"Cancelled", testCancelled},
		{"StoreTime", testStoreTime},
		{"Probe", testProbe},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

func put(t *testing.T, s store.Store, key, content string, cond store.Condition) store.Receipt {
	t.Helper()
	receipt, err := s.Put(t.Context(), key, bytes.NewReader([]byte(content)), cond)
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return receipt
}

func get(t *testing.T, s store.Store, key string) string {
	t.Helper()
	content, _, err := store.ReadAll(t.Context(), s, key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(content)
}

// getRange returns a part of an object and its description.
func getRange(ctx context.Context, s store.Store, key string, r store.Range) (string, store.Info, error) {
	o, err := s.Get(ctx, key, r)
	if err != nil {
		return "", store.Info{}, err
	}
	defer o.Body.Close()
	content, err := io.ReadAll(o.Body)
	return string(content), o.Info, err
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: error %v (%s), want one of kind %s", what, err, fault.KindOf(err), kind)
	}
}

// list returns the keys of a page.
func list(t *testing.T, s store.Store, opts store.ListOptions) (keys []string, more bool) {
	t.Helper()
	page, err := s.List(t.Context(), opts)
	if err != nil {
		t.Fatalf("list %+v: %v", opts, err)
	}
	for _, o := range page.Objects {
		keys = append(keys, o.Key)
	}
	return keys, page.More
}

// noise returns n bytes that no store compresses or repeats by chance.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

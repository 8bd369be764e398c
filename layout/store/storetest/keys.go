package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

func testListOrder(t *testing.T, s store.Store) {
	// Byte order, which is not the order of names in directories: - and . come
	// before the slash, digits, = and letters behind it.
	all := []string{"A", "a-b", "a-b2/x", "a.b", "a/-", "a/b-c", "a/b.d/e", "a/c/d", "a/c0", "a/c=1",
		"a0", "a=1", "a_b", "aa", "b/x/y/z", "b0"}
	slices.Sort(all)
	for _, i := range rand.Perm(len(all)) {
		put(t, s, all[i], "x", store.IfAbsent)
	}
	f := func(prefix, after string, limit int) {
		t.Helper()
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) && key > after {
				want = append(want, key)
			}
		}
		wantMore := limit > 0 && len(want) > limit
		if wantMore {
			want = want[:limit]
		}
		got, more := list(t, s, store.ListOptions{Prefix: prefix, StartAfter: after, Max: limit})
		// A service may say that there may be more, and be wrong.
		if !slices.Equal(got, want) || wantMore && !more || more && len(got) < max(1, limit) {
			t.Errorf("list of %q after %q, max %d:\n got %v %v\nwant %v %v", prefix, after, limit, got, more, want, wantMore)
		}
	}
	afters := append([]string{"", "-", "a", "a/", "a/c", "a/c/", "a/c/zz", "a/zz", "a1", "zz"}, all...)
	for _, prefix := range []string{"", "a", "a/", "a-", "a/b", "a/c", "a/c/", "a/c/d", "b/x", "b/x/y/z", "c", "a/c/d/e/"} {
		for _, after := range afters {
			f(prefix, after, 0)
			f(prefix, after, 3)
		}
	}
	f("", "", 1)
	f("", "", len(all))
	f("", "", len(all)-1)
	for _, nowhere := range []string{"/", "../", "a//", ".", "absent/", "ü/"} {
		if got, more := list(t, s, store.ListOptions{Prefix: nowhere}); len(got) > 0 || more {
			t.Errorf("list of %q: %v", nowhere, got)
		}
	}
}

// testListPages lists more objects than a page holds.
func testListPages(t *testing.T, s store.Store) {
	const n = 1050
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				key := fmt.Sprintf("log/shard=%03d/%020d.parquet", i%3, i)
				if _, err := s.Put(t.Context(), key, bytes.NewReader([]byte(key)), store.IfAbsent); err != nil {
					t.Errorf("put %s: %v", key, err)
				}
			}
		})
	}
	wg.Wait()
	var keys []string
	pages := 0
	for more := true; more; pages++ {
		opts := store.ListOptions{Prefix: "log/"}
		if len(keys) > 0 {
			opts.StartAfter = keys[len(keys)-1]
		}
		page, err := s.List(t.Context(), opts)
		if err != nil || len(page.Objects) == 0 || len(page.Objects) > 1000 {
			t.Fatalf("page %d: %d objects, %v", pages, len(page.Objects), err)
		}
		for _, o := range page.Objects {
			if o.Size != int64(len(o.Key)) || o.Modified.IsZero() {
				t.Fatalf("listed %+v", o)
			}
			keys = append(keys, o.Key)
		}
		more = page.More
	}
	if len(keys) != n || pages != 2 || !slices.IsSorted(keys) {
		t.Errorf("%d keys on %d pages, in order: %v", len(keys), pages, slices.IsSorted(keys))
	}
	if keys, more := list(t, s, store.ListOptions{Prefix: "log/", Max: 5000}); len(keys) != 1000 || !more {
		t.Errorf("a page of %d, more: %v", len(keys), more)
	}
}

// testListAfterPut wants every list to show what was put before it.
func testListAfterPut(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			prefix := fmt.Sprintf("w%d-", w)
			for i := range 20 {
				key := fmt.Sprintf("shared/%s%02d", prefix, i)
				if _, err := s.Put(t.Context(), key, bytes.NewReader(nil), store.IfAbsent); err != nil {
					t.Errorf("put: %v", err)
				}
				page, err := s.List(t.Context(), store.ListOptions{Prefix: "shared/" + prefix})
				if err != nil || len(page.Objects) != i+1 || page.Objects[i].Key != key {
					t.Errorf("after %d puts the list shows %d objects, %v", i+1, len(page.Objects), err)
				}
			}
		})
	}
	wg.Wait()
}

func testBadKeys(t *testing.T, s store.Store) {
	for _, key := range []string{"", "/", "/absolute", "trailing/", "two//slashes", ".", "..", "../up", "a/../b",
		"a/./b", ".hidden", "a/.hidden", `back\slash`, "per%20cent", "sp ace", "tab\t", "nul\x00", "new\nline", "del\x7f",
		"ünïcode", "a\xff", "a:b", "a?b", "a#b", "a*b", "a+b", "a,b", "~a", strings.Repeat("s", 201),
		strings.Repeat("k/", 450) + "k"} {
		_, err := s.Put(t.Context(), key, bytes.NewReader([]byte("x")), store.Always)
		wantKind(t, fmt.Sprintf("put %q", key), err, fault.Invalid)
		_, err = s.Get(t.Context(), key, store.Range{})
		wantKind(t, fmt.Sprintf("get %q", key), err, fault.Invalid)
		wantKind(t, fmt.Sprintf("delete %q", key), s.Delete(t.Context(), key), fault.Invalid)
		wantKind(t, fmt.Sprintf("tag %q", key), s.SetTags(t.Context(), key, nil), fault.Invalid)
		_, err = s.Tags(t.Context(), key)
		wantKind(t, fmt.Sprintf("tags %q", key), err, fault.Invalid)
	}
	if keys, _ := list(t, s, store.ListOptions{}); len(keys) > 0 {
		t.Errorf("stored %v", keys)
	}
}

func testGoodKeys(t *testing.T, s store.Store) {
	for _, key := range []string{"k", "-", "=", "_", "a.", "a..b", "a.b.c", "day=2026-11-21/shard=000/x_Y-z.parquet",
		strings.Repeat("s", 200), strings.Repeat(strings.Repeat("d", 99)+"/", 8) + strings.Repeat("e", 100)} {
		put(t, s, key, key, store.IfAbsent)
		if got := get(t, s, key); got != key {
			t.Errorf("%s reads %q", key, got)
		}
		if keys, _ := list(t, s, store.ListOptions{Prefix: key}); !slices.Contains(keys, key) {
			t.Errorf("%s is not listed", key)
		}
	}
}

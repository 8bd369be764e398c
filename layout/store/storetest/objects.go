package storetest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

func testPutGet(t *testing.T, s store.Store) {
	_, err := s.Get(t.Context(), "a/b/c", store.Range{})
	wantKind(t, "get of an absent object", err, fault.NotFound)
	put(t, s, "a/b/c", "hello", store.IfAbsent)
	put(t, s, "a/b/d", "other", store.Always)
	content, info, err := getRange(t.Context(), s, "a/b/c", store.Range{})
	if err != nil || content != "hello" || info.Key != "a/b/c" || info.Size != 5 {
		t.Errorf("get: %q, %+v, %v", content, info, err)
	}
	for _, key := range []string{"a", "a/b", "a/b/c/d", "a/b/", "a/b/C"} {
		if store.CheckKey(key) == nil {
			_, err = s.Get(t.Context(), key, store.Range{})
			wantKind(t, "get of "+key, err, fault.NotFound)
		}
	}
}

func testRanges(t *testing.T, s store.Store) {
	const content = "0123456789"
	put(t, s, "ranges", content, store.IfAbsent)
	f := func(offset, length int64, want string) {
		t.Helper()
		got, info, err := getRange(t.Context(), s, "ranges", store.Range{Offset: offset, Length: length})
		if err != nil || got != want {
			t.Errorf("range %d+%d: %q, %v, want %q", offset, length, got, err, want)
		}
		if err == nil && info.Size != 10 {
			t.Errorf("range %d+%d: size %d is not that of the whole object", offset, length, info.Size)
		}
	}
	f(0, 0, content)
	f(0, 1, "0")
	f(0, 10, content)
	f(0, 11, content)
	f(3, 4, "3456")
	f(3, 0, "3456789")
	f(9, 1, "9")
	f(9, 0, "9")
	f(8, 100, "89")
	f(8, math.MaxInt64, "89")
	f(-1, 0, "9")
	f(-4, 0, "6789")
	f(-10, 0, content)
	f(-11, 0, content)
	f(-math.MaxInt64, 0, content)
	bad := func(offset, length int64) {
		t.Helper()
		_, _, err := getRange(t.Context(), s, "ranges", store.Range{Offset: offset, Length: length})
		wantKind(t, "bad range", err, fault.Invalid)
	}
	bad(10, 0)
	bad(10, 1)
	bad(11, 5)
	bad(math.MaxInt64, 1)
	bad(0, -1)
	bad(-1, 1)
	bad(-1, -1)
	bad(math.MinInt64, 0)
	_, _, err := getRange(t.Context(), s, "absent", store.Range{Offset: -8})
	wantKind(t, "range of an absent object", err, fault.NotFound)
}

func testEmptyObject(t *testing.T, s store.Store) {
	put(t, s, "empty", "", store.IfAbsent)
	for _, r := range []store.Range{{}, {Offset: -1}, {Offset: -100}} {
		content, info, err := getRange(t.Context(), s, "empty", r)
		if err != nil || content != "" || info.Size != 0 || info.Modified.IsZero() {
			t.Errorf("range %+v of nothing: %q, %+v, %v", r, content, info, err)
		}
	}
	for _, r := range []store.Range{{Length: 1}, {Offset: 1}, {Offset: 1, Length: 1}} {
		_, _, err := getRange(t.Context(), s, "empty", r)
		wantKind(t, "range of nothing", err, fault.Invalid)
	}
	_, err := s.Put(t.Context(), "empty", bytes.NewReader(nil), store.IfAbsent)
	wantKind(t, "put over an empty object", err, fault.Exists)
}

func testReplace(t *testing.T, s store.Store) {
	for _, content := range []string{"first", "the second, longer", "3", ""} {
		put(t, s, "dir/replaced", content, store.Always)
		if got := get(t, s, "dir/replaced"); got != content {
			t.Errorf("read %q after putting %q", got, content)
		}
	}
	if keys, _ := list(t, s, store.ListOptions{}); len(keys) != 1 {
		t.Errorf("replacing left %v", keys)
	}
}

// testLargeBody stores more than a driver takes for small, out of a file.
func testLargeBody(t *testing.T, s store.Store) {
	data := noise(1, 12<<20+12345)
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	body := io.NewSectionReader(f, 0, int64(len(data)))
	if _, err := s.Put(t.Context(), "large/one", body, store.IfAbsent); err != nil {
		t.Fatal(err)
	}
	_, err = s.Put(t.Context(), "large/one", io.NewSectionReader(f, 5, 11<<20), store.IfAbsent)
	wantKind(t, "put over a large object", err, fault.Exists)
	if got := get(t, s, "large/one"); got != string(data) {
		t.Errorf("read %d bytes that differ from the %d stored", len(got), len(data))
	}
	part, info, err := getRange(t.Context(), s, "large/one", store.Range{Offset: 5<<20 - 3, Length: 6})
	if err != nil || part != string(data[5<<20-3:5<<20+3]) || info.Size != int64(len(data)) {
		t.Errorf("range across parts: %x, %+v, %v", part, info, err)
	}
	r := store.NewReaderAt(t.Context(), s, "large/one", int64(len(data)))
	p := make([]byte, 100)
	n, err := r.ReadAt(p, int64(len(data))-60)
	if n != 60 || err != io.EOF || !bytes.Equal(p[:n], data[len(data)-60:]) {
		t.Errorf("ReadAt across the end: %d, %v", n, err)
	}
	if _, err := s.Put(t.Context(), "large/one", io.NewSectionReader(f, 5, 11<<20), store.Always); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "large/one"); got != string(data[5:5+11<<20]) {
		t.Error("a large object was not replaced by another")
	}
}

// testImmutable changes what was given and taken: the store must not notice.
func testImmutable(t *testing.T, s store.Store) {
	given := []byte("as it was")
	if _, err := s.Put(t.Context(), "kept", bytes.NewReader(given), store.IfAbsent); err != nil {
		t.Fatal(err)
	}
	copy(given, "XXXXXXXXX")
	taken, _, err := store.ReadAll(t.Context(), s, "kept")
	if err != nil || string(taken) != "as it was" {
		t.Fatalf("read %q, %v", taken, err)
	}
	copy(taken, "YYYYYYYYY")
	if got := get(t, s, "kept"); got != "as it was" {
		t.Errorf("read %q", got)
	}
	open, err := s.Get(t.Context(), "kept", store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	if err := s.Delete(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(open.Body); err != nil || string(got) != "as it was" {
		t.Errorf("what was open before the deletion reads %q, %v", got, err)
	}
}

func testDelete(t *testing.T, s store.Store) {
	put(t, s, "gone/one", "1", store.IfAbsent)
	put(t, s, "gone/two", "2", store.IfAbsent)
	for range 2 {
		if err := s.Delete(t.Context(), "gone/one"); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	for _, key := range []string{"never/was", "gone", "gone/two/below"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete of %s, which is not there: %v", key, err)
		}
	}
	_, err := s.Get(t.Context(), "gone/one", store.Range{})
	wantKind(t, "get of a deleted object", err, fault.NotFound)
	if keys, _ := list(t, s, store.ListOptions{}); len(keys) != 1 || keys[0] != "gone/two" {
		t.Errorf("list after deletion: %v", keys)
	}
	put(t, s, "gone/one", "again", store.IfAbsent)
	if got := get(t, s, "gone/one"); got != "again" {
		t.Errorf("read %q", got)
	}
}

func testTags(t *testing.T, s store.Store) {
	want := func(key string, tags map[string]string) {
		t.Helper()
		got, err := s.Tags(t.Context(), key)
		if err != nil || got == nil || !maps.Equal(got, tags) {
			t.Errorf("tags of %s: %v, %v, want %v", key, got, err, tags)
		}
	}
	set := func(key string, tags map[string]string) {
		t.Helper()
		if err := s.SetTags(t.Context(), key, tags); err != nil {
			t.Errorf("set tags %v: %v", tags, err)
		}
	}
	wantKind(t, "tags of an absent object", s.SetTags(t.Context(), "d/x", nil), fault.NotFound)
	_, err := s.Tags(t.Context(), "d/x")
	wantKind(t, "tags of an absent object", err, fault.NotFound)

	put(t, s, "d/x", "content", store.IfAbsent)
	want("d/x", map[string]string{})
	set("d/x", map[string]string{"firn-state": "dropped", "empty": ""})
	want("d/x", map[string]string{"firn-state": "dropped", "empty": ""})
	set("d/x", map[string]string{"other": "one/two = 3"})
	want("d/x", map[string]string{"other": "one/two = 3"})
	if got := get(t, s, "d/x"); got != "content" {
		t.Errorf("tags changed the content to %q", got)
	}
	if keys, _ := list(t, s, store.ListOptions{}); len(keys) != 1 {
		t.Errorf("tags are listed: %v", keys)
	}
	set("d/x", nil)
	want("d/x", map[string]string{})

	set("d/x", map[string]string{"firn-state": "dropped"})
	if err := s.Delete(t.Context(), "d/x"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Tags(t.Context(), "d/x")
	wantKind(t, "tags of a deleted object", err, fault.NotFound)
	put(t, s, "d/x", "another", store.IfAbsent)
	want("d/x", map[string]string{})

	for _, tags := range []map[string]string{{"": "v"}, {"k": "\n"}, {"k": strings.Repeat("v", 257)},
		{"ü": "v"}, {strings.Repeat("k", 129): ""}} {
		wantKind(t, "bad tags", s.SetTags(t.Context(), "d/x", tags), fault.Invalid)
	}
}

// testCancelled wants a put whose context had ended to have done nothing.
func testCancelled(t *testing.T, s store.Store) {
	put(t, s, "there", "content", store.IfAbsent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, "late", bytes.NewReader([]byte("x")), store.IfAbsent)
	wantKind(t, "put", err, fault.Unavailable)
	_, err = s.Get(ctx, "there", store.Range{})
	wantKind(t, "get", err, fault.Unavailable)
	_, err = s.List(ctx, store.ListOptions{})
	wantKind(t, "list", err, fault.Unavailable)
	wantKind(t, "delete", s.Delete(ctx, "there"), fault.Unavailable)
	wantKind(t, "set tags", s.SetTags(ctx, "there", nil), fault.Unavailable)
	_, err = s.Tags(ctx, "there")
	wantKind(t, "tags", err, fault.Unavailable)
	if keys, _ := list(t, s, store.ListOptions{}); len(keys) != 1 || keys[0] != "there" {
		t.Errorf("after requests that were cancelled: %v", keys)
	}
}

// testStoreTime wants one clock behind all answers and objects. S3 tells it in
// whole seconds, and the machine's own clock serves here as a rough check.
func testStoreTime(t *testing.T, s store.Store) {
	const second = time.Second
	var last time.Time
	next := func(what string, now time.Time) {
		t.Helper()
		if d := time.Since(now); d < -2*second || d > 60*second {
			t.Errorf("%s: store time is %s behind", what, d)
		}
		if now.Before(last.Add(-second)) {
			t.Errorf("%s: store time went back from %s to %s", what, last, now)
		}
		last = now
	}
	before, err := s.List(t.Context(), store.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	next("list", before.StoreTime)
	_, err = s.Get(t.Context(), "timed", store.Range{})
	next("get of an absent object", store.AbsentAt(err))
	next("put", put(t, s, "timed", "x", store.IfAbsent).StoreTime)
	o, err := s.Get(t.Context(), "timed", store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	o.Body.Close()
	next("get", o.StoreTime)
	page, err := s.List(t.Context(), store.ListOptions{})
	if err != nil || len(page.Objects) != 1 {
		t.Fatalf("list: %+v, %v", page, err)
	}
	next("list", page.StoreTime)
	for _, modified := range []time.Time{o.Modified, page.Objects[0].Modified} {
		if modified.Before(before.StoreTime.Add(-second)) || modified.After(o.StoreTime.Add(second)) {
			t.Errorf("modified %s, stored between %s and %s", modified, before.StoreTime, o.StoreTime)
		}
	}
	if d := page.Objects[0].Modified.Sub(o.Modified).Abs(); d > second {
		t.Errorf("get and list tell modification times %s apart", d)
	}
}

func testProbe(t *testing.T, s store.Store) {
	for range 5 {
		if err := store.Probe(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if keys, _ := list(t, s, store.ListOptions{}); len(keys) != 0 {
		t.Errorf("the probe left %v", keys)
	}
}

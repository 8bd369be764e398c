package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

// TestFolderReadOnly opens a folder without the right to write to it.
func TestFolderReadOnly(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	mustPut(t, openFolder(t, dir), "a/b", "content")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o555)
		}
		return os.Chmod(path, 0o444)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(dir, 0o755)
		_ = os.Chmod(filepath.Join(dir, "a"), 0o755)
	})
	dropRights(t, parent)

	s := openFolder(t, dir)
	wantContent(t, s, "a/b", "content")
	wantKeys(t, s, "a/b")
	if tags, err := s.Tags(t.Context(), "a/b"); err != nil || len(tags) > 0 {
		t.Errorf("tags: %v, %v", tags, err)
	}
	wantKind(t, "put", putString(s, "a/c", "x", store.IfAbsent), fault.Unavailable)
	wantKind(t, "replace", putString(s, "a/b", "x", store.Always), fault.Unavailable)
	wantKind(t, "put in a new directory", putString(s, "new/c", "x", store.IfAbsent), fault.Unavailable)
	wantKind(t, "put at a taken key", putString(s, "a/b", "x", store.IfAbsent), fault.Exists)
	wantKind(t, "delete", s.Delete(t.Context(), "a/b"), fault.Unavailable)
	wantKind(t, "tag", s.SetTags(t.Context(), "a/b", nil), fault.Unavailable)
	wantContent(t, s, "a/b", "content")
	_, err = store.OpenFolder(filepath.Join(dir, "another"))
	wantKind(t, "make a folder", err, fault.Unavailable)
}

// dropRights takes from root, where tests run as root, the right to write
// everywhere, for the rest of a test that uses the file system from its own
// goroutine only. The directory dir stays within reach.
func dropRights(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	if err := syscall.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // runs on the test's goroutine, thus on its thread
		_ = syscall.Setfsuid(0)
		runtime.UnlockOSThread()
	})
}

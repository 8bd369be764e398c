//go:build unix

package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firn/internal/bubble"
	"github.com/firnlog/firn/layout/fault"
	"github.com/firnlog/firn/layout/store"
)

func putString(s store.Store, key, content string, cond store.Condition) error {
	_, err := s.Put(context.Background(), key, strings.NewReader(content), cond)
	return err
}

func mustPut(t *testing.T, s store.Store, key, content string) {
	t.Helper()
	if err := putString(s, key, content, store.IfAbsent); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, s store.Store, key, want string) {
	t.Helper()
	if got, _, err := store.ReadAll(t.Context(), s, key); err != nil || string(got) != want {
		t.Errorf("%s reads %q, %v, want %q", key, got, err, want)
	}
}

func wantKeys(t *testing.T, s store.Store, want ...string) {
	t.Helper()
	page, err := s.List(t.Context(), store.ListOptions{})
	var got []string
	for _, o := range page.Objects {
		got = append(got, o.Key)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("listed %v, %v, want %v", got, err, want)
	}
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: error %v (%s), want one of kind %s", what, err, fault.KindOf(err), kind)
	}
}

// files returns the names of all files below dir but the clock.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != ".clock" {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// TestFolderProcesses has processes race put-if-absent along one chain. Each
// is this test binary, which prints the slots that it won.
func TestFolderProcesses(t *testing.T) {
	const processes, slots = 4, 60
	if dir := os.Getenv("FIRN_TEST_RACE"); dir != "" {
		raceInProcess(openFolder(t, dir), slots)
		return
	}
	dir := t.TempDir()
	s := openFolder(t, dir)
	outputs := make([]bytes.Buffer, processes)
	var commands []*exec.Cmd
	start, release, err := os.Pipe() // read by all: its end starts the race
	if err != nil {
		t.Fatal(err)
	}
	for i := range processes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFolderProcesses$")
		cmd.Env = append(os.Environ(), "FIRN_TEST_RACE="+dir)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = start, &outputs[i], os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, cmd)
	}
	start.Close()
	release.Close()
	winners := map[string]string{} // key to content
	for i, cmd := range commands {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, &outputs[i])
		}
		for line := range strings.Lines(outputs[i].String()) {
			var key, content string
			if n, _ := fmt.Sscanf(line, "won %s %s\n", &key, &content); n != 2 {
				continue
			}
			if winners[key] != "" {
				t.Errorf("%s was won twice", key)
			}
			winners[key] = content
		}
	}
	if len(winners) != slots {
		t.Errorf("%d of %d slots were won", len(winners), slots)
	}
	for key, content := range winners {
		wantContent(t, s, key, content)
	}
	if got := files(t, dir); len(got) != slots {
		t.Errorf("the race left %v", got)
	}
}

func raceInProcess(s store.Store, slots int) {
	_, _ = io.ReadAll(os.Stdin)
	for slot := range slots {
		key := fmt.Sprintf("new/dir-%d/%020d", slot/10, slot) // directories race too
		content := fmt.Sprintf("process-%d", os.Getpid())
		err := putString(s, key, content, store.IfAbsent)
		if err == nil {
			fmt.Println("won", key, content)
		} else if !fault.Is(err, fault.Exists) {
			fmt.Println(key, err)
			os.Exit(1)
		}
		// Whoever has an answer finds the object there, whole.
		if got, _, err := store.ReadAll(context.Background(), s, key); err != nil || !strings.HasPrefix(string(got), "process-") {
			fmt.Printf("read %s: %q, %v\n", key, got, err)
			os.Exit(1)
		}
	}
}

// TestFolderCrashed looks at what a crash between the link and the removal of
// the temporary file leaves.
func TestFolderCrashed(t *testing.T) {
	dir := t.TempDir()
	s := openFolder(t, dir)
	mustPut(t, s, "log/1", "one")
	crash := func(temp, final string) {
		t.Helper()
		temp = filepath.Join(dir, temp)
		if err := os.WriteFile(temp, []byte("left"), 0o644); err != nil {
			t.Fatal(err)
		}
		if final != "" {
			if err := os.Link(temp, filepath.Join(dir, final)); err != nil {
				t.Fatal(err)
			}
		}
	}
	crash("log/.tmp-A", "log/2")
	crash("log/.tmp-B", "")
	crash("log/.mark-C", "log/3")
	crash("log/.old-D", "")
	wantKeys(t, s, "log/1", "log/2", "log/3")
	wantContent(t, s, "log/2", "left")
	wantKind(t, "put at a slot taken before the crash", putString(s, "log/2", "x", store.IfAbsent), fault.Exists)
	if got := files(t, dir); len(got) != 7 {
		t.Errorf("young temporary files were removed: %v", got)
	}

	old := time.Now().Add(-61 * time.Minute)
	for _, name := range []string{"log/.tmp-A", "log/.tmp-B", "log/.mark-C", "log/.old-D"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	crash("log/.tmp-E", "")
	wantKeys(t, s, "log/1", "log/2", "log/3")
	if got, want := files(t, dir), []string{"log/.tmp-E", "log/1", "log/2", "log/3"}; !slices.Equal(got, want) {
		t.Errorf("an hour later there are %v, want %v", got, want)
	}
	wantContent(t, s, "log/2", "left")
	wantContent(t, s, "log/3", "left")
}

func TestFolderLeavesNoTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	s := openFolder(t, dir)
	mustPut(t, s, "a/b", "1")
	wantKind(t, "second put", putString(s, "a/b", "2", store.IfAbsent), fault.Exists)
	if err := putString(s, "a/b", "3", store.Always); err != nil {
		t.Fatal(err)
	}
	if err := s.SetTags(t.Context(), "a/b", map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put(t.Context(), "a/c", shortBody{}, store.IfAbsent)
	wantKind(t, "put of a body that breaks off", err, fault.Unavailable)
	if got, want := files(t, dir), []string{".tags/a/b", "a/b"}; !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("the deletion left %v", got)
	}
}

// shortBody has fewer bytes than it says.
type shortBody struct{}

func (shortBody) Size() int64 { return 10 }
func (shortBody) ReadAt(p []byte, offset int64) (int, error) {
	return strings.NewReader("short").ReadAt(p, offset)
}

func TestFolderStaleTagsDoNotCount(t *testing.T) {
	dir := t.TempDir()
	s := openFolder(t, dir)
	mustPut(t, s, "x", "1")
	if err := s.SetTags(t.Context(), "x", map[string]string{"firn-state": "dropped"}); err != nil {
		t.Fatal(err)
	}
	// A deletion that crashed before the tags went, then another object.
	if err := os.Remove(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "x", "2")
	later := time.Now().Add(time.Second) // whatever the file system's resolution
	if err := os.Chtimes(filepath.Join(dir, "x"), later, later); err != nil {
		t.Fatal(err)
	}
	if tags, err := s.Tags(t.Context(), "x"); err != nil || len(tags) > 0 {
		t.Errorf("another object's tags count: %v, %v", tags, err)
	}
}

func TestFolderStaysInside(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := openFolder(t, dir)
	mustPut(t, s, "inside", "1")
	for name, target := range map[string]string{"file": secret, "dir": outside, "up": "../" + filepath.Base(outside)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"file", "dir/secret", "up/secret"} {
		if got, _, err := store.ReadAll(t.Context(), s, key); err == nil {
			t.Errorf("read %q at %s", got, key)
		}
		if err := putString(s, key, "x", store.IfAbsent); err == nil {
			t.Errorf("put at %s", key)
		}
	}
	for _, key := range []string{"dir/new", "up/new", "dir/secret"} {
		if err := putString(s, key, "x", store.Always); err == nil {
			t.Errorf("put at %s", key)
		}
		_ = s.Delete(t.Context(), key)
		_ = s.SetTags(t.Context(), key, nil)
	}
	page, err := s.List(t.Context(), store.ListOptions{Prefix: "dir/"})
	if err == nil && len(page.Objects) > 0 {
		t.Errorf("listed %v", page.Objects)
	}
	wantKeys(t, s, "inside")
	if got := files(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("outside there are %v", got)
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("outside reads %q, %v", got, err)
	}
}

func TestFolderOthersFiles(t *testing.T) {
	dir := t.TempDir()
	s := openFolder(t, dir)
	mustPut(t, s, "a", "1")
	for _, name := range []string{"with space", "ünïcode", ".hidden", "colon:"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "lost+found/x"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "a")
}

// TestNestedKeys has keys that are no file and no directory at once: a
// contract broken, which must not be answered with "exists".
func TestNestedKeys(t *testing.T) {
	for _, s := range []store.Store{store.NewMemory(), openFolder(t, t.TempDir())} {
		mustPut(t, s, "a/b/c", "1")
		for _, cond := range []store.Condition{store.IfAbsent, store.Always} {
			for _, key := range []string{"a", "a/b", "a/b/c/d", "a/b/c/d/e"} {
				wantKind(t, fmt.Sprintf("put at %s", key), putString(s, key, "x", cond), fault.Invalid)
			}
		}
		wantKeys(t, s, "a/b/c")
	}
}

func TestFolderDirectoryRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openFolder(t, dir)
	mustPut(t, s, "a/b/1", "1")
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s)
	mustPut(t, s, "a/b/2", "2")
	wantKeys(t, s, "a/b/2")
}

func TestOpenFolderMakesParents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b/c")
	s := openFolder(t, dir)
	mustPut(t, s, "x", "1")
	wantContent(t, openFolder(t, dir), "x", "1")
	_, err := store.OpenFolder(filepath.Join(dir, "x"))
	wantKind(t, "open a file", err, fault.Unavailable)
	_, err = store.OpenFolder(filepath.Join(dir, "x/below"))
	wantKind(t, "open below a file", err, fault.Unavailable)
}

// slowBody takes its time to be read.
type slowBody struct {
	*strings.Reader
	takes time.Duration
}

func (b slowBody) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(b.takes)
	return b.Reader.ReadAt(p, off)
}

// A put-if-absent by one who slept would store an object that is old from the first
// moment on, and would be swept too early.
func TestFolderSleptPut(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := openFolder(t, t.TempDir())
		for takes, want := range map[time.Duration]bool{time.Minute: true, time.Hour: false} {
			key := "k-" + takes.String()
			_, err := s.Put(t.Context(), key, slowBody{strings.NewReader("x"), takes}, store.IfAbsent)
			if (err == nil) != want || err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("after %v: %v", takes, err)
			}
			if _, _, err := store.ReadAll(t.Context(), s, key); (err == nil) != want {
				t.Errorf("after %v it reads %v", takes, err)
			}
		}
	})
}

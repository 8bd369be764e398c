package e2e

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// createOver makes the instance over HTTP.
func (s *server) createOver(t *testing.T) {
	t.Helper()
	if a := s.call(t, http.MethodPost, "/v1/instances", `{"id":"`+instance+`"}`, ""); a.status != http.StatusCreated {
		t.Fatalf("create: %d: %s", a.status, a.Error)
	}
}

// survives checks that a server refuses appends while its folder does, and works
// again afterwards without a restart: begin and end make the trouble, and what
// is said of it contains reason. Queries are answered meanwhile if reads is true.
func (s *server) survives(t *testing.T, name, reason string, reads bool, begin, end func()) {
	t.Helper()
	s.mustAppend(t, name+"-before", "")
	begin()
	s.refuses(t, name+"-warm", reason)
	s.refuses(t, name+"-cold", reason)
	if a := s.append(t, name+"-keyed", name); a.status != http.StatusServiceUnavailable {
		t.Errorf("%s: append with a key: %d: %s", name, a.status, a.Error)
	}
	if reads {
		s.query(t)
	} else if a := s.call(t, http.MethodPost, "/v1/query", allEvents, ""); a.status != http.StatusServiceUnavailable {
		t.Errorf("%s: query: %d: %s", name, a.status, a.Error)
	}
	s.ready(t, http.StatusServiceUnavailable, reason)
	end()
	s.ready(t, http.StatusOK, "")
	s.query(t)
	if a := s.mustAppend(t, name+"-keyed", name); a.Data.Replayed {
		t.Errorf("%s: what was refused is answered as a repetition", name)
	}
	s.mustAppend(t, name+"-after", "")
	s.query(t)
}

// TestFileTooLarge has every write of more than some bytes to a file break off
// in its middle, as on a disk that becomes full while it is being written to.
func TestFileTooLarge(t *testing.T) {
	dir := t.TempDir()
	h, err := startHelper(t, dir, func(*exec.Cmd) {})
	if err != nil {
		t.Fatal(err)
	}
	h.createOver(t)
	h.survives(t, "large", "file too large", true,
		func() { h.do(t, "limit 700") },
		func() { h.do(t, fmt.Sprint("limit ", 1<<40)) })
	noneLeft(t, dir)
}

// noneLeft checks that failed writes left no temporary file.
func noneLeft(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".tmp-") {
			t.Errorf("%s was left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLostPermissions takes the right to write, and then every right, from the
// directories under a server. Root may write in spite of that, so that root's
// tests run the server as somebody else.
func TestLostPermissions(t *testing.T) {
	const nobody = 65534
	top, err := os.MkdirTemp("", "firn-e2e") // t.TempDir lies in a directory that is its owner's alone
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	dir := filepath.Join(top, "bucket")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(top, "server")
	h, err := startHelper(t, dir, func(cmd *exec.Cmd) {
		if os.Getuid() != 0 {
			return
		}
		if err := openTo(nobody, top, dir, program); err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Dir = program, top
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	})
	if err != nil {
		t.Fatal(err)
	}
	h.createOver(t)
	h.survives(t, "unwritable", "permission denied", true, func() { chmodAll(t, dir, 0o500) }, func() { chmodAll(t, dir, 0o700) })
	h.survives(t, "closed", "permission denied", false, func() { chmodAll(t, dir, 0) }, func() { chmodAll(t, dir, 0o700) })
	noneLeft(t, dir)
}

// openTo gives dir to a user and puts the test binary where that user may run
// it.
func openTo(uid int, top, dir, program string) error {
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(top, 0o755); err != nil {
		return err
	}
	return os.Chown(dir, uid, uid)
}

// chmodAll sets the mode of a directory and of all below it, the outermost last.
func chmodAll(t *testing.T, dir string, mode fs.FileMode) {
	t.Helper()
	if mode&0o100 != 0 { // else what is below cannot be reached
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			chmodAll(t, filepath.Join(dir, e.Name()), mode)
		}
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
}

// TestFullAndReadOnlyDisk serves from a small file system of its own, which
// takes the right to mount one: root's, or that to make a user namespace.
func TestFullAndReadOnlyDisk(t *testing.T) {
	h, err := startHelper(t, t.TempDir(), func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "FIRN_E2E_MOUNT=1")
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
	})
	if err != nil {
		t.Skipf("NOT TESTED ON A FULL AND ON A READ-ONLY DISK: no file system can be mounted here: %v", err)
	}
	h.do(t, "writable")
	h.createOver(t)
	h.survives(t, "readonly", "read-only file system", true, func() { h.do(t, "readonly") }, func() { h.do(t, "writable") })
	h.survives(t, "full", "no space left", true, func() { h.do(t, "fill") }, func() { h.do(t, "free") })
}

// TestFolderMovedAndBack renames the folder under a server, which holds on to
// it: what is acknowledged meanwhile is in it when it comes back.
func TestFolderMovedAndBack(t *testing.T) {
	top := t.TempDir()
	dir, away := filepath.Join(top, "bucket"), filepath.Join(top, "away")
	s := serve(t, open(t, "file://"+dir))
	s.createOver(t)
	s.mustAppend(t, "before", "")
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	s.mustAppend(t, "meanwhile", "")
	s.query(t)
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	s.mustAppend(t, "after", "")
	other := serve(t, open(t, "file://"+dir))
	other.ledger = s.ledger
	other.query(t)
}

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/firnlog/firn/layout/store"
)

// helperDir names, in the environment, the directory that a process serves.
const helperDir = "FIRN_E2E_DIR"

// TestMain makes the test binary a server too, whose disk can be made to fail
// without harm to the tests.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		if err := help(dir); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// help serves the folder below dir, prints its URL, and carries out commands
// from standard input until that ends.
func help(dir string) error {
	signal.Ignore(syscall.SIGXFSZ) // a write beyond the limit fails, and ends nothing
	if os.Getenv("FIRN_E2E_MOUNT") != "" {
		// In a mount namespace of its own; read-only, so that no file is open
		// for writing, which would keep the file system from becoming so later.
		if err := syscall.Mount("firn", dir, "tmpfs", syscall.MS_RDONLY, "size=4m"); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	s, err := store.Open(context.Background(), "file://"+dir)
	if err != nil {
		return err
	}
	srv := httptest.NewServer(surface(s))
	defer srv.Close()
	fmt.Println(srv.URL)
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		if err := command(dir, commands.Text()); err != nil {
			return fmt.Errorf("%s: %w", commands.Text(), err)
		}
		fmt.Println("done")
	}
	return nil
}

// command changes what the process can write.
func command(dir, text string) error {
	name, arg, _ := strings.Cut(text, " ")
	ballast := filepath.Join(dir, ".ballast")
	switch name {
	case "limit": // bytes of a file
		n, err := strconv.ParseUint(arg, 10, 63)
		if err != nil {
			return err
		}
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		limit.Cur = min(n, limit.Max)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	case "fill":
		f, err := os.Create(ballast)
		if err != nil {
			return err
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		return nil
	case "free":
		return os.Remove(ballast)
	case "readonly":
		return syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	case "writable":
		return syscall.Mount("", dir, "", syscall.MS_REMOUNT, "")
	}
	return errors.New("unknown command")
}

// helper is a server in a process of its own.
type helper struct {
	*server
	in  io.Writer
	out *bufio.Reader
}

// startHelper starts a server on dir, with changes to its process. It ends with
// the test. The error is that of starting it or what it says of itself.
func startHelper(t *testing.T, dir string, change func(*exec.Cmd)) (*helper, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	change(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	h := &helper{&server{ledger: newLedger()}, in, bufio.NewReader(out)}
	line, err := h.out.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://") {
		return nil, fmt.Errorf("the process says %q (%v)", line, err)
	}
	h.url = strings.TrimSpace(line)
	return h, nil
}

// do has the process carry out a command.
func (h *helper) do(t *testing.T, command string) {
	t.Helper()
	if _, err := fmt.Fprintln(h.in, command); err != nil {
		t.Fatal(err)
	}
	if line, err := h.out.ReadString('\n'); line != "done\n" {
		t.Fatalf("%s: the process says %q (%v)", command, line, err)
	}
}

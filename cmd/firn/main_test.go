package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary work as the program too: under the name firn,
// which is in the PATH of all tests.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", quickEnd)
	testscript.Main(m, map[string]func(){"firn": main})
}

// quickEnd has programs with the race detector end at once, not after a second.
const quickEnd = "atexit_sleep_ms=0"

// TestScripts runs the scripts that say themselves where the events lie.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: scriptCommands, Setup: prepareScript})
}

// TestBothWays runs the scripts that hold alike for a bucket and for a server.
func TestBothWays(t *testing.T) {
	t.Run("bucket", func(t *testing.T) {
		testscript.Run(t, testscript.Params{Dir: "testdata/script/both", Cmds: scriptCommands, Setup: func(env *testscript.Env) error {
			env.Setenv("FIRN_BUCKET", "file://"+filepath.Join(env.WorkDir, "bucket"))
			return prepareScript(env)
		}})
	})
	t.Run("server", func(t *testing.T) {
		testscript.Run(t, testscript.Params{Dir: "testdata/script/both", Cmds: scriptCommands, Setup: func(env *testscript.Env) error {
			p, err := startServer(env.WorkDir, env.Vars, "--bucket", "file://bucket")
			if err != nil {
				return err
			}
			env.Defer(p.kill)
			env.Setenv("FIRN_SERVER", p.url)
			return prepareScript(env)
		}})
	})
}

// processes are the servers of a script by the names of their variables.
type processes map[string]*process

func prepareScript(env *testscript.Env) error {
	env.Values["servers"] = processes{}
	env.Setenv("GORACE", quickEnd)
	return os.MkdirAll(filepath.Join(env.WorkDir, "bucket"), 0o755)
}

var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":   exits,
	"server":  server,
	"halt":    halt,
	"readenv": readenv,
}

// readenv VARIABLE FILE sets a variable to a file's first line.
func readenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: readenv VARIABLE FILE")
	}
	line, _, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	ts.Setenv(args[0], line)
}

// exits STATUS PROGRAM ARGUMENT… runs a program that must end with the status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		failed, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = failed.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// server VARIABLE ARGUMENT… starts firn serve on a free port, waits until it is
// ready and sets the variable to its URL.
func server(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: server VARIABLE ARGUMENT…")
	}
	env := append(os.Environ(), "HOME=/no-home")
	p, err := startServer(ts.Getenv("WORK"), env, args[1:]...)
	ts.Check(err)
	ts.Defer(p.kill)
	ts.Setenv(args[0], p.url)
	ts.Value("servers").(processes)[args[0]] = p
}

// halt VARIABLE asks a server to stop, which must then end with success, and
// puts what it wrote into the files VARIABLE.out and VARIABLE.err.
func halt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: halt VARIABLE")
	}
	p := ts.Value("servers").(processes)[args[0]]
	if p == nil {
		ts.Fatalf("there is no server %s", args[0])
	}
	err := p.stop()
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), p.stdout.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), p.stderr.Bytes(), 0o644))
	if err != nil {
		ts.Fatalf("the server ended with %v: %s", err, p.stderr.Bytes())
	}
}

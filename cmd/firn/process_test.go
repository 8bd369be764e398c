package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"syscall"
)

// process is a running firn.
type process struct {
	url            string // where it serves, once it is ready
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer  // to be read once it has ended
	first          chan string   // its first line of output, whole or not
	ended          chan struct{} // closed when it has
	err            error         // how it ended
}

var readyLine = regexp.MustCompile(`^firn is ready on (http://127\.0\.0\.1:\d+) \(bucket \S+\)\n$`)

// start runs firn with some arguments in a directory. It ends with this process
// at the latest.
func start(dir string, env []string, args ...string) (*process, error) {
	p := &process{first: make(chan string, 1), ended: make(chan struct{})}
	p.cmd = exec.Command("firn", args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, env, &p.stderr
	endWithParent(p.cmd)
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		out := bufio.NewReader(io.TeeReader(pipe, &p.stdout))
		line, _ := out.ReadString('\n')
		p.first <- line
		_, _ = io.Copy(io.Discard, out)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// startServer runs firn serve in a directory, on a free port, and returns once
// its ready line is there.
func startServer(dir string, env []string, args ...string) (*process, error) {
	p, err := start(dir, env, serverArgs(args...)...)
	if err != nil {
		return nil, err
	}
	return p, p.ready()
}

// serverArgs returns the arguments of a server on a free port.
func serverArgs(args ...string) []string {
	return append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)
}

// ready waits for the ready line of a server. One that prints something else is
// ended.
func (p *process) ready() error {
	line := <-p.first
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		p.kill()
		return fmt.Errorf("the server printed %q and on standard error %q", line, p.stderr.Bytes())
	}
	p.url = m[1]
	return nil
}

// stop asks the process to stop and returns how it ended.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// kill ends the process at once, as a crash would, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

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

// process is a running firn serve.
type process struct {
	url            string // where it serves
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer  // to be read once it has ended
	ended          chan struct{} // closed when it has
	err            error         // how it ended
}

var readyLine = regexp.MustCompile(`^firn is ready on (http://127\.0\.0\.1:\d+) \(bucket \S+\)\n$`)

// startServer runs firn serve in a directory, on a free port, and returns once
// its ready line is there. It ends with this process at the latest.
func startServer(dir string, env []string, args ...string) (*process, error) {
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command("firn", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, env, &p.stderr
	endWithParent(p.cmd)
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	out := bufio.NewReader(io.TeeReader(pipe, &p.stdout))
	first, readErr := out.ReadString('\n')
	go func() {
		defer close(p.ended)
		_, _ = io.Copy(io.Discard, out)
		p.err = p.cmd.Wait()
	}()
	m := readyLine.FindStringSubmatch(first)
	if m == nil {
		p.kill()
		return nil, fmt.Errorf("the server printed %q (%v) and on standard error %q", first, readErr, p.stderr.Bytes())
	}
	p.url = m[1]
	return p, nil
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

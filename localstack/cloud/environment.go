//go:build unix

package cloud

import (
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// environment is a process that serves the invocations of a function, one at a
// time.
type environment struct {
	id       string
	function *Function
	cmd      *exec.Cmd
	work     chan *invocation
	ready    chan struct{} // closed when it asks for its first invocation
	dead     chan struct{} // closed when the process has ended
	began    time.Time

	mu      sync.Mutex
	up      bool          // ready is closed
	init    time.Duration // from the start to ready
	current *invocation
}

// invocation is one call of a function.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	once     sync.Once
	answered chan struct{} // closed when result and err are set
	result   Answer
	err      error
}

// Answer is what a function says.
type Answer struct {
	Body     io.ReadCloser
	Streamed bool // Body begins with status and header
	Cold     bool // the environment was started for this invocation
}

// answer gives the first answer to whoever waits; others are dropped.
func (in *invocation) answer(a Answer, err error) {
	in.once.Do(func() {
		in.result, in.err = a, err
		close(in.answered)
	})
}

// start runs the function's program. What it prints goes to the function's log.
func (e *environment) start(rt *runtime) error {
	e.cmd = exec.Command(e.function.Program)
	e.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + rt.address + "/" + e.id,
		"AWS_LAMBDA_FUNCTION_NAME=" + e.function.Name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST"}, e.function.Env...)
	e.cmd.Stdout, e.cmd.Stderr = e.function.Log, e.function.Log
	endWithParent(e.cmd)
	e.began = time.Now()
	rt.add(e)
	if err := e.cmd.Start(); err != nil {
		rt.remove(e)
		return err
	}
	go func() {
		_ = e.cmd.Wait()
		rt.remove(e)
		e.function.gone(e)
		close(e.dead)
	}()
	return nil
}

// idle is called when the process asks for an invocation: it is frozen until
// there is one.
func (e *environment) idle() {
	if e.first() {
		return // whoever started it has work for it
	}
	e.signal(syscall.SIGSTOP)
	e.function.free(e)
}

// first notes that no invocation is under way, and reports whether there was none
// before.
func (e *environment) first() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current = nil
	if e.up {
		return false
	}
	e.up, e.init = true, time.Since(e.began)
	close(e.ready)
	return true
}

// give hands the process an invocation and thaws it.
func (e *environment) give(in *invocation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current = in
	e.signal(syscall.SIGCONT)
	e.work <- in // has room for one
}

// invocation returns the current one if that is its id.
func (e *environment) invocation(id string) *invocation {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || e.current.id != id {
		return nil
	}
	return e.current
}

// busy reports whether an invocation is under way.
func (e *environment) busy() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current != nil
}

func (e *environment) signal(s syscall.Signal) { _ = e.cmd.Process.Signal(s) } // who has ended hears none

// kill ends the process at once.
func (e *environment) kill() {
	e.signal(syscall.SIGKILL)
	<-e.dead
}

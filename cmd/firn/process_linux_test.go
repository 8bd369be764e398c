package main

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the process when the test's thread ends, so
// that a test binary that is killed leaves nothing behind.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

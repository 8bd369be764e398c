package cloud

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the process when this one dies before it can.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

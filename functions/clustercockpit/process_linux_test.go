package clustercockpit

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the process when the test binary dies before
// it can, as on a test's time-out.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

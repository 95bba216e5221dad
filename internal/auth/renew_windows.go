package auth

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/windows"
)

// startDetached starts a command without our console and, where that is allowed, outside our job: hosts end a job with
// all that is in it.
func startDetached(command func() *exec.Cmd) (*exec.Cmd, error) {
	const detached = windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS
	cmd := command()
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: detached | windows.CREATE_BREAKAWAY_FROM_JOB}
	if cmd.Start() == nil {
		return cmd, nil
	}
	cmd = command()
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: detached}
	return cmd, cmd.Start()
}

// ignoreSignals ignores what a console sends.
func ignoreSignals() {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
}

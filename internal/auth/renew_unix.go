//go:build unix

package auth

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// startDetached starts a command in a session of its own: what ends our session or our process group does not reach it.
func startDetached(command func() *exec.Cmd) (*exec.Cmd, error) {
	cmd := command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// ignoreSignals ignores what a host or a terminal sends, and the death of whoever waits for the result.
func ignoreSignals() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
}

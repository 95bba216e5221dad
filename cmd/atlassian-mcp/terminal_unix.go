//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// unlimitLines makes the terminal hand over each byte as it is typed. Else it cuts lines off at 1024 bytes on macOS, and at 4096
// on Linux, which is too little for the codes of some servers. That it can't is no reason to do without.
func unlimitLines(terminal *os.File) {
	mode, err := unix.IoctlGetTermios(int(terminal.Fd()), getTermios)
	if err != nil {
		return
	}
	mode.Lflag &^= unix.ICANON
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	unix.IoctlSetTermios(int(terminal.Fd()), setTermios, mode)
}

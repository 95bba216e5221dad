//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// hideInput makes the terminal not show what is typed.
func hideInput(terminal *os.File) error {
	return changeMode(terminal, func(mode *unix.Termios) { mode.Lflag &^= unix.ECHO })
}

// unlimitLines makes the terminal hand over each byte as it is typed. Else it cuts lines off at 1024 bytes on macOS, and at 4096
// on Linux, which is too little for the codes of some servers.
func unlimitLines(terminal *os.File) error {
	return changeMode(terminal, func(mode *unix.Termios) {
		mode.Lflag &^= unix.ICANON
		mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	})
}

func changeMode(terminal *os.File, change func(*unix.Termios)) error {
	mode, err := unix.IoctlGetTermios(int(terminal.Fd()), getTermios)
	if err != nil {
		return err
	}
	change(mode)
	return unix.IoctlSetTermios(int(terminal.Fd()), setTermios, mode)
}

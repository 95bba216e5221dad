package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// hideInput makes the console not show what is typed.
func hideInput(terminal *os.File) error {
	var mode uint32
	if err := windows.GetConsoleMode(windows.Handle(terminal.Fd()), &mode); err != nil {
		return err
	}
	return windows.SetConsoleMode(windows.Handle(terminal.Fd()), mode&^windows.ENABLE_ECHO_INPUT)
}

// unlimitLines does nothing: the console takes lines of any length that matters.
func unlimitLines(*os.File) error { return nil }

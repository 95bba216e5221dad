//go:build !unix || darwin

package main

import "os"

// openURL shows the person a page. The system starts the browser, so that it has nothing to do with our process group.
func openURL(url string) error { return browse(url) }

// findDisplay has nothing to do: the desktop needs no environment.
func findDisplay() {}

// hasDisplay reports whether a browser would be seen by the person at the terminal.
func hasDisplay() bool { return os.Getenv("SSH_CONNECTION") == "" }

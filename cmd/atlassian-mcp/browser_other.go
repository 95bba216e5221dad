//go:build !unix || darwin

package main

// openURL shows the person a page. The system starts the browser, so that it has nothing to do with our process group.
func openURL(url string) error { return browse(url) }

// findDisplay has nothing to do: the desktop needs no environment.
func findDisplay() {}

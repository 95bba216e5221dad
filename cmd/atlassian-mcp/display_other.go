//go:build !unix || darwin

package main

// findDisplay has nothing to do: the desktop needs no environment.
func findDisplay() {}

package main

import "golang.org/x/sys/windows"

// What the operating system calls a connection that can't be made, and one that is no more.
// The syscall package has made-up numbers for these, which no call returns.
const (
	errInUse           = windows.WSAEADDRINUSE
	errRefused         = windows.WSAECONNREFUSED
	errNetUnreachable  = windows.WSAENETUNREACH
	errHostUnreachable = windows.WSAEHOSTUNREACH
	errReset           = windows.WSAECONNRESET
)

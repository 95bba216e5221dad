//go:build unix

package main

import "syscall"

// What the operating system calls a connection that can't be made, and one that is no more.
const (
	errInUse           = syscall.EADDRINUSE
	errRefused         = syscall.ECONNREFUSED
	errNetUnreachable  = syscall.ENETUNREACH
	errHostUnreachable = syscall.EHOSTUNREACH
	errReset           = syscall.ECONNRESET
)

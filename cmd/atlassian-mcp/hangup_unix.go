//go:build unix

package main

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// watchHangup calls gone when the process at the other end of f closes it or dies. It writes
// and reads nothing to find out, so a client that dies while no answer is due, or no message
// is read, is noticed as well. It watches pipes and sockets only: a terminal sends SIGHUP, and a file has no other end.
// stop ends the watch and waits for it; gone may be called until then.
func watchHangup(f *os.File, gone func()) (stop func()) {
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return func() {}
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return func() {}
	}
	var fd int32 // stays valid, as nobody closes the standard streams
	conn.Control(func(p uintptr) { fd = int32(p) })

	// Closing one end of a pipe wakes a poll of the other.
	wake, stopped, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer wake.Close()
		if waitHangup(fd, int32(wake.Fd())) {
			gone()
		}
	}()
	return func() {
		stopped.Close()
		<-done
	}
}

// waitHangup waits until nobody is at the other end of fd any more, and returns true, or until the other
// end of wake is closed, and returns false.
func waitHangup(fd, wake int32) bool {
	// No events are asked for. POLLHUP and POLLERR are reported anyhow; Linux says POLLERR
	// for a pipe and POLLHUP for a socket.
	fds := []unix.PollFd{{Fd: fd}, {Fd: wake}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	}
}

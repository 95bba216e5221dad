//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// waitExit waits until parent, which has started this process, ends, and returns true; or until ctx is done, and returns false.
func waitExit(ctx context.Context, parent int) bool {
	queue, err := unix.Kqueue()
	if err != nil {
		return pollParent(ctx, parent)
	}
	defer unix.Close(queue)
	unix.CloseOnExec(queue)
	// Closing one end of a pipe is an event at the other.
	wake, stopped, err := os.Pipe()
	if err != nil {
		return pollParent(ctx, parent)
	}
	defer wake.Close()
	defer stopped.Close()
	defer context.AfterFunc(ctx, func() { stopped.Close() })()
	changes := make([]unix.Kevent_t, 2)
	unix.SetKevent(&changes[0], parent, unix.EVFILT_PROC, unix.EV_ADD)
	changes[0].Fflags = unix.NOTE_EXIT
	unix.SetKevent(&changes[1], int(wake.Fd()), unix.EVFILT_READ, unix.EV_ADD)
	if _, err := unix.Kevent(queue, changes, nil, nil); err != nil { // it has ended, or is not to be watched
		return pollParent(ctx, parent)
	}
	if os.Getppid() != parent {
		return true // and what is watched is another process, perhaps
	}
	events := make([]unix.Kevent_t, 1)
	for {
		n, err := unix.Kevent(queue, nil, events, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return pollParent(ctx, parent)
		}
		return n == 1 && events[0].Filter == unix.EVFILT_PROC
	}
}

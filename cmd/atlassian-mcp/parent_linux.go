package main

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// waitExit waits until parent, which has started this process, ends, and returns true; or until ctx is done, and returns false. The signal that Linux
// has for this (PR_SET_PDEATHSIG) is of no use: it comes when the thread ends that started this process, and it can't be told from a person's.
func waitExit(ctx context.Context, parent int) bool {
	fd, err := unix.PidfdOpen(parent, unix.PIDFD_NONBLOCK)
	if err != nil { // before Linux 5.10, or in a container that forbids it
		return pollParent(ctx, parent)
	}
	file := os.NewFile(uintptr(fd), "parent")
	defer file.Close()
	if os.Getppid() != parent {
		return true // and the file is that of another process, perhaps
	}
	defer context.AfterFunc(ctx, func() { file.Close() })()
	conn, err := file.SyscallConn()
	if err != nil {
		return pollParent(ctx, parent)
	}
	ended := false
	err = conn.Read(func(uintptr) bool { // which waits without a thread
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		ended = n == 1 && err == nil
		return ended
	})
	if err != nil && ctx.Err() == nil {
		return pollParent(ctx, parent)
	}
	return ended
}

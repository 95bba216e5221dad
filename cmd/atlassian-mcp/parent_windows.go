package main

import (
	"context"

	"golang.org/x/sys/windows"
)

// waitExit waits until parent, which has started this process, ends, and returns true; or until ctx is done or if that can't be told, and returns
// false.
func waitExit(ctx context.Context, parent int) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE|windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(parent))
	if err != nil {
		return false // it was gone before it could be watched, as launchers are, or is another user's
	}
	defer windows.CloseHandle(process)
	if born(process) >= born(windows.CurrentProcess()) {
		return false // it has only been given the number
	}
	done, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return false
	}
	defer windows.CloseHandle(done)
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		windows.SetEvent(done)
		close(set)
	})
	which, err := windows.WaitForMultipleObjects([]windows.Handle{process, done}, false, windows.INFINITE)
	if !stop() {
		<-set
	}
	return err == nil && which == windows.WAIT_OBJECT_0
}

// born returns when a process was created, in a unit of Windows, 0 if that can't be told.
func born(process windows.Handle) int64 {
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return 0
	}
	return created.Nanoseconds()
}

//go:build unix

package main

import (
	"context"
	"os"
	"time"
)

// pollParent is waitExit where the system can't be asked to tell: a process whose parent ends gets another.
func pollParent(ctx context.Context, parent int) bool {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

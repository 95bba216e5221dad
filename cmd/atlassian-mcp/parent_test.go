package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchParent ends the process that started this one in each of the ways of life of a relay.
func TestWatchParent(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for _, test := range []struct {
		name     string
		ends     bool
		talk     time.Duration // after the end of the parent; zero means never
		orphaned bool
	}{
		{"parent stays", false, 0, false},
		{"client ends", true, 0, true},
		{"launcher ends", true, time.Second, false},
		{"launcher ends, and the client is idle", true, orphanGrace - time.Second, false},
		{"noise comes too late", true, orphanGrace + time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := &countingReader{Reader: strings.NewReader("some words")}
				word := make([]byte, 4)
				in.Read(word) // before the end, which proves nothing
				end, left := make(chan struct{}), false
				orphaned, stop := watchProcess(in, func() { left = true }, func(ctx context.Context) bool {
					select {
					case <-end:
						return true
					case <-ctx.Done():
						return false
					}
				})
				if test.ends {
					close(end)
				}
				if test.talk > 0 {
					time.Sleep(test.talk)
					in.Read(word)
				}
				time.Sleep(time.Hour)
				stop()
				if closed(orphaned) != test.orphaned || left != test.orphaned {
					t.Errorf("orphaned: %v, left: %v, want %v", closed(orphaned), left, test.orphaned)
				}
			})
		})
	}
}

// TestStopWatchParent checks that stop ends a watch of which nothing has come.
func TestStopWatchParent(t *testing.T) {
	orphaned, stop := watchParent(new(countingReader), func() { t.Error("left") })
	stop()
	select {
	case <-orphaned:
		t.Error("the parent of a test has ended")
	default:
	}
}

package main

import (
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// This file notices that the client is gone though standard input stays open, because another process has inherited the other end of it.
//
// The process that started this one need not be the client: a launcher may start it, leave it to an IDE and end on purpose, and then to end with
// the launcher would take the server from under the IDE. What tells the two apart is that a client talks, if only to acknowledge the answer to
// initialize, and that whoever has inherited a pipe by accident never does. So the end of the parent is the end of the input if nothing is
// read in the time after it, and means nothing from then on if something is. A process whose parent is init from the start, in a container
// or because a launcher was faster, is left to the end of its input.

// orphanGrace is how long after the end of the parent somebody may take to say something.
const orphanGrace = 10 * time.Second

// A countingReader counts the reads that found something.
type countingReader struct {
	io.Reader
	n atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.n.Add(1)
	}
	return n, err
}

// watchParent calls leave and closes orphaned when the process that started this one has ended and nobody else uses in. stop ends the watch and
// waits for it.
func watchParent(in *countingReader, leave func()) (orphaned <-chan struct{}, stop func()) {
	parent := os.Getppid()
	return watchProcess(in, leave, func(ctx context.Context) bool {
		return parent > 1 && waitExit(ctx, parent) // 0 is one in another namespace
	})
}

// watchProcess is watchParent for a process whose end ended waits for; it returns false if it can't, or ctx is done.
func watchProcess(in *countingReader, leave func(), ended func(context.Context) bool) (orphaned <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		if !ended(ctx) {
			return
		}
		heard := in.n.Load()
		select {
		case <-time.After(orphanGrace):
		case <-ctx.Done():
			return
		}
		if in.n.Load() == heard {
			leave()
			close(gone)
		}
	})
	return gone, func() {
		cancel()
		watch.Wait()
	}
}

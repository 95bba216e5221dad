package main

import (
	"io"
	"sync"
	"time"
)

// A patientWriter passes on what is written to it without ever waiting for whoever reads: a client that lets our standard error fill up must not
// stop the messages. What doesn't fit into its buffer is left out.
type patientWriter struct {
	w    io.Writer
	done chan struct{} // closed when everything has been passed on

	mu     sync.Mutex // guards the rest
	more   chan struct{}
	text   []byte
	closed bool
}

const (
	// maxUnread is how much may wait to be read, in bytes.
	maxUnread = 256 << 10

	// unreadGrace is how long close waits for a reader. The write that is under way can't be interrupted; it ends with the program.
	unreadGrace = 50 * time.Millisecond
)

// newPatientWriter returns a writer to w, and what is to be called in the end.
func newPatientWriter(w io.Writer) (io.Writer, func()) {
	p := &patientWriter{w: w, done: make(chan struct{}), more: make(chan struct{}, 1)}
	go p.pass()
	return p, p.close
}

func (p *patientWriter) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.text)+len(text) <= maxUnread {
		p.text = append(p.text, text...)
	}
	p.wake()
	return len(text), nil
}

// wake has pass look. p.mu is held.
func (p *patientWriter) wake() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// pass passes on until close.
func (p *patientWriter) pass() {
	defer close(p.done)
	for range p.more {
		p.mu.Lock()
		text, closed := p.text, p.closed
		p.text = nil
		p.mu.Unlock()
		p.w.Write(text)
		if closed {
			return
		}
	}
}

func (p *patientWriter) close() {
	p.mu.Lock()
	p.closed = true
	p.wake()
	p.mu.Unlock()
	select {
	case <-p.done:
	case <-time.After(unreadGrace):
	}
}

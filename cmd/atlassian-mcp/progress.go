package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// progressDelay is how long something takes before it is worth saying that it goes on.
const progressDelay = 400 * time.Millisecond

// A statusLine shows in the last line of a terminal what a command waits for. What else is written to the terminal goes through it, and
// above it. Where there is no terminal it passes on what is written and shows nothing.
type statusLine struct {
	w        io.Writer
	terminal bool
	stop     chan struct{}
	stopped  chan struct{} // closed when the line will not be drawn any more

	mu    sync.Mutex // guards the rest, and w
	what  string     // "" for nothing
	since time.Time  // of what
	until time.Time  // when its time is over; zero if it has none
	drawn bool
}

// newStatusLine returns a status line below what cmd says on standard error. It has to be closed.
func newStatusLine(cmd *cobra.Command) *statusLine {
	l := &statusLine{w: cmd.ErrOrStderr(), stop: make(chan struct{}), stopped: make(chan struct{})}
	if !isTerminalWriter(l.w) || os.Getenv("TERM") == "dumb" {
		close(l.stopped)
		return l
	}
	l.terminal = true
	cmd.SetErr(l)
	go l.run()
	return l
}

// show says what is waited for, "" for nothing.
func (l *statusLine) show(what string) { l.countDown(what, time.Time{}) }

// countDown says what is waited for until when.
func (l *statusLine) countDown(what string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	l.what, l.since, l.until = what, time.Now(), until
}

// detail adds to what is waited for.
func (l *statusLine) detail(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.what != "" {
		l.what = what
		l.draw()
	}
}

// Write writes above the line.
func (l *statusLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	return l.w.Write(text)
}

// close removes the line. It may be called again.
func (l *statusLine) close() {
	l.show("")
	if !l.terminal {
		return
	}
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	<-l.stopped
}

func (l *statusLine) run() {
	defer close(l.stopped)
	tick := time.NewTicker(progressDelay)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			if l.what != "" && time.Since(l.since) >= progressDelay {
				l.draw()
			}
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// draw draws the line. l.mu is held.
func (l *statusLine) draw() {
	if !l.terminal {
		return
	}
	text := fmt.Sprintf("%s, %v", l.what, time.Since(l.since).Truncate(time.Second))
	if !l.until.IsZero() {
		text = fmt.Sprintf("%s, %v left", l.what, max(0, time.Until(l.until)).Round(time.Second))
	}
	if width, ok := terminalWidth(l.w); ok {
		text = cut(text, max(width-1, 10))
	}
	io.WriteString(l.w, "\r"+text+"\x1b[K")
	l.drawn = true
}

// erase removes the line until it is drawn again. l.mu is held.
func (l *statusLine) erase() {
	if l.drawn {
		io.WriteString(l.w, "\r\x1b[K")
		l.drawn = false
	}
}

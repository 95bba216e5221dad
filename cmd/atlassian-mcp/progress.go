package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progressDelay is how long something takes before it is worth saying that it goes on.
const progressDelay = 400 * time.Millisecond

// waiting shows on w, if that is a terminal, what the program is waiting for, in a line that done removes again.
func waiting(w io.Writer, what string) (done func()) {
	if !isTerminalWriter(w) || os.Getenv("TERM") == "dumb" {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		began := time.Now()
		tick := time.NewTimer(progressDelay)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(w, "\r\x1b[K%s, %d s", what, int(time.Since(began).Seconds()))
				shown = true
				tick.Reset(time.Second)
			case <-stop:
				if shown {
					io.WriteString(w, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

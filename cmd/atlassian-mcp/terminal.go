package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal returns r as a file, and whether that is a terminal.
func terminal(r io.Reader) (*os.File, bool) {
	f, ok := r.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// isTerminal reports whether r is a terminal.
func isTerminal(r io.Reader) bool {
	_, ok := terminal(r)
	return ok
}

// ask asks the person at the terminal in a question and returns what read reads of the answer. It doesn't wait for that any
// longer when ctx is done: nothing can interrupt the read of a terminal, so its goroutine is left behind at the end of the program.
func ask(ctx context.Context, in *os.File, out io.Writer, question string, read func(*os.File) (string, error)) (string, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(in.Fd()), state)
	fmt.Fprint(out, question)
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := read(in)
		answered <- answer{strings.TrimSpace(text), err}
	}()
	select {
	case a := <-answered:
		return a.text, a.err
	case <-ctx.Done():
		io.WriteString(out, "\n")
		return "", context.Cause(ctx)
	}
}

// readSecret reads a line that is not shown.
func readSecret(in *os.File) (string, error) {
	text, err := term.ReadPassword(int(in.Fd()))
	return string(text), err
}

// readLine reads a line. It takes no byte more than that from in.
func readLine(in *os.File) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := in.Read(b); err != nil {
			return "", err
		}
		switch b[0] {
		case '\n':
			return string(line), nil
		case endOfFile:
			return "", io.EOF
		case erase:
			line = line[:max(0, len(line)-1)]
		default:
			line = append(line, b[0])
		}
	}
}

// What a terminal sends for the keys that it acts on itself as long as nobody has called unlimitLines.
const (
	endOfFile = 0x04
	erase     = 0x7f
)

// readAddress reads a line of any length.
func readAddress(in *os.File) (string, error) {
	unlimitLines(in)
	return readLine(in)
}

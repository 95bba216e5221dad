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

// ask asks the person at the terminal in a question and returns the answer. Before that it calls prepare, if that is not nil, whose
// changes to the terminal are undone in the end. It doesn't wait any longer when ctx is done: nothing can interrupt the read of a
// terminal, so its goroutine is left behind at the end of the program.
func ask(ctx context.Context, in *os.File, out io.Writer, question string, prepare func(terminal *os.File) error) (string, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(in.Fd()), state)
	if prepare != nil {
		if err := prepare(in); err != nil {
			return "", err
		}
	}
	fmt.Fprint(out, question)
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := readLine(in)
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

// readLine reads a line from a terminal, and no byte more.
func readLine(terminal *os.File) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := terminal.Read(b); err != nil {
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

// What a terminal sends after unlimitLines for keys that it acts on itself before.
const (
	endOfFile = 0x04
	erase     = 0x7f
)

package jsonrpc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"sync"
)

// MaxMessage is how long a message may be, in bytes, if nobody says otherwise.
const MaxMessage = 256 << 20

// A TooLongError says that a message was longer than the limit. What could be learnt of it is here, so that a request still gets its answer.
type TooLongError struct {
	Limit   int64   // bytes
	Message Message // without Raw
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("message is longer than the limit of %d bytes", e.Limit)
}

// A Reader reads messages that stand on a line each (MCP, "stdio").
type Reader struct {
	r     *bufio.Reader
	limit int64
	begun bool
}

// NewReader returns a Reader that refuses lines of more than limit bytes; 0 means [MaxMessage].
func NewReader(r io.Reader, limit int64) *Reader {
	if limit <= 0 {
		limit = MaxMessage
	}
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), limit: limit}
}

// Read returns the next message. Empty lines are passed over; CRLF, a byte order mark and a last line without a newline are taken.
//
// After a [*SyntaxError] or a [*TooLongError] the Reader goes on with the next line. At the end of the input the error is io.EOF.
func (r *Reader) Read() (Message, error) {
	for {
		line, err := r.line()
		if err != nil {
			return Message{}, err
		}
		if line = trim(line); len(line) > 0 {
			return Parse(line)
		}
	}
}

// line returns a line with its newline, in memory of its own.
func (r *Reader) line() ([]byte, error) {
	if !r.begun {
		r.begun = true
		if first, _ := r.r.Peek(1); string(first) == "\xef" { // a shorter line must not wait for more
			if mark, _ := r.r.Peek(3); string(mark) == "\xef\xbb\xbf" {
				r.r.Discard(3)
			}
		}
	}
	var pieces [][]byte
	var size int64
	for {
		piece, err := r.r.ReadSlice('\n')
		size += int64(len(piece))
		switch {
		case size > r.limit && int64(len(bytes.TrimRight(piece, "\r\n"))) > r.limit-(size-int64(len(piece))):
			return nil, r.skip(pieces, piece, err)
		case err == bufio.ErrBufferFull:
			pieces = append(pieces, bytes.Clone(piece))
			continue
		case err == io.EOF && size > 0, err == nil:
			return bytes.Join(append(pieces, piece), nil), nil
		}
		return nil, err
	}
}

// skip reads the rest of a line that is over the limit, keeping nothing of it but what it is called.
func (r *Reader) skip(pieces [][]byte, piece []byte, err error) error {
	var p Parser
	for _, held := range pieces {
		p.Add(held)
	}
	p.Add(piece)
	for err == bufio.ErrBufferFull {
		piece, err = r.r.ReadSlice('\n')
		p.Add(piece)
	}
	if err != nil && err != io.EOF {
		return err
	}
	m, _ := p.Message(nil) // zero if it is not even JSON
	return &TooLongError{Limit: r.limit, Message: m}
}

// trim removes the end of the line, and a line that is nothing but white space.
func trim(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	return line
}

// A Writer writes messages, a line each. It may be used by several goroutines at once: lines never mix.
type Writer struct {
	mu    sync.Mutex // guards the rest
	w     io.Writer
	lines []byte
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w}
}

// shortLines is the length, in bytes, up to which messages and their newlines are copied together so that they take one write.
const shortLines = 32 << 10

// Write writes each message and a newline, short ones together. Line breaks between the tokens of a message are left out, since they would end the
// line; no other byte changes.
func (w *Writer) Write(messages ...Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = w.lines[:0]
	for _, m := range messages {
		raw := m.Raw
		if m.lines {
			raw = unbroken(raw)
		}
		if len(w.lines)+len(raw) > shortLines {
			if err := w.flush(); err != nil {
				return err
			}
		}
		if len(raw) > shortLines { // not worth a copy
			if _, err := w.w.Write(raw); err != nil {
				return err
			}
			raw = nil
		}
		w.lines = append(append(w.lines, raw...), '\n')
	}
	return w.flush()
}

// flush writes what has been put together. w.mu is held.
func (w *Writer) flush() error {
	if len(w.lines) == 0 {
		return nil
	}
	_, err := w.w.Write(w.lines)
	w.lines = w.lines[:0]
	return err
}

// unbroken returns raw, which is valid JSON, without its line breaks. They can only stand between tokens: in a string they would be escaped.
func unbroken(raw []byte) []byte {
	line := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		n := bytes.IndexAny(raw, "\r\n")
		if n < 0 {
			n = len(raw)
		}
		line = append(line, raw[:n]...)
		raw = bytes.TrimLeft(raw[n:], "\r\n")
	}
	return line
}

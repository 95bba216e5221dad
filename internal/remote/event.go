package remote

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// An event is one server-sent event: what its block of lines said, with nothing carried over from the blocks before it.
type event struct {
	Type     string // "" means "message"
	ID       string // the new last event id, if HasID; "" forgets the one before
	HasID    bool
	Retry    time.Duration // how long to wait before reconnecting, if HasRetry
	HasRetry bool
	Data     []byte // nil if there is no data line; owned by the caller, with capacity for one more byte

	Message jsonrpc.Message // what Data is
	Invalid error           // or why it is none; Message then is what could be learnt of it
}

const (
	eventBuffer    = 4 << 10  // most streams carry one small answer
	eventBufferMax = 64 << 10 // for those that fill the first buffer
	eventFieldMax  = 64 << 10 // longest id that is kept: a longer one fits no Last-Event-ID header
	eventChunkMin  = 512
	eventChunkMax  = 1 << 20

	// eventNameLen bytes are enough to tell the field of a line that goes on beyond them: the longest name we know and its colon,
	// or the shorter "data:" and the space after it.
	eventNameLen = len("event:")

	byteOrderMark = "\uFEFF"
)

// An eventReader splits a text/event-stream into events, as the WHATWG HTML standard says in "Parsing an event stream" and
// "Interpreting an event stream". It differs in one point: data is handed on as it came, also where it isn't UTF-8.
//
// It returns an event as soon as its blank line is there. Whatever the shape of an event, its cost is linear in its size.
type eventReader struct {
	r     io.Reader
	limit int64

	buf      []byte // buf[pos:end] is read but not parsed
	pos, end int
	lf, cr   int   // where the next LF and CR are in buf, end if nowhere; before pos if not known
	err      error // what r said last
	begun    bool  // the byte order mark is behind us
	afterCR  bool  // an LF that comes next belongs to the line before

	// The line and the block that are being read. They outlive next when it gives up on an event that is too large.
	line    eventLine
	value   []byte // of a field other than data that is only partly there
	block   event
	open    bool // the block has a field
	hasData bool
	over    bool // the block's data is over limit
	data    eventData
	parser  jsonrpc.Parser // of data
}

// newEventReader returns a reader of the events in r that takes up to limit bytes of data in each.
func newEventReader(r io.Reader, limit int64) *eventReader {
	return &eventReader{r: r, limit: limit}
}

// tooLarge is the error for a message of more than limit bytes.
type tooLarge struct{ limit int64 }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("message is larger than the limit of %d bytes", e.limit)
}

// An eventLine is what the current line is about.
type eventLine uint8

const (
	lineStart   eventLine = iota
	lineIgnored           // a comment, or nothing we know
	lineData
	lineType
	lineID
	lineRetry
)

// next returns the next event that has data (which may be empty), an id or a retry time.
//
// The error is io.EOF at the end of the stream between two events, io.ErrUnexpectedEOF at the end of the stream inside one, and
// otherwise the reader's own; a cut event is lost. It is a *tooLarge as soon as the data of an event is over the limit: the rest
// of it is then skipped by the next call, which returns what else is known of it without data, if there is anything, or else goes on with
// the event after it.
func (r *eventReader) next() (event, error) {
	for {
		text, ends, err := r.text()
		if err != nil {
			if err == io.EOF && (r.open || r.line != lineStart || r.pos < r.end) {
				err = io.ErrUnexpectedEOF
			}
			return event{}, err
		}
		first := r.line == lineStart
		if first {
			if len(text) == 0 {
				if e, ok := r.dispatch(); ok {
					return e, nil
				}
				continue
			}
			r.line, text = parseEventLine(text)
			r.open = r.open || r.line != lineIgnored
		}
		switch line := r.line; line {
		case lineIgnored:
		case lineData:
			err = r.addData(text, first)
		default:
			r.value = append(r.value, text[:min(len(text), eventFieldMax+2-len(r.value))]...)
			if ends {
				r.set(line, r.value)
				r.value = r.value[:0]
			}
		}
		if ends {
			r.line = lineStart
		}
		if err != nil {
			return event{}, err
		}
	}
}

// text returns the next piece of the current line and whether the line ends with it. The first piece of a line is all of it, or
// at least eventNameLen bytes. It is valid until the next call.
func (r *eventReader) text() (piece []byte, ends bool, err error) {
	need := 1
	if r.line == lineStart {
		need = eventNameLen
	}
	for {
		if r.skipMarks() {
			if i := r.lineEnd(); i < r.end {
				piece = r.buf[r.pos:i]
				r.afterCR = r.buf[i] == '\r'
				r.pos = i + 1
				return piece, true, nil
			}
			if r.end-r.pos >= need {
				piece = r.buf[r.pos:r.end]
				r.pos = r.end
				return piece, false, nil
			}
		}
		if r.err != nil {
			return nil, false, r.err
		}
		r.fill()
	}
}

// skipMarks passes over the byte order mark that may begin the stream and the LF that may follow a CR. It returns false if what
// is read so far doesn't tell.
func (r *eventReader) skipMarks() bool {
	if !r.begun {
		text := r.buf[r.pos:r.end]
		if len(text) < len(byteOrderMark) && strings.HasPrefix(byteOrderMark, string(text)) && r.err == nil {
			return false
		}
		r.begun = true
		if bytes.HasPrefix(text, []byte(byteOrderMark)) {
			r.pos += len(byteOrderMark)
		}
	}
	if r.afterCR && r.pos < r.end {
		if r.buf[r.pos] == '\n' {
			r.pos++
		}
		r.afterCR = false
	}
	return true
}

// lineEnd returns where the first CR or LF is in the buffer, end if nowhere. It remembers both: a search for the one that isn't
// there would cost the rest of the buffer for each line.
func (r *eventReader) lineEnd() int {
	if r.lf < r.pos {
		r.lf = r.find('\n')
	}
	if r.cr < r.pos {
		r.cr = r.find('\r')
	}
	return min(r.lf, r.cr)
}

func (r *eventReader) find(c byte) int {
	if i := bytes.IndexByte(r.buf[r.pos:r.end], c); i >= 0 {
		return r.pos + i
	}
	return r.end
}

// fill reads more into the buffer. Its error, if any, is for when the buffer is used up.
func (r *eventReader) fill() {
	small, left := r.buf, r.buf[r.pos:r.end]
	switch {
	case r.buf == nil:
		r.buf = eventBuffers.Get().(*[eventBuffer]byte)[:]
	case r.end == len(r.buf) && len(r.buf) < eventBufferMax:
		r.buf = make([]byte, eventBufferMax)
	}
	r.pos, r.end = 0, copy(r.buf, left)
	if len(small) != len(r.buf) {
		giveBack(small)
	}
	r.lf, r.cr = -1, -1
	for range 100 { // as in package bufio
		n, err := r.r.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		if n > 0 || err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// eventBuffers are the first buffers of streams that are not read any more: a quarter of what a call allocates.
var eventBuffers = sync.Pool{New: func() any { return new([eventBuffer]byte) }}

// release gives the buffer back. The reader must not be used after that.
func (r *eventReader) release() {
	giveBack(r.buf)
	r.buf = nil
}

func giveBack(buf []byte) {
	if len(buf) == eventBuffer {
		eventBuffers.Put((*[eventBuffer]byte)(buf))
	}
}

// parseEventLine tells the field of a line and returns what follows its name.
func parseEventLine(line []byte) (eventLine, []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "data":
		return lineData, bytes.TrimPrefix(value, []byte(" "))
	case "event":
		return lineType, value
	case "id":
		return lineID, value
	case "retry":
		return lineRetry, value
	}
	return lineIgnored, nil
}

// set applies a line other than data to the block.
func (r *eventReader) set(line eventLine, value []byte) {
	value = bytes.TrimPrefix(value, []byte(" "))
	switch line {
	case lineType:
		switch string(value) {
		case "message": // nearly always: not worth a string each
			r.block.Type = "message"
		default:
			r.block.Type = string(value)
		}
	case lineID:
		if bytes.IndexByte(value, 0) < 0 && len(value) <= eventFieldMax {
			r.block.ID, r.block.HasID = string(value), true
		}
	case lineRetry:
		if len(value) > 0 && !slices.ContainsFunc(value, func(c byte) bool { return c < '0' || c > '9' }) {
			r.block.Retry, r.block.HasRetry = eventRetry(string(value)), true
		}
	}
}

// eventRetry returns the time that digits say, or the longest there is.
func eventRetry(digits string) time.Duration {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(n) * time.Millisecond
}

// addData appends a piece of a data line to the block's data, with LF before the first piece of all lines but the first.
func (r *eventReader) addData(text []byte, first bool) error {
	if r.over {
		r.parser.Add(text)
		return nil
	}
	switch {
	case !r.hasData:
		r.parser.Reset()
		r.hasData = true
	case first:
		r.data.add(lineFeed)
		r.parser.Add(lineFeed)
	}
	if r.data.size+int64(len(text)) > r.limit {
		r.over = true
		r.data = eventData{}
		r.parser.Add(text)
		return &tooLarge{r.limit}
	}
	r.data.add(text)
	r.parser.Add(text)
	return nil
}

var lineFeed = []byte("\n")

// dispatch ends the block. It returns false if there is nothing to tell of it.
func (r *eventReader) dispatch() (event, bool) {
	e := r.block
	ok := e.HasID || e.HasRetry
	if r.hasData && !r.over {
		e.Data = r.data.bytes()
		if len(e.Data) > 0 {
			if e.Message, e.Invalid = r.parser.Message(e.Data); e.Invalid != nil {
				e.Invalid = &messageError{e.Invalid}
			}
		}
		ok = true
	}
	if r.over {
		if e.Message, _ = r.parser.Message(nil); e.Message.ID != "" {
			e.Invalid = &tooLarge{r.limit}
			ok = true
		}
	}
	r.block, r.open, r.hasData, r.over, r.data = event{}, false, false, false, eventData{}
	return e, ok
}

// eventData collects the data of an event in chunks and joins them once, so that the data is never in memory more than twice.
type eventData struct {
	size int64
	full [][]byte
	last []byte
}

func (d *eventData) add(text []byte) {
	for len(text) > 0 {
		if len(d.last) == cap(d.last) {
			if d.last != nil {
				d.full = append(d.full, d.last)
			}
			n := len(text) + 1 // all that a short event needs
			if d.size > 0 {
				n = max(n, eventChunkMin, int(min(d.size, eventChunkMax)))
			}
			d.last = make([]byte, 0, n)
		}
		n := copy(d.last[len(d.last):cap(d.last)], text)
		d.last = d.last[:len(d.last)+n]
		d.size += int64(n)
		text = text[n:]
	}
}

// bytes returns all of the data, with capacity for one more byte.
func (d *eventData) bytes() []byte {
	if len(d.full) == 0 && len(d.last) < cap(d.last) {
		return d.last[: len(d.last) : len(d.last)+1]
	}
	all := make([]byte, 0, d.size+1)
	for _, chunk := range d.full {
		all = append(all, chunk...)
	}
	return append(all, d.last...)
}

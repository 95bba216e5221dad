package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// A stream is an answer of server-sent events (WHATWG HTML, "Server-sent events").
type stream struct {
	control *http.ResponseController

	mu  sync.Mutex // guards w and cut
	w   http.ResponseWriter
	cut bool // to be cut, when all are done with it
}

// newStream begins an answer of events: the client sees at once that there will be one.
func newStream(w http.ResponseWriter) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	st := &stream{w: w, control: http.NewResponseController(w)}
	st.control.Flush()
	return st
}

// event sends an event. Whether the client is still there is not for it to tell.
func (st *stream) event(name string, data []byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.cut {
		return
	}
	fmt.Fprintf(st.w, "event: %s\ndata: %s\n\n", name, data)
	st.control.Flush()
}

// message sends a JSON-RPC message.
func (st *stream) message(v any) { st.event("message", encode(v)) }

// half sends half of a message, and nothing after it.
func (st *stream) half(v any) {
	data := encode(v)
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.cut {
		st.cut = true
		io.Copy(st.w, io.MultiReader(strings.NewReader("event: message\ndata: "), bytes.NewReader(data[:len(data)/2])))
		st.control.Flush()
	}
}

// isCut reports whether half a message was sent.
func (st *stream) isCut() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.cut
}

// end ends the answer: by cutting the connection, if it was cut.
func (st *stream) end() {
	if st.isCut() {
		panic(http.ErrAbortHandler)
	}
}

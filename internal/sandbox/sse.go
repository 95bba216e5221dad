package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// This file is /v1/sse (MCP 2024-11-05, "HTTP with SSE"), which Atlassian has retired.

const ssePath = "/v1/sse"

func acceptsEvents(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// serveSSE opens a session whose every message to the client goes by this stream. The session ends with it.
func (s *Server) serveSSE(w http.ResponseWriter, r *http.Request, p peer) {
	if r.Method != http.MethodGet {
		plain(w, http.StatusNotFound, "Missing sessionId parameter")
		return
	}
	sess := s.open(p)
	p.session = sess
	ctx, left := sess.hear(r.Context())
	defer left()
	news, deaf := s.listen("") // before the client sees its stream
	defer deaf()
	var working sync.WaitGroup
	out := newStream(w)
	defer out.end()
	defer working.Wait()
	defer s.kill(sess.id)
	out.event("endpoint", []byte(ssePath+"/message?sessionId="+sess.id))

	for {
		select {
		case m := <-sess.inbox:
			if !m.isRequest() {
				sess.notified(m)
				continue
			}
			c := sess.begin(s, p, m)
			working.Go(func() {
				c.serve(out)
				if out.isCut() {
					sess.end()
				}
			})
		case method := <-news:
			out.message(notification{mcp.JSONRPC_VERSION, method, nil})
		case <-ctx.Done():
			return
		}
	}
}

// serveSSEMessage takes a message whose answer goes by the stream of its session.
func (s *Server) serveSSEMessage(w http.ResponseWriter, r *http.Request, p peer) {
	id := r.URL.Query().Get("sessionId")
	if r.Method != http.MethodPost || id == "" {
		plain(w, http.StatusNotFound, "Missing sessionId parameter")
		return
	}
	if t := r.Header.Get("Content-Type"); !strings.Contains(t, "application/json") {
		plain(w, http.StatusBadRequest, "Unsupported content-type: "+t)
		return
	}
	body, err := readBody(r)
	if err != nil {
		if errors.Is(err, errTooLarge) {
			plain(w, http.StatusBadRequest, fmt.Sprintf("Request body too large: %d bytes", max(r.ContentLength, maxBody+1)))
		}
		return // or the client has gone
	}
	messages, wrong := parseBody(body)
	if wrong != "" {
		plain(w, http.StatusBadRequest, wrong)
		return
	}
	for _, m := range messages {
		s.record.message(m.Method)
	}
	if p.session = s.session(id, p); p.session == nil || s.lose(p, messages) {
		sessionNotFound(w)
		return
	}
	if s.limit(w, p, messages) {
		return
	}
	for _, m := range messages {
		select {
		case p.session.inbox <- m:
		case <-p.session.ctx.Done():
			sessionNotFound(w)
			return
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "text/event-stream") // sic
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, "Accepted")
}

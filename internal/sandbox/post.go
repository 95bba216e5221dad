package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file is the endpoint of Streamable HTTP (MCP 2025-03-26 to 2025-11-25, "Streamable HTTP"), with the answers of the libraries that
// Atlassian's is built with: batches are taken whatever the version, and errors have no Content-Type of their own.

// maxBody is how many bytes a POST may have.
const maxBody = 4 << 20

// Codes of JSON-RPC errors that those libraries have made up.
const (
	codeRefused         = -32000
	codeSessionNotFound = -32001
)

// A peer is who sent a message, and what they get to see.
type peer struct {
	endpoint endpoint
	grant    *issuer.Grant
	view     rovo.View
	trace    string
	session  *session // nil for 2026-07-28
	client   string   // what the program calls itself, unless its session knows
	address  string   // IP
}

// caller is the peer as tools know it.
func (p peer) caller() rovo.Caller {
	return rovo.Caller{Account: p.grant.Account, Sites: p.grant.Sites, Products: p.grant.Products, Via: rovo.Via(p.grant.Via)}
}

// endpoint lets in those who have signed in.
func (s *Server) endpoint(ep endpoint, serve func(http.ResponseWriter, *http.Request, peer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sameOrigin(r) {
			refuseOrigin(w, r)
			return
		}
		if ep.path == ssePath && s.faults.strikes("sse-retired") {
			plain(w, http.StatusNotFound, "Not Found")
			return
		}
		grant, refusal := s.issuer.Check(r, ep.path)
		if refusal != nil {
			refusal.ServeHTTP(w, r)
			return
		}
		serve(w, r, peer{endpoint: ep, grant: grant, view: viewOf(ep, r), trace: w.Header().Get("Atl-Traceid"), address: addressOf(r)})
	})
}

// viewOf returns what a request's URL asks to see.
func viewOf(ep endpoint, r *http.Request) rovo.View {
	q := r.URL.Query()
	v := rovo.View{V2: ep.v2, All: ep.v2 && q.Get("tools") == "all"}
	if groups := q.Get("capabilities"); groups != "" {
		v.Capabilities = strings.Split(groups, ",")
	}
	return v
}

// refuse answers with a JSON-RPC error that belongs to no request.
func refuse(w http.ResponseWriter, status, code int, message string) {
	plain(w, status, string(encode(struct {
		Error   rpcError        `json:"error"`
		ID      json.RawMessage `json:"id"`
		JSONRPC string          `json:"jsonrpc"`
	}{rpcError{Code: code, Message: message}, json.RawMessage("null"), mcp.JSONRPC_VERSION})))
}

// plain answers with text, which is what JSON errors are called too.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func sessionNotFound(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, codeSessionNotFound, "Session not found")
}

// serveMCP serves an endpoint of Streamable HTTP.
func (s *Server) serveMCP(w http.ResponseWriter, r *http.Request, p peer) {
	id := r.Header.Get(mcp.HeaderSessionID)
	switch {
	case r.Method == http.MethodPost:
		s.servePost(w, r, p)
	case p.endpoint.modern && id == "" && (r.Method == http.MethodGet || r.Method == http.MethodDelete):
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, codeRefused, "Method not allowed")
	case r.Method == http.MethodGet:
		s.serveStream(w, r, p)
	case r.Method == http.MethodDelete:
		s.serveDelete(w, r, p)
	default:
		refuse(w, http.StatusNotFound, codeRefused, "Not found")
	}
}

// servePost takes a message or a batch of them.
func (s *Server) servePost(w http.ResponseWriter, r *http.Request, p peer) {
	messages, ok := receive(w, r)
	if !ok {
		return
	}
	for _, m := range messages {
		s.record.message(m.Method)
	}
	if p.endpoint.modern && len(messages) == 1 && (isModern(r, messages[0]) || s.faults.strikes("modern-only")) {
		s.serveModern(w, r, p, messages[0])
		return
	}

	id := r.Header.Get(mcp.HeaderSessionID)
	initialize := slices.ContainsFunc(messages, isInitialize)
	switch {
	case initialize && id != "":
		refuse(w, http.StatusBadRequest, mcp.INVALID_REQUEST, "Invalid Request: Initialization requests must not include a sessionId")
		return
	case initialize && len(messages) > 1:
		refuse(w, http.StatusBadRequest, mcp.INVALID_REQUEST, "Invalid Request: Only one initialization request is allowed")
		return
	case initialize:
		p.session = s.open(p)
	case id == "":
		refuse(w, http.StatusBadRequest, codeRefused, "Bad Request: Mcp-Session-Id header is required")
		return
	default:
		if p.session = s.session(id, p); p.session == nil || s.lose(p, messages) {
			sessionNotFound(w)
			return
		}
		if s.limit(w, p, messages) {
			return
		}
		if v := r.Header.Get(mcp.HeaderProtocolVersion); v != "" && !isLegacyVersion(v) {
			refuse(w, http.StatusBadRequest, codeRefused, "Bad Request: Unsupported protocol version (supported versions: "+
				strings.Join(mcp.LegacyProtocolVersions(), ", ")+")")
			return
		}
	}
	s.serveMessages(w, p, messages)
}

// receive reads the messages of a POST, or answers what is wrong with it.
func receive(w http.ResponseWriter, r *http.Request) (messages []message, ok bool) {
	accept := r.Header.Get("Accept")
	if !strings.Contains(accept, "application/json") || !strings.Contains(accept, "text/event-stream") {
		refuse(w, http.StatusNotAcceptable, codeRefused, "Not Acceptable: Client must accept both application/json and text/event-stream")
		return nil, false
	}
	if !strings.Contains(r.Header.Get("Content-Type"), "application/json") {
		refuse(w, http.StatusUnsupportedMediaType, codeRefused, "Unsupported Media Type: Content-Type must be application/json")
		return nil, false
	}
	body, err := readBody(r)
	if errors.Is(err, errTooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, codeRefused, fmt.Sprintf("Request body too large. Maximum size is %d bytes", maxBody))
	}
	if err != nil {
		return nil, false // nobody is there for an answer
	}
	messages, wrong := parseBody(body)
	if wrong != "" {
		refuse(w, http.StatusBadRequest, mcp.PARSE_ERROR, wrong)
	}
	return messages, wrong == ""
}

// serveMessages answers messages that belong to a session.
func (s *Server) serveMessages(w http.ResponseWriter, p peer, messages []message) {
	var calls []*call
	for _, m := range messages {
		if m.isRequest() {
			calls = append(calls, p.session.begin(s, p, m))
		} else {
			p.session.notified(m)
		}
	}
	if len(calls) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set(mcp.HeaderSessionID, p.session.id)
	out := newStream(w)
	var wg sync.WaitGroup
	for _, c := range calls {
		wg.Go(func() { c.serve(out) })
	}
	wg.Wait()
	out.end()
}

// limit answers 429 if the messages have a tool call and such calls are limited.
func (s *Server) limit(w http.ResponseWriter, p peer, messages []message) bool {
	if !hasCall(messages) {
		return false
	}
	seconds := s.faults.limited(time.Now())
	if seconds == 0 {
		return false
	}
	s.stopped(p, messages, http.StatusTooManyRequests)
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	w.WriteHeader(http.StatusTooManyRequests)
	return true
}

// lose ends the peer's session if the messages have a tool call and it is this call's fate to find none.
func (s *Server) lose(p peer, messages []message) bool {
	if !hasCall(messages) || !s.faults.every("session-loss") {
		return false
	}
	s.stopped(p, messages, http.StatusNotFound)
	s.kill(p.session.id)
	return true
}

// stopped notes the tool calls among messages, which have met an HTTP status.
func (s *Server) stopped(p peer, messages []message, status int) {
	for _, m := range messages {
		var params toolParams
		if m.Method == string(mcp.MethodToolsCall) && json.Unmarshal(m.Params, &params) == nil {
			noted := s.note(p, m, params)
			noted.Status = strconv.Itoa(status)
			s.record.call(noted)
		}
	}
}

func hasCall(messages []message) bool {
	return slices.ContainsFunc(messages, func(m message) bool { return m.Method == string(mcp.MethodToolsCall) })
}

var errTooLarge = errors.New("body too large")

// readBody reads the body of r. It is errTooLarge if it has more than maxBody bytes.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		// Many clients read no answer before they have sent everything.
		io.CopyN(io.Discard, r.Body, 16*maxBody)
		return nil, errTooLarge
	}
	return body, err
}

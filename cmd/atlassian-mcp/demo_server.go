package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the remote server of the demo, on net/http: with mcp-go's it would be shorter, and every relay slower to start
// (see TestLinked).

// A demoServer is an MCP server with three tools and a resource, for one client. It speaks Streamable HTTP (MCP 2025-11-25,
// "Transports"), has a session, and answers each request by an event stream.
type demoServer struct {
	URL string

	session string // the ID of its one session
	open    atomic.Bool
	http    http.Server
	done    chan struct{} // closed when http has ended
}

const (
	demoResource = "demo://about"
	demoText     = "This text came from the server, through the relay."
)

// startDemoServer starts a demoServer on a free port of the loopback interface.
func startDemoServer() (*demoServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &demoServer{
		URL:     "http://" + l.Addr().String() + "/mcp",
		session: rand.Text(),
		done:    make(chan struct{}),
	}
	mux := http.NewServeMux() // answers 405 to a GET: nothing is sent unasked
	mux.HandleFunc("POST /mcp", s.post)
	mux.HandleFunc("DELETE /mcp", s.delete)
	s.http.Handler = http.NewCrossOriginProtection().Handler(mux) // no web page is to talk to it (MCP 2025-11-25, "Security Warning")
	s.http.ReadHeaderTimeout = 10 * time.Second
	go func() {
		defer close(s.done)
		s.http.Serve(l) // returns when closed
	}()
	return s, nil
}

// Close stops the server and waits until it has stopped.
func (s *demoServer) Close() {
	s.http.Close()
	<-s.done
}

// Open reports whether the session is open.
func (s *demoServer) Open() bool { return s.open.Load() }

// post takes a message from the client.
func (s *demoServer) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m, err := jsonrpc.Parse(body)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case m.Method == string(mcp.MethodInitialize):
		s.open.Store(true)
		w.Header().Set(mcp.HeaderSessionID, s.session)
		s.answer(w, m)
	case !s.has(r):
		http.Error(w, "no such session", http.StatusNotFound)
	case m.Kind == jsonrpc.Request:
		s.answer(w, m)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// delete ends the session.
func (s *demoServer) delete(w http.ResponseWriter, r *http.Request) {
	if !s.has(r) {
		http.Error(w, "no such session", http.StatusNotFound)
		return
	}
	s.open.Store(false)
	w.WriteHeader(http.StatusNoContent)
}

// has reports whether r belongs to the open session.
func (s *demoServer) has(r *http.Request) bool {
	return s.Open() && r.Header.Get(mcp.HeaderSessionID) == s.session
}

// answer answers the request m.
func (s *demoServer) answer(w http.ResponseWriter, m jsonrpc.Message) {
	w.Header().Set("Content-Type", "text/event-stream")
	a := demoAnswer{w, m.ID}
	switch params := jsonrpc.Lookup(m.Raw, "params"); mcp.MCPMethod(m.Method) {
	case mcp.MethodInitialize:
		a.result(map[string]any{
			"protocolVersion": mcp.LATEST_LEGACY_PROTOCOL_VERSION,
			"serverInfo":      mcp.Implementation{Name: "demo-server", Version: "1.0.0"},
			"capabilities":    map[string]any{"tools": struct{}{}, "resources": struct{}{}},
		})
	case mcp.MethodPing:
		a.result(struct{}{})
	case mcp.MethodToolsList:
		a.result(mcp.ListToolsResult{Tools: demoTools()})
	case mcp.MethodToolsCall:
		var call mcp.CallToolRequest
		if err := json.Unmarshal(params, &call.Params); err != nil {
			a.refuse(jsonrpc.CodeInvalidParams, err.Error())
			return
		}
		callDemoTool(a, call)
	case mcp.MethodResourcesList:
		a.result(mcp.ListResourcesResult{Resources: []mcp.Resource{mcp.NewResource(demoResource, "about", mcp.WithMIMEType("text/plain"))}})
	case mcp.MethodResourcesRead:
		if uri, _ := jsonrpc.Text(jsonrpc.Lookup(params, "uri")); uri != demoResource {
			a.refuse(jsonrpc.CodeInvalidParams, fmt.Sprintf("there is no resource %q", uri))
			return
		}
		about := mcp.TextResourceContents{URI: demoResource, MIMEType: "text/plain", Text: demoText}
		a.result(mcp.ReadResourceResult{Contents: []mcp.ResourceContents{about}})
	default:
		a.refuse(jsonrpc.CodeMethodNotFound, fmt.Sprintf("there is no method %q", m.Method))
	}
}

func demoTools() []mcp.Tool {
	return []mcp.Tool{
		mcp.NewTool("echo", mcp.WithDescription("Returns its text."), mcp.WithString("text", mcp.Required())),
		mcp.NewTool("add", mcp.WithDescription("Adds two numbers."),
			mcp.WithNumber("a", mcp.Required()), mcp.WithNumber("b", mcp.Required())),
		mcp.NewTool("countdown", mcp.WithDescription("Reports its progress."), mcp.WithNumber("from", mcp.Required())),
	}
}

func callDemoTool(a demoAnswer, call mcp.CallToolRequest) {
	switch call.Params.Name {
	case "echo":
		a.result(mcp.NewToolResultText(call.GetString("text", "")))
	case "add":
		a.result(mcp.NewToolResultText(fmt.Sprint(call.GetFloat("a", 0) + call.GetFloat("b", 0))))
	case "countdown":
		from := call.GetInt("from", 0)
		if meta := call.Params.Meta; meta != nil && meta.ProgressToken != nil { // it wants to be told
			for i := range from {
				a.progress(mcp.ProgressNotificationParams{ProgressToken: meta.ProgressToken, Progress: float64(i + 1), Total: float64(from)})
			}
		}
		a.result(mcp.NewToolResultText("lift-off"))
	default:
		a.refuse(jsonrpc.CodeInvalidParams, fmt.Sprintf("there is no tool %q", call.Params.Name))
	}
}

// A demoAnswer is the event stream that answers one request. The response is its last event.
type demoAnswer struct {
	w  http.ResponseWriter
	id jsonrpc.ID
}

func (a demoAnswer) progress(p mcp.ProgressNotificationParams) {
	a.event(map[string]any{"jsonrpc": mcp.JSONRPC_VERSION, "method": mcp.MethodNotificationProgress, "params": p})
}

func (a demoAnswer) result(v any) {
	a.event(mcp.NewJSONRPCResultResponse(mcp.NewRequestId(json.RawMessage(a.id)), v))
}

func (a demoAnswer) refuse(code int, message string) {
	a.event(mcp.NewJSONRPCError(mcp.NewRequestId(json.RawMessage(a.id)), code, message, nil))
}

func (a demoAnswer) event(message any) {
	data, err := json.Marshal(message)
	if err != nil {
		panic(err) // can't be: all that it is called with has a JSON form
	}
	fmt.Fprintf(a.w, "event: message\ndata: %s\n\n", data)
	http.NewResponseController(a.w).Flush()
}

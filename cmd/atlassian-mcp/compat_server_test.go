package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// A wireServer is an MCP server, and an authorization server, that remembers how the last request of each kind looked: of register, authorize,
// token, device and metadata, and of MCP the method of the message. Whoever has signed in, or calls itself "static", is let in.
type wireServer struct {
	*httptest.Server
	open bool // nobody has to sign in

	mu    sync.Mutex // guards the rest
	first string     // request, such as "POST /mcp"
	seen  map[string]*wireRequest
	count map[string]int
}

// A wireRequest is what a server has got.
type wireRequest struct {
	method  string
	header  http.Header
	form    url.Values
	members map[string]json.RawMessage // of a body that is JSON
}

func newWireServer(t *testing.T, open bool) *wireServer {
	s := &wireServer{open: open, seen: make(map[string]*wireRequest), count: make(map[string]int)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s
}

// got returns what the last request of a kind had under a name: a parameter, a member or a header. It is "none" without one, and "no request".
func (s *wireServer) got(kind, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.seen[kind]
	if r == nil {
		return "no request"
	}
	switch member, ok := r.members[name]; {
	case name == "method":
		return r.method
	case ok:
		return string(member)
	case r.form.Has(name):
		return r.form.Get(name)
	case r.header.Values(name) != nil:
		return strings.Join(r.header.Values(name), " AND ")
	}
	return "none"
}

func (s *wireServer) counted(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[kind]
}

// asked returns the first request.
func (s *wireServer) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

func (s *wireServer) serve(w http.ResponseWriter, r *http.Request) {
	got := &wireRequest{method: r.Method, header: r.Header}
	kind := strings.TrimPrefix(r.URL.Path, "/")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		body, _ := io.ReadAll(r.Body)
		json.Unmarshal(body, &got.members)
	} else {
		r.ParseForm()
		got.form = r.Form
	}
	switch {
	case strings.HasPrefix(kind, ".well-known/"):
		kind = "metadata"
	case kind == "mcp" && r.Method == http.MethodPost:
		json.Unmarshal(got.members["method"], &kind)
	case kind == "mcp":
		kind = r.Method
	}
	s.mu.Lock()
	if s.first == "" {
		s.first = r.Method + " " + r.URL.Path
	}
	s.seen[kind] = got
	s.count[kind]++
	s.mu.Unlock()
	switch {
	case r.URL.Path == "/mcp":
		s.mcp(w, r, kind, got.members["id"])
	case kind == "metadata" && strings.Contains(r.URL.Path, "protected"):
		writeJSON(w, http.StatusOK, map[string]any{"resource": s.URL + "/mcp", "authorization_servers": []string{s.URL}})
	case kind == "metadata":
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
			"registration_endpoint": s.URL + "/register", "device_authorization_endpoint": s.URL + "/device",
			"code_challenge_methods_supported": []string{"S256"}, "client_id_metadata_document_supported": true,
		})
	case kind == "register":
		writeJSON(w, http.StatusCreated, map[string]any{"client_id": "registered", "token_endpoint_auth_method": "none"})
	case kind == "authorize":
		back := url.Values{"state": {got.form.Get("state")}, "code": {"code"}}
		http.Redirect(w, r, got.form.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	case kind == "device":
		writeJSON(w, http.StatusOK, map[string]any{"device_code": "d", "user_code": "AB-CD", "verification_uri": s.URL + "/enter", "expires_in": 600, "interval": 1})
	case kind == "token":
		writeJSON(w, http.StatusOK, map[string]any{"access_token": "good", "token_type": "Bearer", "expires_in": 3600})
	default:
		http.NotFound(w, r)
	}
}

// mcp answers a message. Calls of the tools "hang" and "stall" have an answer that does not begin, or not go on.
func (s *wireServer) mcp(w http.ResponseWriter, r *http.Request, method string, id json.RawMessage) {
	authorization := r.Header.Get("Authorization")
	switch {
	case !s.open && authorization != "Bearer good" && !strings.Contains(authorization, "static"):
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+s.URL+`/.well-known/oauth-protected-resource/mcp"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case id == nil:
		w.WriteHeader(http.StatusAccepted)
		return
	}
	tool := s.got("tools/call", "params")
	result := map[string]any{}
	switch {
	case method == "initialize":
		http.SetCookie(w, &http.Cookie{Name: "backend", Value: "7"})
		result = map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}, "prompts": map[string]any{}},
			"serverInfo": map[string]any{"name": "wire", "version": "1"}}
	case method == "tools/list":
		result["tools"] = []any{map[string]any{"name": "echo"}, map[string]any{"name": "deleteIssue"}, map[string]any{"name": "getIssue"}}
	case method == "tools/call" && strings.Contains(tool, `"hang"`):
		<-r.Context().Done()
		return
	case method == "tools/call" && strings.Contains(tool, `"stall"`):
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
}

// A wireClient starts the program in this process, as an MCP client would in another.
type wireClient struct {
	t       *testing.T
	stdin   *io.PipeWriter
	answers *bufio.Reader
	stderr  *wireUser
	ended   chan int
	ids     int
}

func startWire(t *testing.T, args ...string) *wireClient {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE", "LocalAppData"} {
		t.Setenv(name, home)
	}
	t.Setenv(tokenStoreEnv, "file")
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	c := &wireClient{t: t, stdin: stdin, answers: bufio.NewReader(stdout), stderr: new(wireUser), ended: make(chan int, 1)}
	go func() {
		code := run(t.Context(), args, in, out, c.stderr)
		out.Close()
		in.Close()
		c.ended <- code
	}()
	return c
}

// ask sends a request and returns the answer to it.
func (c *wireClient) ask(method, params string) string {
	c.t.Helper()
	c.ids++
	fmt.Fprintf(c.stdin, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", c.ids, method, params)
	for {
		line, err := c.answers.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%s: no answer; standard error: %s", method, c.stderr)
		}
		if strings.Contains(line, fmt.Sprintf(`"id":%d,`, c.ids)) {
			return line
		}
	}
}

// greet does the handshake.
func (c *wireClient) greet() {
	c.t.Helper()
	c.ask("initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}`)
	io.WriteString(c.stdin, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n")
}

// begin opens a session, and makes sure that the server takes part in it.
func (c *wireClient) begin() {
	c.t.Helper()
	c.greet()
	if answer := c.ask("prompts/list", `{}`); strings.Contains(answer, `"error"`) {
		c.t.Fatalf("no session: %s; standard error: %s", answer, c.stderr)
	}
}

// end closes the input and returns the exit status and what was on standard error.
func (c *wireClient) end() (code int, stderr string) {
	c.stdin.Close()
	io.Copy(io.Discard, c.answers)
	code = <-c.ended
	c.stderr.browsing.Wait()
	return code, c.stderr.String()
}

// A wireUser reads what is on standard error, and opens the page that is to be signed in on.
type wireUser struct {
	mu       sync.Mutex // guards text and opened
	text     bytes.Buffer
	opened   []string
	browsing sync.WaitGroup
}

var signInPage = regexp.MustCompile(`Open this page to sign in: (\S+)\n`)

func (u *wireUser) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.text.Write(p)
	for _, page := range signInPage.FindAllStringSubmatch(u.text.String(), -1) {
		if slices.Contains(u.opened, page[1]) {
			continue
		}
		u.opened = append(u.opened, page[1])
		u.browsing.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			issuer.Accept(ctx, nil, page[1], issuer.Choice{})
		})
	}
	return len(p), nil
}

func (u *wireUser) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.text.String()
}

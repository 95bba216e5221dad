package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

type counts = sandbox.Counts

// patience is how long anything may take before a test gives up.
const patience = 20 * time.Second

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},` +
	`"clientInfo":{"name":"test","version":"1"}}}`

// whoAmI is a tool call that has no arguments.
const whoAmI = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"atlassianUserInfo","arguments":{}}}`

func start(t *testing.T, faults ...string) *sandbox.Server {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A client is somebody who has signed in and speaks to one endpoint.
type client struct {
	t       *testing.T
	http    *http.Client
	url     string
	header  http.Header // sent with everything
	session string      // sent too, unless it is ""
}

// newClient returns a client with an API token of Ada's, for /v1/mcp.
func newClient(t *testing.T, s *sandbox.Server) *client {
	t.Helper()
	const email = "ada@acme.example"
	for _, p := range s.Org().People() {
		if p.Email == email {
			token := s.Issuer().IssueAPIToken(p.Account, "token")
			return clientWith(t, s, "/v1/mcp", "Basic "+base64.StdEncoding.EncodeToString([]byte(email+":"+token)))
		}
	}
	t.Fatalf("there is no %s", email)
	return nil
}

func clientWith(t *testing.T, s *sandbox.Server, path, authorization string) *client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, http: &http.Client{Transport: transport}, url: s.Endpoint(path), header: http.Header{
		"Authorization": {authorization},
		"Accept":        {"application/json, text/event-stream"},
		"Content-Type":  {"application/json"},
		"User-Agent":    {"sandbox-test/1"},
	}}
}

// A reply is an answer that has been read.
type reply struct {
	*http.Response
	body string
	err  error // of reading the body
}

// events returns the data of the answer's events.
func (r reply) events() (data []string) {
	for e := range strings.SplitSeq(r.body, "\n\n") {
		if rest, ok := strings.CutPrefix(e, "event: message\ndata: "); ok {
			data = append(data, rest)
		}
	}
	return data
}

// result returns the result of the answer, which must have one.
func (r reply) result(t *testing.T) map[string]any {
	t.Helper()
	text := r.body
	if events := r.events(); len(events) > 0 {
		text = events[len(events)-1]
	}
	var m struct{ Result map[string]any }
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.Result == nil {
		t.Fatalf("status %d, and no result in %q", r.StatusCode, r.body)
	}
	return m.Result
}

// text returns the text of a tool's result, and whether it is an error.
func (r reply) text(t *testing.T) (text string, isError bool) {
	t.Helper()
	result := r.result(t)
	content, _ := result["content"].([]any)
	if len(content) != 1 {
		t.Fatalf("result %v", result)
	}
	text, _ = content[0].(map[string]any)["text"].(string)
	isError, _ = result["isError"].(bool)
	return text, isError
}

// open sends a request, and returns its answer unread.
func (c *client) open(ctx context.Context, method, body string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	if c.session != "" {
		req.Header.Set("Mcp-Session-Id", c.session)
	}
	for k, v := range header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	return c.http.Do(req)
}

// do sends a request. Header replaces what is sent otherwise; nil values take it away.
func (c *client) do(method, body string, header http.Header) reply {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := c.open(ctx, method, body, header)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp, string(text), err}
}

func (c *client) post(body string) reply {
	c.t.Helper()
	return c.do("POST", body, nil)
}

// initialize opens a session.
func (c *client) initialize() {
	c.t.Helper()
	c.session = ""
	r := c.post(initialize)
	if c.session = r.Header.Get("Mcp-Session-Id"); r.StatusCode != 200 || c.session == "" {
		c.t.Fatalf("initialize: %d %s", r.StatusCode, r.body)
	}
}

// readEvent returns the name and the data of the next event.
func readEvent(t *testing.T, r *bufio.Reader) (name, data string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("reading an event: %v", err)
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "event":
			name = value
		case "data":
			data = value
		case "":
			return name, data
		}
	}
}

// eventually waits until is is true of the counts.
func eventually(t *testing.T, s *sandbox.Server, what string, is func(counts) bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(s.Counts()); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", what, s.Counts())
		}
	}
}

// signIn returns a client for path that somebody has signed in with, and a function that renews its token.
func signIn(t *testing.T, s *sandbox.Server, path string) (c *client, renew func()) {
	t.Helper()
	back := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(back.Close)
	var meta struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
		Register  string `json:"registration_endpoint"`
	}
	issuer := ""
	if path != "/v1/mcp" && path != "/v1/sse" {
		issuer = "/identity/VCeDsk8Z"
	}
	getJSON(t, s.URL()+"/.well-known/oauth-authorization-server"+issuer, &meta)

	var registered struct {
		ID string `json:"client_id"`
	}
	redirect := back.URL + "/callback"
	readJSON(t, must(http.Post(meta.Register, "application/json", strings.NewReader(`{"client_name":"tester","redirect_uris":["`+redirect+
		`"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}`))), &registered)

	const verifier = "a-verifier-that-is-long-enough-to-be-a-verifier"
	challenge := sha256.Sum256([]byte(verifier))
	ask := url.Values{
		"response_type": {"code"}, "client_id": {registered.ID}, "redirect_uri": {redirect}, "state": {"s"}, "resource": {s.Endpoint(path)},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"scope": {"read:me read:account offline_access read:jira-work read:page:confluence read:jira:agent-interface"},
	}
	final, err := acceptAsAda(meta.Authorize + "?" + ask.Encode())
	if err != nil {
		t.Fatal(err)
	}
	came, err := url.Parse(final)
	if err != nil {
		t.Fatal(err)
	}
	c = clientWith(t, s, path, "")
	var token struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	exchange := func(form url.Values) {
		t.Helper()
		form.Set("client_id", registered.ID)
		form.Set("resource", s.Endpoint(path))
		readJSON(t, must(http.PostForm(meta.Token, form)), &token)
		c.header.Set("Authorization", "Bearer "+token.Access)
	}
	exchange(url.Values{
		"grant_type": {"authorization_code"}, "code": {came.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	})
	return c, func() {
		t.Helper()
		exchange(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.Refresh}})
	}
}

func acceptAsAda(authorizeURL string) (string, error) {
	return issuer.Accept(context.Background(), nil, authorizeURL, issuer.Choice{Email: "ada@acme.example"})
}

func must(resp *http.Response, err error) *http.Response {
	if err != nil {
		panic(err)
	}
	return resp
}

func getJSON(t *testing.T, url string, v any) {
	t.Helper()
	readJSON(t, must(http.Get(url)), v)
}

func readJSON(t *testing.T, resp *http.Response, v any) {
	t.Helper()
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 || json.Unmarshal(text, v) != nil {
		t.Fatalf("%s: %s: %s", resp.Request.URL.Path, resp.Status, text)
	}
}

func TestStart(t *testing.T) {
	for name, cfg := range map[string]sandbox.Config{
		"another machine's address": {Addr: "192.0.2.1:0"},
		"every address":             {Addr: ":0"},
		"every IPv4 address":        {Addr: "0.0.0.0:0"},
		"no port":                   {Addr: "127.0.0.1"},
		"unknown fault":             {Faults: []string{"earthquake"}},
		"unknown person":            {User: "nobody@acme.example"},
		"no such directory":         {Data: filepath.Join(t.TempDir(), "nowhere", "data.json")},
	} {
		if s, err := sandbox.Start(cfg); err == nil {
			s.Close()
			t.Errorf("%s: it started", name)
		}
	}
}

// TestClose closes a server that is busy with everything, and sees that nothing is left of it.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := sandbox.Start(sandbox.Config{Faults: []string{"slow=3600"}})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s)
	c.initialize()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	calling, err := c.open(ctx, "POST", whoAmI, nil)
	if err != nil {
		t.Fatal(err)
	}
	listening, err := c.open(ctx, "GET", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	idle := c.post(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	s.Close()
	for _, resp := range []*http.Response{calling, listening, idle.Response} {
		text, err := io.ReadAll(resp.Body)
		if resp != idle.Response && (err != nil || len(text) > 0) {
			t.Errorf("%s ends with %q, %v", resp.Request.Method, text, err)
		}
		resp.Body.Close()
	}
	c.http.CloseIdleConnections()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			var stacks [1 << 16]byte
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, bytes.TrimSpace(stacks[:runtime.Stack(stacks[:], true)]))
		}
	}
	if _, err := http.Get(s.URL()); err == nil {
		t.Error("it still answers")
	}
}

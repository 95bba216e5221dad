package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// peerPatience bounds each wait for something that the server sends unasked. It only
// matters when the test fails.
const peerPatience = 15 * time.Second

// TestPeersGo has mcp-go's client use mcp-go's server through the program. The pair
// speaks 2026-07-28, which the peers of TestPeers don't, and with --protocol auto only the
// server does.
func TestPeersGo(t *testing.T) {
	program := peerProgram(t)
	for _, tt := range []struct {
		name    string
		handler func(*peerServer) http.Handler
		path    string
		ask     string // version that the client prefers, "" for all
		want    string
		asks    bool // the server can ask the client
		args    []string
	}{
		{"modern", (*peerServer).streamable, "/mcp", "", mcp.ProtocolVersion20260728, true, nil},
		{"auto", (*peerServer).modernOnly, "/mcp", mcp.LATEST_LEGACY_PROTOCOL_VERSION, mcp.LATEST_LEGACY_PROTOCOL_VERSION, true, []string{"--protocol", "auto"}},
		{"legacy", (*peerServer).streamable, "/mcp", mcp.LATEST_LEGACY_PROTOCOL_VERSION, mcp.LATEST_LEGACY_PROTOCOL_VERSION, true, nil},
		{"sse", (*peerServer).sse, "/sse", "", mcp.LATEST_LEGACY_PROTOCOL_VERSION, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newPeerServer()
			hs := httptest.NewServer(tt.handler(s))
			t.Cleanup(hs.Close)
			t.Cleanup(hs.CloseClientConnections)
			c := startPeerClient(t, program, tt.ask, append(tt.args, hs.URL+tt.path)...)
			if got := c.ProtocolVersion(); got != tt.want {
				t.Fatalf("negotiated %q, want %q", got, tt.want)
			}

			t.Run("lists", c.testLists)
			t.Run("broadcast", func(t *testing.T) { c.testBroadcast(t, s) })
			t.Run("progress", func(t *testing.T) { c.testProgress(t, s) })
			t.Run("logging", func(t *testing.T) { c.testLogging(t, s) })
			if tt.asks {
				t.Run("input", c.testInput)
			}
			t.Run("cancellation", func(t *testing.T) { c.testCancellation(t, s) })
			t.Run("5 MiB", c.testLarge)
			t.Run("500 calls", func(t *testing.T) { c.testConcurrent(t, s) })

			if err := c.Close(); err != nil { // as it is if the exit status isn't 0
				t.Errorf("close: %v", err)
			}
		})
	}
}

// A peerClient is mcp-go's client with the program at the other end of its pipes.
type peerClient struct {
	*client.Client
	notifications chan mcp.JSONRPCNotification
}

func startPeerClient(t *testing.T, program, version string, args ...string) *peerClient {
	t.Helper()
	command := func(ctx context.Context, name string, _, args []string) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = peerEnviron(t)
		return cmd, nil
	}
	stdio := transport.NewStdioWithOptions(program, nil, args,
		transport.WithCommandFunc(command), transport.WithCommandStderrWriter(t.Output()))
	c := &peerClient{
		Client: client.NewClient(stdio, client.WithProtocolVersion(version), client.WithSamplingHandler(peerPerson{}),
			client.WithElicitationHandler(peerPerson{}), client.WithRootsHandler(peerPerson{})),
		notifications: make(chan mcp.JSONRPCNotification, 1000),
	}
	c.OnNotification(func(n mcp.JSONRPCNotification) { c.notifications <- n })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var r mcp.InitializeRequest
	r.Params.ClientInfo = mcp.Implementation{Name: "peers", Version: "1.0.0"}
	if _, err := c.Initialize(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return c
}

// A peerPerson answers what the server asks of the client.
type peerPerson struct{}

func (peerPerson) CreateMessage(context.Context, mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	return &mcp.CreateMessageResult{
		Model:           "none",
		SamplingMessage: mcp.SamplingMessage{Role: mcp.RoleAssistant, Content: mcp.NewTextContent("sampled")},
	}, nil
}

func (peerPerson) Elicit(context.Context, mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{
		Action: mcp.ElicitationResponseActionAccept, Content: map[string]any{"name": "Ada"},
	}}, nil
}

func (peerPerson) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	return &mcp.ListRootsResult{Roots: []mcp.Root{{URI: "file:///srv/project"}}}, nil
}

// call returns the text that a tool answers with.
func (c *peerClient) call(ctx context.Context, name string, args map[string]any, meta *mcp.Meta) (string, error) {
	var r mcp.CallToolRequest
	r.Params = mcp.CallToolParams{Name: name, Arguments: args, Meta: meta}
	result, err := c.CallTool(ctx, r)
	if err != nil {
		return "", err
	}
	if text, ok := result.Content[0].(mcp.TextContent); ok && !result.IsError {
		return text.Text, nil
	}
	return "", errors.New("the tool failed")
}

// next returns the parameters of the next notification of the method.
func (c *peerClient) next(t *testing.T, method string) map[string]any {
	t.Helper()
	late := time.After(peerPatience)
	for {
		select {
		case n := <-c.notifications:
			if n.Method == method {
				return n.Params.AdditionalFields
			}
		case <-late:
			t.Fatalf("no %s after %v", method, peerPatience)
		}
	}
}

func (c *peerClient) testLists(t *testing.T) {
	tools, err := c.ListTools(t.Context(), mcp.ListToolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	if want := []string{"announce", "ask", "count", "echo", "log", "wait"}; !slices.Equal(names, want) {
		t.Errorf("tools %q, want %q", names, want)
	}

	resources, err := c.ListResources(t.Context(), mcp.ListResourcesRequest{})
	if err != nil || len(resources.Resources) != 1 {
		t.Fatalf("resources %v, %v, want one", resources, err)
	}
	var read mcp.ReadResourceRequest
	read.Params.URI = resources.Resources[0].URI
	contents, err := c.ReadResource(t.Context(), read)
	if err != nil {
		t.Fatal(err)
	}
	if got := contents.Contents[0].(mcp.TextResourceContents).Text; got != "contents" {
		t.Errorf("the resource reads %q", got)
	}

	prompts, err := c.ListPrompts(t.Context(), mcp.ListPromptsRequest{})
	if err != nil || len(prompts.Prompts) != 1 {
		t.Fatalf("prompts %v, %v, want one", prompts, err)
	}
	var get mcp.GetPromptRequest
	get.Params.Name = prompts.Prompts[0].Name
	prompt, err := c.GetPrompt(t.Context(), get)
	if err != nil {
		t.Fatal(err)
	}
	if prompt.Description != "gotten" {
		t.Errorf("the prompt is %q", prompt.Description)
	}
}

// testBroadcast is about what the server says outside of any request. It also makes
// sure that the stream for that is open: this server asks for input on it.
func (c *peerClient) testBroadcast(t *testing.T, s *peerServer) {
	const method = "notifications/tools/list_changed"
	if mcp.IsModernProtocol(c.ProtocolVersion()) {
		stop, err := c.ListenAsync(t.Context(), mcp.SubscriptionFilter{ToolsListChanged: true}, func(err error) {
			t.Errorf("listen: %v", err)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	// What it says before the stream is open is lost.
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	late := time.After(peerPatience)
	for {
		s.SendNotificationToAllClients(method, nil)
		select {
		case n := <-c.notifications:
			if n.Method == method {
				return
			}
		case <-again.C:
		case <-late:
			t.Fatalf("nothing heard after %v", peerPatience)
		}
	}
}

func (c *peerClient) testProgress(t *testing.T, s *peerServer) {
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.call(t.Context(), "count", nil, &mcp.Meta{ProgressToken: "token"}); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer func() { s.heard <- struct{}{} }()
	// mcp-go's server may swap them.
	var steps []any
	for range 3 {
		p := c.next(t, "notifications/progress")
		if p["progressToken"] != "token" || p["total"] != 3.0 || slices.Contains(steps, p["progress"]) {
			t.Errorf("progress %v after steps %v", p, steps)
		}
		steps = append(steps, p["progress"])
	}
}

func (c *peerClient) testLogging(t *testing.T, s *peerServer) {
	var r mcp.SetLevelRequest
	r.Params.Level = mcp.LoggingLevelWarning
	//lint:ignore SA1019 It is of no use to servers of 2026-07-28; those before have nothing else.
	if err := c.SetLevel(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.call(t.Context(), "log", nil, nil); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer func() { s.heard <- struct{}{} }()
	if p := c.next(t, "notifications/message"); p["level"] != "warning" {
		t.Errorf("first heard %v, want a warning", p)
	}
}

func (c *peerClient) testInput(t *testing.T) {
	answers, err := c.call(t.Context(), "ask", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sampled", "Ada", "file:///srv/project"} {
		if !strings.Contains(answers, want) {
			t.Errorf("the answers lack %q: %s", want, answers)
		}
	}
}

func (c *peerClient) testCancellation(t *testing.T, s *peerServer) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.call(ctx, "wait", nil, &mcp.Meta{ProgressToken: "wait"}); !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v, want %v", err, context.Canceled)
		}
	})
	c.next(t, "notifications/progress")
	cancel()
	wg.Wait()
	s.wantCancelled(t)
}

func (c *peerClient) testLarge(t *testing.T) {
	message := strings.Repeat("0123456789abcdef", 5<<20/16)
	got, err := c.call(t.Context(), "echo", map[string]any{"message": message}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got != "Echo: "+message {
		t.Errorf("%d bytes came back as %d others", len(message), len(got))
	}
}

func (c *peerClient) testConcurrent(t *testing.T, s *peerServer) {
	before := s.echoed.Load()
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			message := strconv.Itoa(i)
			if got, err := c.call(t.Context(), "echo", map[string]any{"message": message}, nil); err != nil || got != "Echo: "+message {
				t.Errorf("call %d: %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	if got := s.echoed.Load() - before; got != 500 {
		t.Errorf("the server ran %d calls, want 500", got)
	}
}

package main

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// TestProtocolAuto has mcp-go's client, as one of 2025-11-25, use servers that know 2026-07-28 alone, what came before alone, and both.
func TestProtocolAuto(t *testing.T) {
	for name, test := range map[string]struct {
		path, fault string
		sessions    int
	}{
		"newer": {"/mcp", "modern-only", 0},
		"both":  {"/mcp", "", 0},
		"older": {"/v1/mcp", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, u := startSandbox(t), newShell(t)
			if test.fault != "" {
				s.SetFault(test.fault, "")
			}
			if err := u.signIn(s.Endpoint(test.path), issuer.Choice{}); err != nil {
				t.Fatal(err)
			}
			before := s.Counts()
			useSandbox(t, s, u, test.path)
			after := s.Counts()
			if opened := after.Opened - before.Opened; opened != test.sessions {
				t.Errorf("%d sessions were opened, want %d", opened, test.sessions)
			}
			for _, method := range []string{"initialize", "ping"} { // which 2026-07-28 doesn't know
				if n := after.Messages[method] - before.Messages[method]; n != test.sessions {
					t.Errorf("server was sent %s %d times, want %d", method, n, test.sessions)
				}
			}
		})
	}
}

// useSandbox makes calls, one of them with progress, and waits for news.
func useSandbox(t *testing.T, s *sandbox.Server, u *shell, path string) {
	start := func(_ context.Context, _ string, _, args []string) (*exec.Cmd, error) { return u.command(args...), nil }
	stdio := transport.NewStdioWithOptions("atlassian-mcp", nil, []string{s.Endpoint(path), "--protocol", "auto"},
		transport.WithCommandFunc(start), transport.WithCommandStderrWriter(t.Output()))
	c := &peerClient{Client: client.NewClient(stdio, client.WithProtocolVersion(mcp.LATEST_LEGACY_PROTOCOL_VERSION)), notifications: make(chan mcp.JSONRPCNotification, 1000)}
	c.OnNotification(func(n mcp.JSONRPCNotification) { c.notifications <- n })
	ctx := t.Context()
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil { // as it is if the exit status isn't 0
			t.Errorf("close: %v", err)
		}
	}()
	var ask mcp.InitializeRequest
	ask.Params.ClientInfo = mcp.Implementation{Name: "peer", Version: "1"}
	if _, err := c.Initialize(ctx, ask); err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 the versions that the client speaks have it
	if err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
	tools, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil || len(tools.Tools) < 10 || tools.ResultType != "" {
		t.Fatalf("%+v, %v", tools, err)
	}

	s.SetFault("slow", "100ms")
	const parallel = 20
	var calls sync.WaitGroup
	for i := range parallel {
		calls.Go(func() {
			var call mcp.CallToolRequest
			call.Params.Name = "atlassianUserInfo"
			if i == 0 {
				call.Params.Meta = &mcp.Meta{ProgressToken: "token"}
			}
			if result, err := c.CallTool(ctx, call); err != nil || result.IsError || result.ResultType != "" {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
	calls.Wait()
	if n := s.Counts().Tools["atlassianUserInfo"]; n != parallel {
		t.Errorf("%d calls were carried out, want %d", n, parallel)
	}
	if p := c.next(t, "notifications/progress"); p["progressToken"] != "token" {
		t.Errorf("progress %v", p)
	}

	for deadline := time.Now().Add(peerPatience); s.Counts().Hearing == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody listens")
		}
		if _, err := c.ListTools(ctx, mcp.ListToolsRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	s.SetFault("unscoped-token", "") // which says that the list of tools has changed
	c.next(t, "notifications/tools/list_changed")
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// A peerServer is mcp-go's server with a tool for each thing that a server can do.
type peerServer struct {
	*server.MCPServer
	echoed    atomic.Int64  // calls of the tool "echo"
	cancelled chan struct{} // from the tool "wait"
	heard     chan struct{} // lets the tools "count" and "log" return
}

func newPeerServer() *peerServer {
	s := &peerServer{
		MCPServer: server.NewMCPServer("peer", "1.0.0", server.WithToolCapabilities(true), server.WithLogging(),
			server.WithResourceCapabilities(true, true), server.WithPromptCapabilities(true),
			server.WithElicitation(), server.WithRoots()),
		cancelled: make(chan struct{}, 1),
		heard:     make(chan struct{}, 1),
	}
	s.EnableSampling()
	s.AddTool(mcp.NewTool("echo", mcp.WithString("message")), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		s.echoed.Add(1)
		return mcp.NewToolResultText("Echo: " + r.GetString("message", "")), nil
	})
	s.AddTool(mcp.NewTool("announce"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		s.SendNotificationToAllClients("notifications/tools/list_changed", nil)
		return mcp.NewToolResultText("announced"), nil
	})
	s.AddTool(mcp.NewTool("count"), s.count)
	s.AddTool(mcp.NewTool("log"), s.log)
	s.AddTool(mcp.NewTool("ask"), s.ask)
	s.AddTool(mcp.NewTool("wait"), s.wait)
	s.AddResource(mcp.NewResource("peer://r", "r"), func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: "peer://r", Text: "contents"}}, nil
	})
	s.AddPrompt(mcp.NewPrompt("p"), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return mcp.NewGetPromptResult("gotten", nil), nil
	})
	return s
}

// count reports its progress in three steps, and returns when they have been heard:
// mcp-go's server forgets what it hasn't sent by then.
func (s *peerServer) count(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	for i := range 3 {
		params := map[string]any{"progressToken": r.Params.Meta.ProgressToken, "progress": i + 1, "total": 3}
		if err := s.SendNotificationToClient(ctx, "notifications/progress", params); err != nil {
			return nil, err
		}
	}
	<-s.heard
	return mcp.NewToolResultText("counted"), nil
}

// log says something at level debug and something at level warning, and returns when
// the latter has been heard.
func (s *peerServer) log(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	for _, level := range []mcp.LoggingLevel{mcp.LoggingLevelDebug, mcp.LoggingLevelWarning} {
		if err := s.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(level, "peer", level)); err != nil {
			return nil, err
		}
	}
	<-s.heard
	return mcp.NewToolResultText("logged"), nil
}

// ask wants to know three things of the client, by whatever means the protocol version
// has for that, and returns them.
func (s *peerServer) ask(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if len(r.Params.InputResponses) == 0 {
		return server.NewInputRequestBuilder("asked").
			Sample("sample", mcp.CreateMessageParams{MaxTokens: 10, Messages: []mcp.SamplingMessage{
				{Role: mcp.RoleUser, Content: mcp.NewTextContent("go on")},
			}}).
			Elicit("elicit", mcp.ElicitationParams{Message: "who?", RequestedSchema: map[string]any{
				"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
			}}).
			Roots("roots").
			ToolResult(), nil
	}
	answers, err := json.Marshal(r.Params.InputResponses)
	return mcp.NewToolResultText(string(answers)), err
}

// wait waits to be cancelled, and says so if it may.
func (s *peerServer) wait(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if r.Params.Meta != nil && r.Params.Meta.ProgressToken != nil {
		params := map[string]any{"progressToken": r.Params.Meta.ProgressToken, "progress": 1}
		if err := s.SendNotificationToClient(ctx, "notifications/progress", params); err != nil {
			return nil, err
		}
	}
	<-ctx.Done()
	s.cancelled <- struct{}{}
	return nil, ctx.Err()
}

// wantCancelled wants the server to have been told of a cancelled call of wait.
func (s *peerServer) wantCancelled(t *testing.T) {
	t.Helper()
	select {
	case <-s.cancelled:
	case <-time.After(peerPatience):
		t.Errorf("the server was not told of the cancellation within %v", peerPatience)
	}
}

// streamable serves it over Streamable HTTP.
func (s *peerServer) streamable() http.Handler {
	// Without an event store it loses what a tool says along the way.
	return server.NewStreamableHTTPServer(s.MCPServer, server.WithEventStore(server.NewInMemoryEventStore()),
		server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler)))
}

// modernOnly serves it as a server does that knows nothing before 2026-07-28.
func (s *peerServer) modernOnly() http.Handler {
	next := s.streamable()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(mcp.HeaderProtocolVersion) != mcp.ProtocolVersion20260728 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28"]}}}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *peerServer) sse() http.Handler {
	return server.NewSSEServer(s.MCPServer)
}

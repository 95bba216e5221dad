package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mcpclient "github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPeer has mcp-go's client use each endpoint.
func TestPeer(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/v1/mcp", "/v1/mcp/authv2", "/v2/mcp", "/mcp", "/v1/sse"} {
		t.Run(strings.ReplaceAll(path[1:], "/", "-"), func(t *testing.T) {
			c, _ := signIn(t, s, path)
			// Not mcp-go's own headers: its DELETE lacks them.
			signedIn := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header.Set("Authorization", c.header.Get("Authorization"))
				return c.http.Transport.RoundTrip(r)
			})}
			before := s.Counts()
			var peer *mcpclient.Client
			var err error
			if path == "/v1/sse" {
				peer, err = mcpclient.NewSSEMCPClient(c.url, mcpclient.WithHTTPClient(signedIn))
			} else {
				//lint:ignore SA1019 what is deprecated is what is tested
				peer, err = mcpclient.NewStreamableHttpClient(c.url, transport.WithHTTPBasicClient(signedIn), transport.WithContinuousListening())
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if err := peer.Start(ctx); err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			var ask mcp.InitializeRequest
			ask.Params.ProtocolVersion = mcp.LATEST_LEGACY_PROTOCOL_VERSION
			ask.Params.ClientInfo = mcp.Implementation{Name: "peer", Version: "1"}
			got, err := peer.Initialize(ctx, ask)
			if err != nil {
				t.Fatal(err)
			}
			if got.ServerInfo.Name != "atlassian-mcp-server" {
				t.Errorf("server %+v", got.ServerInfo)
			}
			//lint:ignore SA1019 the versions that it speaks here have it
			if err := peer.Ping(ctx); err != nil {
				t.Error(err)
			}
			tools, err := peer.ListTools(ctx, mcp.ListToolsRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(tools.Tools, func(tool mcp.Tool) bool { return tool.Name == "atlassianUserInfo" }) {
				t.Errorf("%d tools, and none says who I am", len(tools.Tools))
			}
			const parallel = 20
			var calling sync.WaitGroup
			for i := range parallel {
				calling.Go(func() {
					var call mcp.CallToolRequest
					call.Params.Name = "atlassianUserInfo"
					call.Params.Meta = &mcp.Meta{AdditionalFields: map[string]any{"sandbox/mark": fmt.Sprint(path, i)}}
					if result, err := peer.CallTool(ctx, call); err != nil || result.IsError || len(result.Content) != 1 {
						t.Errorf("%+v, %v", result, err)
					}
				})
			}
			calling.Wait()
			n := s.Counts()
			for i := range parallel {
				if mark := fmt.Sprint(path, i); n.Marked[mark] != 1 {
					t.Errorf("the call marked %q was carried out %d times", mark, n.Marked[mark])
				}
			}
			peer.Close()
			eventually(t, s, "a stream or session remains", func(n counts) bool { return n.Open == before.Open && n.Hearing == before.Hearing })
		})
	}
}

// TestModernPeer has mcp-go's client speak 2026-07-28.
func TestModernPeer(t *testing.T) {
	s := start(t)
	c, _ := signIn(t, s, "/mcp")
	peer, err := mcpclient.NewStreamableHttpClient(c.url, transport.WithHTTPHeaders(map[string]string{"Authorization": c.header.Get("Authorization")}))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if err := peer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ask mcp.InitializeRequest
	ask.Params.ProtocolVersion = mcp.ProtocolVersion20260728
	ask.Params.ClientInfo = mcp.Implementation{Name: "peer", Version: "2"}
	got, err := peer.Initialize(t.Context(), ask)
	if err != nil || got.ProtocolVersion != mcp.ProtocolVersion20260728 || got.ServerInfo.Name != "atlassian-mcp-server" {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := peer.ListTools(t.Context(), mcp.ListToolsRequest{}); err != nil {
		t.Error(err)
	}
	var call mcp.CallToolRequest
	call.Params.Name = "atlassianUserInfo"
	if result, err := peer.CallTool(t.Context(), call); err != nil || result.IsError {
		t.Errorf("%+v, %v", result, err)
	}
	changed := make(chan string, 1)
	peer.OnNotification(func(n mcp.JSONRPCNotification) {
		if n.Method == mcp.MethodNotificationToolsListChanged {
			changed <- n.Method
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() { peer.Listen(ctx, mcp.SubscriptionFilter{ToolsListChanged: true}) })
	eventually(t, s, "nobody listens", func(n counts) bool { return n.Hearing == 1 })
	s.SetFault("unscoped-token", "")
	select {
	case <-changed:
	case <-time.After(patience):
		t.Error("it has not heard of the change")
	}
	if n := s.Counts(); n.Opened != 0 || n.Messages["initialize"] != 0 || n.Messages["server/discover"] != 1 {
		t.Errorf("counts %+v", n)
	}
}

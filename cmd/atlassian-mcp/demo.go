package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/spf13/cobra"
)

// demoTimeout bounds the demo. It takes well under a second on an idle machine.
const demoTimeout = 30 * time.Second

func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show the relay at work, on this machine alone",
		Long: `demo starts a small MCP server on a free port of 127.0.0.1, and atlassian-mcp
with the URL of that server, as an MCP client would start it. It then plays the
client: each step goes through the relay to the server and back. It exits with
status 0 if everything worked.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), demoTimeout)
			defer cancel()
			return demo(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// demo plays all three parts: the server and the client in this process, and between them
// this program in another one. It tells on stdout what happens; stderr is the relay's too.
func demo(ctx context.Context, stdout, stderr io.Writer) error {
	url, stop, err := startDemoServer()
	if err != nil {
		return err
	}
	defer stop()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "MCP server:  %s\nMCP client:  starts %s %s\n\n", url, exe, url)

	c := client.NewClient(transport.NewStdioWithOptions(exe, nil, []string{url}, transport.WithCommandStderrWriter(stderr)))
	steps := demoSteps(c)
	failed := 0
	for _, s := range steps {
		began := time.Now()
		got, err := s.run(ctx)
		result := "ok  "
		if err != nil {
			failed++
			result, got = "FAIL", plain(err.Error())
		}
		fmt.Fprintf(stdout, "%s  %-20s %7.1f ms  %s\n", result, s.name, float64(time.Since(began).Microseconds())/1000, got)
	}
	fmt.Fprintf(stdout, "\n%d of %d steps worked.\n", len(steps)-failed, len(steps))
	if failed > 0 {
		return errors.New("the demo did not work")
	}
	return nil
}

// A demoStep is something that a client does. run returns what came of it.
type demoStep struct {
	name string
	run  func(context.Context) (string, error)
}

// demoSteps returns what c does, in order.
func demoSteps(c *client.Client) []demoStep {
	progress := make(chan string, 16)
	c.OnNotification(func(n mcp.JSONRPCNotification) {
		if n.Method == "notifications/progress" {
			f := n.Params.AdditionalFields
			progress <- fmt.Sprintf("%v/%v", f["progress"], f["total"])
		}
	})
	call := func(name string, args map[string]any, meta *mcp.Meta, want string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			return callTool(ctx, c, mcp.CallToolParams{Name: name, Arguments: args, Meta: meta}, want)
		}
	}
	const greeting = "Grüße, 你好, hello"
	countdown := call("countdown", map[string]any{"from": 3}, &mcp.Meta{ProgressToken: "countdown"}, "lift-off")
	return []demoStep{
		{"start, initialize", func(ctx context.Context) (string, error) {
			if err := c.Start(ctx); err != nil {
				return "", err
			}
			var req mcp.InitializeRequest
			req.Params.ProtocolVersion = mcp.LATEST_LEGACY_PROTOCOL_VERSION
			req.Params.ClientInfo = mcp.Implementation{Name: "atlassian-mcp demo", Version: buildVersion()}
			res, err := c.Initialize(ctx, req)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s, protocol %s", res.ServerInfo.Name, res.ProtocolVersion), nil
		}},
		{"tools/list", func(ctx context.Context) (string, error) {
			res, err := c.ListTools(ctx, mcp.ListToolsRequest{})
			if err != nil {
				return "", err
			}
			var names []string
			for _, t := range res.Tools {
				names = append(names, t.Name)
			}
			slices.Sort(names)
			return want(strings.Join(names, ", "), "add, countdown, echo")
		}},
		{"tools/call echo", call("echo", map[string]any{"text": greeting}, nil, greeting)},
		{"tools/call add", call("add", map[string]any{"a": 1.5, "b": 40.5}, nil, "42")},
		{"tools/call countdown", func(ctx context.Context) (string, error) {
			got, err := countdown(ctx)
			if err != nil {
				return "", err
			}
			var seen []string
			for len(progress) > 0 {
				seen = append(seen, <-progress)
			}
			_, err = want(strings.Join(seen, " "), "1/3 2/3 3/3")
			return fmt.Sprintf("%s, progress %s", got, strings.Join(seen, " ")), err
		}},
		{"resources/read", func(ctx context.Context) (string, error) {
			var req mcp.ReadResourceRequest
			req.Params.URI = demoResource
			res, err := c.ReadResource(ctx, req)
			if err != nil {
				return "", err
			}
			if len(res.Contents) != 1 {
				return "", fmt.Errorf("%d contents, not 1", len(res.Contents))
			}
			text, _ := res.Contents[0].(mcp.TextResourceContents)
			return want(text.Text, demoText)
		}},
		// Closes the relay's standard input; anything but exit status 0 is an error.
		{"close", func(context.Context) (string, error) { return "exit status 0", c.Close() }},
	}
}

// callTool calls a tool whose result should be the text expected.
func callTool(ctx context.Context, c *client.Client, params mcp.CallToolParams, expected string) (string, error) {
	res, err := c.CallTool(ctx, mcp.CallToolRequest{Params: params})
	if err != nil {
		return "", err
	}
	var text mcp.TextContent
	if len(res.Content) > 0 {
		text, _ = res.Content[0].(mcp.TextContent)
	}
	return want(text.Text, expected)
}

// want returns got, quoted for display, or an error if it is not what was expected.
func want(got, expected string) (string, error) {
	if got != expected {
		return "", fmt.Errorf("got %q, not %q", got, expected)
	}
	return fmt.Sprintf("%q", got), nil
}

const (
	demoResource = "demo://about"
	demoText     = "This text came from the server, through the relay."
)

// startDemoServer starts an MCP server on a free port of the loopback interface. stop stops
// it and waits until it has stopped.
func startDemoServer() (url string, stop func(), err error) {
	s := server.NewMCPServer("demo-server", "1.0.0")
	s.AddTool(mcp.NewTool("echo", mcp.WithDescription("Returns its text."), mcp.WithString("text", mcp.Required())),
		func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText(req.GetString("text", "")), nil
		})
	s.AddTool(mcp.NewTool("add", mcp.WithDescription("Adds two numbers."),
		mcp.WithNumber("a", mcp.Required()), mcp.WithNumber("b", mcp.Required())),
		func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText(fmt.Sprint(req.GetFloat("a", 0) + req.GetFloat("b", 0))), nil
		})
	s.AddTool(mcp.NewTool("countdown", mcp.WithDescription("Reports its progress."), mcp.WithNumber("from", mcp.Required())),
		func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			from := req.GetInt("from", 0)
			for i := range from {
				if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
					break // nobody has asked to be told
				}
				err := s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
					"progressToken": req.Params.Meta.ProgressToken, "progress": i + 1, "total": from,
				})
				if err != nil {
					return nil, err
				}
			}
			return mcp.NewToolResultText("lift-off"), nil
		})
	s.AddResource(mcp.NewResource(demoResource, "about", mcp.WithMIMEType("text/plain")),
		func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: demoResource, MIMEType: "text/plain", Text: demoText}}, nil
		})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", server.NewStreamableHTTPServer(s,
		// Without an event store mcp-go may lose what a tool reports just before it returns, and
		// with a GET stream it sends that on either stream, in no certain order.
		server.WithEventStore(server.NewInMemoryEventStore()),
		server.WithDisableStreaming(true),
		server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler)),
	))
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		hs.Serve(l) // returns when closed
	}()
	return "http://" + l.Addr().String() + "/mcp", func() {
		hs.Close()
		<-done
	}, nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
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
	server, err := startDemoServer()
	if err != nil {
		return err
	}
	defer server.Close()
	home, err := os.MkdirTemp("", "atlassian-mcp-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	client, err := newDemoClient(ctx, server.URL, home, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "MCP server:  %s\nMCP client:  starts %s\n\n", server.URL, client.cmd)

	steps := demoSteps(client, server)
	failed := 0
	for _, s := range steps {
		began := time.Now()
		got, err := s.run()
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
	run  func() (string, error)
}

// demoSteps returns what c does at s, in order.
func demoSteps(c *demoClient, s *demoServer) []demoStep {
	const greeting = "Grüße, 你好, hello"
	return []demoStep{
		{"start, initialize", c.initialize},
		{"tools/list", func() (string, error) {
			var tools mcp.ListToolsResult
			if err := c.call(mcp.MethodToolsList, struct{}{}, &tools); err != nil {
				return "", err
			}
			var names []string
			for _, t := range tools.Tools {
				names = append(names, t.Name)
			}
			slices.Sort(names)
			return want(strings.Join(names, ", "), "add, countdown, echo")
		}},
		{"tools/call echo", func() (string, error) {
			return c.callTool(mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": greeting}}, greeting)
		}},
		{"tools/call add", func() (string, error) {
			return c.callTool(mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 1.5, "b": 40.5}}, "42")
		}},
		{"tools/call countdown", func() (string, error) {
			got, err := c.callTool(mcp.CallToolParams{
				Name: "countdown", Arguments: map[string]any{"from": 3}, Meta: &mcp.Meta{ProgressToken: "countdown"},
			}, "lift-off")
			if err != nil {
				return "", err
			}
			progress := strings.Join(c.progress, " ")
			_, err = want(progress, "1/3 2/3 3/3")
			return got + ", progress " + progress, err
		}},
		{"resources/read", func() (string, error) {
			var about struct{ Contents []mcp.TextResourceContents }
			err := c.call(mcp.MethodResourcesRead, mcp.ReadResourceParams{URI: demoResource}, &about)
			if err != nil {
				return "", err
			}
			if len(about.Contents) != 1 {
				return "", fmt.Errorf("%d contents, not 1", len(about.Contents))
			}
			return want(about.Contents[0].Text, demoText)
		}},
		{"close", func() (string, error) {
			if err := c.close(); err != nil {
				return "", err
			}
			if s.Open() {
				return "", errors.New("the session was left open")
			}
			return "exit status 0", nil
		}},
	}
}

// want returns got, quoted for display, or an error if it is not what was expected.
func want(got, expected string) (string, error) {
	if got != expected {
		return "", fmt.Errorf("got %q, not %q", got, expected)
	}
	return fmt.Sprintf("%q", got), nil
}

// A demoClient is an MCP client that does one thing after the other. It starts this program as an IDE does and talks to it in
// lines (MCP 2025-11-25, "stdio").
type demoClient struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *jsonrpc.Writer
	in    *jsonrpc.Reader

	calls    int
	progress []string // that was reported
}

// newDemoClient returns a client that will start this program with url. The program gets an environment of its own, with home
// for its files: the user's sign-ins are not for the demo.
func newDemoClient(ctx context.Context, url, home string, stderr io.Writer) (*demoClient, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, url)
	cmd.Env = []string{"HOME=" + home, "LocalAppData=" + home, tokenStoreEnv + "=file"}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &demoClient{cmd: cmd, stdin: stdin, out: jsonrpc.NewWriter(stdin), in: jsonrpc.NewReader(stdout, 0)}, nil
}

// initialize starts the program and opens the session.
func (c *demoClient) initialize() (string, error) {
	if err := c.cmd.Start(); err != nil {
		return "", err
	}
	var server mcp.InitializeResult
	err := c.call(mcp.MethodInitialize, mcp.InitializeParams{
		ProtocolVersion: mcp.LATEST_LEGACY_PROTOCOL_VERSION,
		ClientInfo:      mcp.Implementation{Name: "atlassian-mcp demo", Version: buildVersion()},
	}, &server)
	if err != nil {
		return "", err
	}
	err = c.out.Write(jsonrpc.NewRequest("", string(mcp.MethodNotificationInitialized), nil))
	return fmt.Sprintf("%s, protocol %s", server.ServerInfo.Name, server.ProtocolVersion), err
}

// callTool calls a tool whose result should be the text expected.
func (c *demoClient) callTool(params mcp.CallToolParams, expected string) (string, error) {
	var result mcp.CallToolResult
	if err := c.call(mcp.MethodToolsCall, params, &result); err != nil {
		return "", err
	}
	var text mcp.TextContent
	if len(result.Content) > 0 {
		text, _ = result.Content[0].(mcp.TextContent)
	}
	return want(text.Text, expected)
}

// call sends a request and waits for its result. Progress that is reported meanwhile is kept.
func (c *demoClient) call(method mcp.MCPMethod, params, result any) error {
	data, err := json.Marshal(params)
	if err != nil {
		return err
	}
	c.calls++
	id := jsonrpc.ID(strconv.Itoa(c.calls))
	if err := c.out.Write(jsonrpc.NewRequest(id, string(method), data)); err != nil {
		return err
	}
	for {
		m, err := c.in.Read()
		switch {
		case err == io.EOF:
			return errors.New("the relay has ended")
		case err != nil:
			return err
		case m.Method == string(mcp.MethodNotificationProgress):
			var p mcp.ProgressNotificationParams
			if err := json.Unmarshal(jsonrpc.Lookup(m.Raw, "params"), &p); err != nil {
				return err
			}
			c.progress = append(c.progress, fmt.Sprintf("%v/%v", p.Progress, p.Total))
		case m.Kind != jsonrpc.Response || m.ID != id:
		case m.Failed:
			text, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "error", "message"))
			return errors.New(text)
		default:
			return json.Unmarshal(jsonrpc.Lookup(m.Raw, "result"), result)
		}
	}
}

// close closes the program's standard input and waits until it has ended. Another exit status than 0 is an error.
func (c *demoClient) close() error {
	c.stdin.Close()
	return c.cmd.Wait()
}

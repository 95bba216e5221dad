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
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// A demoClient is an MCP client that does one thing after the other. It starts this program as an IDE does and talks to it in
// lines (MCP 2025-11-25, "stdio").
type demoClient struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader
	out    *jsonrpc.Writer
	in     *jsonrpc.Reader // over stdout

	calls  int             // of any method
	tools  int             // of those, to tools
	took   []time.Duration // each tool call that was answered
	ended  bool
	status error
}

// newDemoClient returns a client that will start this program in a setting. The program gets an environment of its own, with home
// for its files: the user's sign-ins are not for the demo.
func newDemoClient(ctx context.Context, setting demoSetting, home string, stderr io.Writer) (*demoClient, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, append([]string{setting.url}, setting.args...)...)
	cmd.Env = append([]string{"HOME=" + home, "LocalAppData=" + home, tokenStoreEnv + "=file"}, setting.env...)
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &demoClient{cmd: cmd, stdin: stdin, stdout: stdout, out: jsonrpc.NewWriter(stdin), in: jsonrpc.NewReader(stdout, 0)}, nil
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

// tool calls a tool, and reads the JSON that it returns into result.
func (c *demoClient) tool(name string, arguments map[string]any, result any) error {
	c.tools++
	began := time.Now()
	var answer mcp.CallToolResult
	if err := c.call(mcp.MethodToolsCall, mcp.CallToolParams{Name: name, Arguments: arguments}, &answer); err != nil {
		return err
	}
	c.took = append(c.took, time.Since(began))
	if len(answer.Content) == 0 {
		return fmt.Errorf("%s returned nothing", name)
	}
	text, ok := answer.Content[0].(mcp.TextContent)
	if !ok {
		return fmt.Errorf("%s returned no text", name)
	}
	if answer.IsError {
		return errors.New(toolMessage(text.Text))
	}
	return json.Unmarshal([]byte(text.Text), result)
}

var errRelayEnded = errors.New("the relay has ended")

// call sends a request and waits for its result.
func (c *demoClient) call(method mcp.MCPMethod, params, result any) error {
	data, err := json.Marshal(params)
	if err != nil {
		return err
	}
	c.calls++
	id := jsonrpc.ID(strconv.Itoa(c.calls))
	if err := c.out.Write(jsonrpc.NewRequest(id, string(method), data)); err != nil {
		return errRelayEnded // else the pipe would take it
	}
	for {
		m, err := c.in.Read()
		switch {
		case err == io.EOF:
			return errRelayEnded
		case err != nil:
			return err
		case m.Kind == jsonrpc.Request:
			err := c.out.Write(jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "the demo can't do that"}))
			if err != nil {
				return err
			}
		case m.Kind != jsonrpc.Response || m.ID != id:
		case m.Failed:
			return answerError(m)
		default:
			return json.Unmarshal(jsonrpc.Lookup(m.Raw, "result"), result)
		}
	}
}

// close closes the program's standard input and waits until it has ended. Another exit status than 0 is an error.
func (c *demoClient) close() error {
	if c.cmd.Process == nil || c.ended {
		return c.status
	}
	c.ended = true
	c.stdin.Close()
	io.Copy(io.Discard, c.stdout)
	c.status = c.cmd.Wait()
	return c.status
}

// median returns the middle one of durations, in milliseconds.
func median(durations []time.Duration) float64 {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return float64(sorted[len(sorted)/2].Microseconds()) / 1000
}

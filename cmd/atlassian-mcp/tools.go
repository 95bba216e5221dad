package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
)

// askFlags are the flags of the commands that ask the server something themselves.
type askFlags struct {
	relayFlags
	server string
	json   bool
}

// addAsk adds the flags of the relay, so that what is in a client's configuration can be tried in a terminal.
func (f *askFlags) addAsk(cmd *cobra.Command) {
	f.relayFlags.add(cmd)
	for _, useless := range []string{"no-browser", "auth-timeout"} { // nobody is asked to sign in
		cmd.Flags().MarkHidden(useless)
	}
	cmd.DisableFlagsInUseLine = true
}

// addServer adds --server, for commands whose arguments are something else than the URL.
func (f *askFlags) addServer(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "ask the server at this `URL`, or v1, authv2 or v2")
}

// target returns the arguments that name the server, and those that are left. The server is what --server says, or else a first argument that
// is a URL of http or https, or one of the names for Atlassian's.
func (f *askFlags) target(args []string) (server, rest []string) {
	switch {
	case f.server != "":
		return []string{f.server}, args
	case len(args) > 0 && namesServer(args[0]):
		return args[:1], args[1:]
	}
	return nil, args
}

func namesServer(arg string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(arg), "://")
	return scheme == "https" || scheme == "http" || slices.Contains(atlassian.EndpointNames, arg)
}

func newToolsCommand() *cobra.Command {
	f := new(askFlags)
	cmd := &cobra.Command{
		Use:   "tools [URL] [flags]",
		Short: "List the server's tools",
		Long: `tools lists the tools that the server has for whoever is signed in. Those that change
something are marked with "writes", and with "not let through" those that --allow-tool
and --ignore-tool keep from an MCP client.`,
		Example: `  atlassian-mcp tools
  atlassian-mcp tools --allow-tool 'get*'
  atlassian-mcp tools v2 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.list(cmd, args, listing{
				what: "tools", method: mcp.MethodToolsList, member: "tools",
				has: func(c mcp.ServerCapabilities) bool { return c.Tools != nil },
				row: (*mcpClient).toolRow,
			})
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON as the server has it, for programs")
	f.addAsk(cmd)
	return cmd
}

// A listing is something that servers list.
type listing struct {
	what   string
	method mcp.MCPMethod
	member string // of the result
	has    func(mcp.ServerCapabilities) bool
	row    func(c *mcpClient, item json.RawMessage) ([]string, error)
}

// list prints what the server lists.
func (f *askFlags) list(cmd *cobra.Command, args []string, l listing) error {
	line := newStatusLine(cmd)
	defer line.close()
	c, done, err := f.openClient(cmd, args, line)
	defer done()
	if err != nil {
		return err
	}
	var items []json.RawMessage
	if l.has(c.server.Capabilities) {
		line.show("asking for the server's " + l.what)
		if items, err = c.pages(cmd.Context(), l.method, l.member); err != nil {
			return err
		}
	}
	line.show("")
	if f.json {
		if items == nil {
			items = []json.RawMessage{}
		}
		return printJSON(cmd.OutOrStdout(), items)
	}
	if len(items) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "atlassian-mcp: %s has no %s\n", plain(c.server.ServerInfo.Name), l.what)
		return nil
	}
	var t table
	for _, item := range items {
		if row, err := l.row(c, item); err == nil { // else it is nothing that a client could use
			t.add(row...)
		}
	}
	return t.print(cmd.OutOrStdout())
}

func (c *mcpClient) toolRow(item json.RawMessage) ([]string, error) {
	var t struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Annotations struct {
			ReadOnly bool `json:"readOnlyHint"`
		} `json:"annotations"`
	}
	err := json.Unmarshal(item, &t)
	kind := "writes"
	switch {
	case !c.policy.Permits(t.Name):
		kind = "not let through"
	case t.Annotations.ReadOnly:
		kind = "reads"
	}
	return []string{t.Name, kind, firstSentence(t.Description)}, err
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"

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
	cmd.RegisterFlagCompletionFunc("server", cobra.FixedCompletions(atlassian.EndpointNames, cobra.ShellCompDirectiveNoFileComp))
}

// serverArgs returns what names the server.
func (f *askFlags) serverArgs() []string {
	if f.server == "" {
		return nil
	}
	return []string{f.server}
}

func newToolsCommand() *cobra.Command {
	f := new(askFlags)
	cmd := &cobra.Command{
		Use:       "tools [URL] [flags]",
		ValidArgs: atlassian.EndpointNames,
		Short:     "List the server's tools",
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

func newPromptsCommand() *cobra.Command {
	f := new(askFlags)
	cmd := &cobra.Command{
		Use:       "prompts [URL] [flags]",
		ValidArgs: atlassian.EndpointNames,
		Short:     "List the server's prompts",
		Long: `prompts lists the prompts that the server has. Many MCP clients offer them to the person
as commands.`,
		Example: `  atlassian-mcp prompts
  atlassian-mcp prompts https://example.com/mcp --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.list(cmd, args, listing{
				what: "prompts", method: mcp.MethodPromptsList, member: "prompts",
				has: func(c mcp.ServerCapabilities) bool { return c.Prompts != nil },
				row: func(_ *mcpClient, item json.RawMessage) ([]string, error) {
					var p mcp.Prompt
					err := json.Unmarshal(item, &p)
					return []string{p.Name, firstSentence(p.Description)}, err
				},
			})
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON as the server has it, for programs")
	f.addAsk(cmd)
	return cmd
}

func newResourcesCommand() *cobra.Command {
	f := new(askFlags)
	cmd := &cobra.Command{
		Use:   "resources [URI] [flags]",
		Short: "List the server's resources, or read one",
		Long: `resources lists the resources that the server has: documents, or what pages of its
tools are made of. With the URI of one it writes that to standard output.`,
		Example: `  atlassian-mcp resources
  atlassian-mcp resources --server v2 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{what: fmt.Sprintf("unexpected argument %q", plain(args[1])), advice: "give one URI at a time"}
			}
			if len(args) == 1 {
				return f.readResource(cmd, args[0])
			}
			return f.list(cmd, f.serverArgs(), listing{
				what: "resources", method: mcp.MethodResourcesList, member: "resources",
				has: func(c mcp.ServerCapabilities) bool { return c.Resources != nil },
				row: func(_ *mcpClient, item json.RawMessage) ([]string, error) {
					var r mcp.Resource
					err := json.Unmarshal(item, &r)
					return []string{r.URI, r.MIMEType, firstSentence(r.Description)}, err
				},
			})
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON as the server has it, for programs")
	f.addServer(cmd)
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

// readResource writes what is at uri.
func (f *askFlags) readResource(cmd *cobra.Command, uri string) error {
	line := newStatusLine(cmd)
	defer line.close()
	c, done, err := f.openClient(cmd, f.serverArgs(), line)
	defer done()
	if err != nil {
		return err
	}
	line.show("reading " + plain(uri))
	var whole json.RawMessage
	if err := c.call(cmd.Context(), mcp.MethodResourcesRead, mcp.ReadResourceParams{URI: uri}, &whole); err != nil {
		return err
	}
	line.show("")
	out := cmd.OutOrStdout()
	if f.json {
		return printJSON(out, whole)
	}
	var result struct {
		Contents []struct {
			Text *string `json:"text"`
			Blob []byte  `json:"blob"`
		} `json:"contents"`
	}
	if err := json.Unmarshal(whole, &result); err != nil {
		return fmt.Errorf("the resource can't be read: %v; --json writes it as it came", err)
	}
	for _, content := range result.Contents {
		switch {
		case content.Text != nil:
			err = writeText(out, *content.Text)
		case isTerminalWriter(out):
			err = errors.New("this resource is not text; send the output to a file")
		default:
			_, err = out.Write(content.Blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

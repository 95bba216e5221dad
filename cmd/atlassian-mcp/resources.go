package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"
)

func newResourcesCommand() *cobra.Command {
	f := new(askFlags)
	cmd := &cobra.Command{
		Use:   "resources [URL] [URI] [flags]",
		Short: "List the server's resources, or read one",
		Long: `resources lists the resources that the server has: documents, or what pages of its
tools are made of. With the URI of one it writes that to standard output. For one whose
URI starts with https:// itself, --server names the server.`,
		Example: `  atlassian-mcp resources
  atlassian-mcp resources v2 --json
  atlassian-mcp resources ui://atlassian/jira-issue/view.html > view.html`,
		RunE: f.resources,
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON as the server has it, for programs")
	f.addServer(cmd)
	f.addAsk(cmd)
	return cmd
}

// resources is the command.
func (f *askFlags) resources(cmd *cobra.Command, args []string) error {
	server, rest := f.target(args)
	switch {
	case len(rest) == 1:
		return f.readResource(cmd, server, rest[0])
	case len(rest) > 1:
		return &usageError{what: fmt.Sprintf("unexpected argument %q", plain(rest[1])), advice: "give one URI at a time"}
	}
	return f.list(cmd, server, listing{
		what: "resources", method: mcp.MethodResourcesList, member: "resources",
		has: func(c mcp.ServerCapabilities) bool { return c.Resources != nil },
		row: func(_ *mcpClient, item json.RawMessage) ([]string, error) {
			var r mcp.Resource
			err := json.Unmarshal(item, &r)
			return []string{r.URI, r.MIMEType, firstSentence(cmp.Or(r.Description, r.Title, r.Name))}, err
		},
	})
}

// readResource writes what is at uri.
func (f *askFlags) readResource(cmd *cobra.Command, server []string, uri string) error {
	line := newStatusLine(cmd)
	defer line.close()
	c, done, err := f.openClient(cmd, server, line)
	defer done()
	if err != nil {
		return err
	}
	line.show("reading " + plain(uri))
	var whole json.RawMessage
	err = c.call(cmd.Context(), mcp.MethodResourcesRead, mcp.ReadResourceParams{URI: uri}, &whole)
	if answered, ok := err.(*answeredError); ok {
		return &advisedError{answered, "'atlassian-mcp resources' lists what there is"}
	}
	if err != nil {
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
		return &advisedError{fmt.Errorf("the resource can't be read: %v", err), "--json writes it as it came"}
	}
	for _, content := range result.Contents {
		switch {
		case content.Text != nil:
			err = writeText(out, *content.Text)
		case isTerminalWriter(out):
			err = &advisedError{errors.New("this resource is not text"), "send the output to a file, as in 'atlassian-mcp resources URI > FILE'"}
		default:
			_, err = out.Write(content.Blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

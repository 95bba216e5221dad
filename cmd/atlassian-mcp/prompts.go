package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"
)

func newPromptsCommand() *cobra.Command {
	f := new(askFlags)
	cmd := &cobra.Command{
		Use:   "prompts [URL] [PROMPT [NAME=VALUE]...] [flags]",
		Short: "List the server's prompts, or fill in one",
		Long: `prompts lists the prompts that the server has. Many MCP clients offer them to the person
as commands. With the name of one, and its arguments as NAME=VALUE or NAME=@FILE, it
writes what a model would be told.`,
		Example: `  atlassian-mcp prompts
  atlassian-mcp prompts https://example.com/mcp --json
  atlassian-mcp prompts https://example.com/mcp review branch=main`,
		RunE: f.prompts,
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON as the server has it, for programs")
	f.addServer(cmd)
	f.addAsk(cmd)
	return cmd
}

// prompts is the command.
func (f *askFlags) prompts(cmd *cobra.Command, args []string) error {
	server, rest := f.target(args)
	if len(rest) > 0 {
		return f.fillPrompt(cmd, server, rest[0], rest[1:])
	}
	return f.list(cmd, server, listing{
		what: "prompts", method: mcp.MethodPromptsList, member: "prompts",
		has: func(c mcp.ServerCapabilities) bool { return c.Prompts != nil },
		row: func(_ *mcpClient, item json.RawMessage) ([]string, error) {
			var p mcp.Prompt
			err := json.Unmarshal(item, &p)
			return []string{p.Name, promptUsage(p), firstSentence(cmp.Or(p.Description, p.Title))}, err
		},
	})
}

// promptUsage returns how the arguments of p are given.
func promptUsage(p mcp.Prompt) string {
	var words []string
	for _, a := range p.Arguments {
		word := a.Name + "=…"
		if !a.Required {
			word = "[" + word + "]"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// fillPrompt writes what the prompt of this name comes to with args.
func (f *askFlags) fillPrompt(cmd *cobra.Command, server []string, name string, args []string) error {
	given, err := parseArguments(args)
	if err != nil {
		return err
	}
	line := newStatusLine(cmd)
	defer line.close()
	c, done, err := f.openClient(cmd, server, line)
	defer done()
	if err != nil {
		return err
	}
	line.show("asking for the server's prompts")
	prompt, err := c.prompt(cmd.Context(), name)
	if err != nil {
		return err
	}
	arguments, err := prompt.arguments(given)
	if err != nil {
		return err
	}
	line.show("filling in " + plain(name))
	var whole json.RawMessage
	params := struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}{name, arguments}
	if err := c.call(cmd.Context(), mcp.MethodPromptsGet, params, &whole); err != nil {
		return err
	}
	line.show("")
	out := cmd.OutOrStdout()
	if f.json {
		return printJSON(out, whole)
	}
	return writePrompt(out, whole)
}

// prompt returns the prompt with that name, whose arguments are as those of a tool that takes nothing but text.
func (c *mcpClient) prompt(ctx context.Context, name string) (*callable, error) {
	var items []json.RawMessage
	if c.server.Capabilities.Prompts != nil {
		var err error
		if items, err = c.pages(ctx, mcp.MethodPromptsList, "prompts"); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, item := range items {
		var p mcp.Prompt
		if err := json.Unmarshal(item, &p); err != nil {
			continue // that one can't be used, but the others can
		}
		if p.Name == name {
			return promptCallable(p)
		}
		names = append(names, p.Name)
	}
	return nil, unknownName("prompt", name, names)
}

// promptCallable returns p with a JSON Schema of its arguments.
func promptCallable(p mcp.Prompt) (*callable, error) {
	s := struct {
		Properties map[string]any `json:"properties"`
		Required   []string       `json:"required"`
	}{Properties: make(map[string]any)}
	for _, a := range p.Arguments {
		s.Properties[a.Name] = map[string]string{"type": "string", "description": a.Description}
		if a.Required {
			s.Required = append(s.Required, a.Name)
		}
	}
	data, err := json.Marshal(s)
	return &callable{Name: p.Name, InputSchema: data, kind: "prompt"}, err
}

// writePrompt writes the messages of a prompt, with who says each if there are several.
func writePrompt(out io.Writer, raw json.RawMessage) error {
	var result struct {
		Messages []struct {
			Role    string       `json:"role"`
			Content contentBlock `json:"content"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return &advisedError{fmt.Errorf("the prompt can't be read: %v", err), "--json writes it as it came"}
	}
	var text []string
	for _, m := range result.Messages {
		said := m.Content.text("--json")
		if len(result.Messages) > 1 {
			said = m.Role + ":\n" + said
		}
		text = append(text, said)
	}
	return writeText(out, strings.Join(text, "\n\n"))
}

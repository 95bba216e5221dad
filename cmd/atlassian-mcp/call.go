package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"
)

// callFlags are the flags of call.
type callFlags struct {
	askFlags
	arguments string
	result    bool
}

func newCallCommand() *cobra.Command {
	f := new(callFlags)
	cmd := &cobra.Command{
		Use:   "call TOOL [NAME=VALUE]... [flags]",
		Short: "Call one of the server's tools",
		Long: `call calls a tool and writes what it returns to standard output.

Its arguments are NAME=VALUE. A value is text where the tool wants text, and JSON where
it wants anything else. NAME:=VALUE is JSON in any case, and NAME=@FILE is what is in
the file. With --json the arguments are one JSON object, and '-' stands for standard
input.

The exit status is 1 if the tool says that it has failed.`,
		Example: `  atlassian-mcp call getVisibleJiraProjects cloudId=acme.atlassian.net
  atlassian-mcp call searchJiraIssuesUsingJql cloudId=acme.atlassian.net jql='type = Bug'
  echo '{"query": "Q2 planning"}' | atlassian-mcp call search --json -`,
		RunE:              f.call,
		ValidArgsFunction: f.complete,
	}
	cmd.Flags().StringVar(&f.arguments, "json", "", "the arguments as a JSON `OBJECT`; - reads them from standard input")
	cmd.Flags().BoolVar(&f.result, "result", false, "write the whole result as JSON, not only its text")
	f.addServer(cmd)
	f.addAsk(cmd)
	return cmd
}

// call is the command.
func (f *callFlags) call(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{what: "which tool?", advice: "'atlassian-mcp tools' lists them"}
	}
	given, err := f.given(cmd, args[1:])
	if err != nil {
		return err
	}
	c, done, err := f.openClient(cmd, f.serverArgs())
	defer done()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	tool, err := c.tool(ctx, args[0])
	if err != nil {
		return err
	}
	arguments, err := tool.arguments(given)
	if err != nil {
		return err
	}
	if f.arguments != "" {
		arguments = given[0].json
	}
	c.told = progressLine(cmd.ErrOrStderr())
	var raw json.RawMessage
	params := mcp.CallToolParams{Name: tool.Name, Arguments: arguments, Meta: &mcp.Meta{ProgressToken: "call"}}
	if err := c.call(ctx, mcp.MethodToolsCall, params, &raw); err != nil {
		return err
	}
	return f.write(cmd, raw)
}

// write writes the result of a tool.
func (f *callFlags) write(cmd *cobra.Command, raw json.RawMessage) error {
	var result mcp.CallToolResult
	if err := json.Unmarshal(raw, &result); err != nil && !f.result {
		return fmt.Errorf("the tool's result can't be read: %v", err)
	}
	out := cmd.OutOrStdout()
	if f.result {
		if err := printJSON(out, raw); err != nil {
			return err
		}
		if result.IsError {
			return errors.New("the tool has failed")
		}
		return nil
	}
	var text []string
	for _, content := range result.Content {
		switch content := content.(type) {
		case mcp.TextContent:
			text = append(text, content.Text)
		case mcp.ImageContent:
			text = append(text, fmt.Sprintf("(an image, %s; --result has it)", content.MIMEType))
		default:
			text = append(text, "(something that is not text; --result has it)")
		}
	}
	whole := strings.Join(text, "\n")
	if result.IsError {
		return fmt.Errorf("the tool has failed: %s", toolMessage(whole))
	}
	if isTerminalWriter(out) {
		whole = pretty(whole)
	}
	return writeText(out, whole)
}

// toolMessage returns what a person wants to know of an error of Atlassian's tools, which is JSON.
func toolMessage(text string) string {
	var failed struct{ Message string }
	if json.Unmarshal([]byte(text), &failed) == nil && failed.Message != "" {
		return failed.Message
	}
	return text
}

// pretty breaks JSON into lines.
func pretty(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return b.String()
}

// writeText writes text that comes from a server: without what moves the cursor, on a terminal.
func writeText(out io.Writer, text string) error {
	if isTerminalWriter(out) {
		text = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				return -1
			}
			return r
		}, text)
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

func isTerminalWriter(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isTerminal(f)
}

// progressLine returns what shows a tool's progress on w, if that is a terminal.
func progressLine(w io.Writer) func(string, []byte) {
	if !isTerminalWriter(w) {
		return nil
	}
	return func(method string, params []byte) {
		var p mcp.ProgressNotificationParams
		if method != string(mcp.MethodNotificationProgress) || json.Unmarshal(params, &p) != nil {
			return
		}
		line := fmt.Sprintf("%v", p.Progress)
		if p.Total > 0 {
			line += fmt.Sprintf(" of %v", p.Total)
		}
		if p.Message != "" {
			line += ": " + p.Message
		}
		fmt.Fprintf(w, "atlassian-mcp: %s\n", plain(line))
	}
}

// An argument is what the command line says of one.
type argument struct {
	name string
	text string
	json json.RawMessage // instead of text
}

// given returns the arguments on the command line. With --json that is one, without a name.
func (f *callFlags) given(cmd *cobra.Command, args []string) ([]argument, error) {
	if f.arguments != "" {
		if len(args) > 0 {
			return nil, &usageError{what: "there are arguments both in --json and after it", advice: "put all of them into the JSON object, or leave out --json"}
		}
		text := []byte(f.arguments)
		if f.arguments == "-" {
			var err error
			if text, err = io.ReadAll(cmd.InOrStdin()); err != nil {
				return nil, fmt.Errorf("reading the arguments: %v", err)
			}
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err != nil || object == nil {
			return nil, &usageError{what: "--json is not a JSON object", advice: `it looks like this: --json '{"issueIdOrKey": "ALPHA-1"}'`}
		}
		return []argument{{json: text}}, nil
	}
	var given []argument
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || strings.TrimSuffix(name, ":") == "" {
			return nil, &usageError{what: fmt.Sprintf("%q is not NAME=VALUE", plain(arg)), advice: "quote a value that has spaces in it"}
		}
		a := argument{name: name, text: text}
		if file, ok := strings.CutPrefix(text, "@"); ok {
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, &usageError{what: "reading the argument " + strings.TrimSuffix(name, ":") + ": " + err.Error(), advice: "for text that starts with @, write NAME:='\"@…\"'"}
			}
			a.text = string(content)
		}
		if raw, ok := strings.CutSuffix(name, ":"); ok {
			if !json.Valid([]byte(a.text)) {
				return nil, &usageError{what: fmt.Sprintf("the value of %q is not JSON", raw), advice: "leave out the colon for text"}
			}
			a.name, a.json = raw, json.RawMessage(a.text)
		}
		given = append(given, a)
	}
	return given, nil
}

// A serverTool is a tool that the server has, as far as it matters for a call.
type serverTool struct {
	Name        string `json:"name"`
	InputSchema struct {
		Properties map[string]struct {
			Type json.RawMessage `json:"type"` // a string, or an array of them
		} `json:"properties"`
		Required []string `json:"required"`
	} `json:"inputSchema"`
}

// tool returns the tool with that name.
func (c *mcpClient) tool(ctx context.Context, name string) (*serverTool, error) {
	items, err := c.pages(ctx, mcp.MethodToolsList, "tools")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range items {
		t := new(serverTool)
		if err := json.Unmarshal(item, t); err != nil {
			return nil, fmt.Errorf("the server's list of tools can't be read: %v", err)
		}
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	usage := &usageError{what: fmt.Sprintf("the server has no tool %q for you", plain(name)), advice: "'atlassian-mcp tools' lists them"}
	if near := closest(name, names); near != "" {
		usage.advice = fmt.Sprintf("did you mean %s?", near)
	}
	return nil, usage
}

// arguments returns given as the tool wants it.
func (t *serverTool) arguments(given []argument) (json.RawMessage, error) {
	object := make(map[string]json.RawMessage)
	for _, a := range given {
		property, known := t.InputSchema.Properties[a.name]
		switch {
		case a.name == "":
			continue
		case object[a.name] != nil:
			return nil, &usageError{what: fmt.Sprintf("the argument %q is there twice", plain(a.name)), advice: "give several values as JSON: NAME:='[\"a\", \"b\"]'"}
		case !known && t.InputSchema.Properties != nil:
			return nil, t.unknown(a.name)
		case a.json != nil:
			object[a.name] = a.json
		case !known || bytes.Contains(property.Type, []byte(`"string"`)) || !json.Valid([]byte(a.text)):
			object[a.name], _ = json.Marshal(a.text)
		default:
			object[a.name] = json.RawMessage(a.text)
		}
	}
	return json.Marshal(object)
}

// unknown returns the error for an argument that the tool doesn't take.
func (t *serverTool) unknown(name string) error {
	var names []string
	for n := range t.InputSchema.Properties {
		if slices.Contains(t.InputSchema.Required, n) {
			n += " (required)"
		}
		names = append(names, n)
	}
	slices.Sort(names)
	advice := "it takes " + strings.Join(names, ", ")
	if len(names) == 0 {
		advice = "it takes none"
	}
	if near := closest(name, names); near != "" {
		advice = fmt.Sprintf("did you mean %s?", near)
	}
	return &usageError{what: fmt.Sprintf("the tool %s takes no argument %q", t.Name, plain(name)), advice: advice}
}

// completeTimeout is how long the shell waits for the names of tools when the tab key has been pressed.
const completeTimeout = 3 * time.Second

// complete completes the name of the tool, and after it those of its arguments.
func (f *callFlags) complete(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	cmd.SetContext(ctx)
	cmd.SetErr(io.Discard)
	c, done, err := f.openClient(cmd, f.serverArgs())
	defer done()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(args) > 0 {
		t, err := c.tool(ctx, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for name := range t.InputSchema.Properties {
			names = append(names, name+"=")
		}
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	items, err := c.pages(ctx, mcp.MethodToolsList, "tools")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, item := range items {
		if row, err := toolRow(item); err == nil {
			names = append(names, row[0]+"\t"+row[2])
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

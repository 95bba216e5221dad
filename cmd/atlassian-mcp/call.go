package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

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
		Use:   "call [URL] TOOL [NAME=VALUE]... [flags]",
		Short: "Call one of the server's tools",
		Long: `call calls a tool and writes what it returns to standard output.

Its arguments are NAME=VALUE. A value is text where the tool wants text, and JSON where
it wants anything else; where it wants an array, NAME=VALUE may be repeated instead.
NAME:=VALUE is JSON in any case, and NAME=@FILE is what is in the file. What the tool
doesn't know, or can't do without, is an error before it is called. With --json the
arguments are one JSON object as it is, and '-' stands for standard input.

Ctrl-C tells the server to stop. The exit status is 1 if the tool says that it has
failed, and 3 if nobody is signed in.`,
		Example: `  atlassian-mcp call getVisibleJiraProjects cloudId=acme.atlassian.net
  atlassian-mcp call searchJiraIssuesUsingJql cloudId=acme.atlassian.net jql='type = Bug'
  atlassian-mcp call getJiraIssue --site acme issueIdOrKey=ALPHA-1 fields=status
  atlassian-mcp call getVisibleJiraProjects --site acme
  echo '{"query": "Q2 planning"}' | atlassian-mcp call search --json -`,
		RunE:              f.call,
		ValidArgsFunction: f.complete,
	}
	cmd.Flags().StringVar(&f.arguments, "json", "", "the arguments as a JSON `OBJECT`; - reads them from\nstandard input")
	cmd.Flags().BoolVar(&f.result, "result", false, "write the whole result as JSON, not only its text")
	f.addServer(cmd)
	f.addAsk(cmd)
	return cmd
}

// call is the command.
func (f *callFlags) call(cmd *cobra.Command, args []string) error {
	server, args := f.target(args)
	if len(args) == 0 {
		return &usageError{what: "which tool?", advice: "'atlassian-mcp tools' lists them"}
	}
	given, whole, err := f.given(cmd, args[1:])
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
	line.show("asking for the server's tools")
	tool, err := c.tool(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	if !c.policy.Permits(tool.Name) {
		return &usageError{what: fmt.Sprintf("the tool %s is not let through", plain(tool.Name)), advice: "that is what --allow-tool and --ignore-tool say"}
	}
	if whole == nil {
		if whole, err = tool.arguments(given); err != nil {
			return err
		}
	}
	line.show("calling " + plain(tool.Name))
	c.told = func(method string, params []byte) {
		if text := progressText(method, params); text != "" {
			line.detail("calling " + plain(tool.Name) + ": " + text)
		}
	}
	var raw json.RawMessage
	params := mcp.CallToolParams{Name: tool.Name, Arguments: whole, Meta: &mcp.Meta{ProgressToken: "call"}}
	err = c.call(cmd.Context(), mcp.MethodToolsCall, params, &raw)
	line.show("")
	if err != nil {
		return err
	}
	err = f.write(cmd.OutOrStdout(), raw, c.explain)
	if refused, ok := errors.AsType[*refusedError](err); ok && refused.refusal.Stale && c.renew != nil {
		line.show("renewing the sign-in")
		if c.renew(cmd.Context()) == nil {
			refused.refusal.Advice = "The sign-in has been renewed now: call the tool again."
		}
	}
	return err
}

// A toolResult is the result of a tool, as far as people can read it.
type toolResult struct {
	Content    []contentBlock  `json:"content"`
	Structured json.RawMessage `json:"structuredContent"`
	IsError    bool            `json:"isError"`
}

// A contentBlock is a piece of what a server says to a model.
type contentBlock struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	MIMEType string `json:"mimeType"`
	URI      string `json:"uri"`
	Resource struct {
		URI  string  `json:"uri"`
		Text *string `json:"text"`
	} `json:"resource"`
}

// write writes the result of a tool.
func (f *callFlags) write(out io.Writer, raw json.RawMessage, explain explainer) error {
	var result toolResult
	if err := json.Unmarshal(raw, &result); err != nil && !f.result {
		return &advisedError{fmt.Errorf("the tool's result can't be read: %v", err), "--result writes it as it came"}
	}
	text := result.text()
	if f.result {
		if err := printJSON(out, raw); err != nil {
			return err
		}
	}
	if result.IsError {
		err := fmt.Errorf("the tool has failed: %s", toolMessage(text))
		if r, ok := explain(0, text); ok {
			return &refusedError{err, r}
		}
		return err
	}
	if f.result {
		return nil
	}
	if isTerminalWriter(out) {
		text = pretty(text)
	}
	return writeText(out, text)
}

// text returns what a person can read of the result.
func (r toolResult) text() string {
	var text []string
	for _, c := range r.Content {
		text = append(text, c.text("--result"))
	}
	if len(text) == 0 && r.Structured != nil {
		return string(r.Structured)
	}
	return strings.Join(text, "\n")
}

// text returns what a person can read of c. The whole is what a flag of the command shows.
func (c contentBlock) text(flag string) string {
	switch {
	case c.Type == "text":
		return c.Text
	case c.Type == "resource" && c.Resource.Text != nil:
		return *c.Resource.Text
	case c.Type == "resource":
		return fmt.Sprintf("(the resource %s, which is not text; %s has it)", c.Resource.URI, flag)
	case c.Type == "resource_link":
		return c.URI
	}
	return fmt.Sprintf("(%s; %s has it)", cmp.Or(c.MIMEType, c.Type, "something that is not text"), flag)
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
			if moves(r) && r != '\n' && r != '\t' {
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

// progressText returns what a notification says of a call's progress, "" if it is about something else.
func progressText(method string, params []byte) string {
	var p mcp.ProgressNotificationParams
	if method != string(mcp.MethodNotificationProgress) || json.Unmarshal(params, &p) != nil {
		return ""
	}
	text := fmt.Sprint(p.Progress)
	if p.Total > 0 {
		text += fmt.Sprintf(" of %v", p.Total)
	}
	if p.Message != "" {
		text += " " + p.Message
	}
	return plain(text)
}

// A callable is a tool that the server has, or something else that takes arguments as tools do.
type callable struct {
	Name        string          `json:"name"`
	InputSchema json.RawMessage `json:"inputSchema"`
	kind        string          // what people call it; "" means a tool
}

func (t *callable) String() string { return "the " + cmp.Or(t.kind, "tool") + " " + plain(t.Name) }

// tool returns the tool with that name.
func (c *mcpClient) tool(ctx context.Context, name string) (*callable, error) {
	items, err := c.pages(ctx, mcp.MethodToolsList, "tools")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range items {
		t := new(callable)
		if err := json.Unmarshal(item, t); err != nil {
			continue // that one can't be called, but the others can
		}
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return nil, unknownName("tool", name, names)
}

// unknownName returns the error for something of this kind that is not among names, which the server has.
func unknownName(kind, name string, names []string) error {
	usage := &usageError{what: fmt.Sprintf("the server has no %s %q for you", kind, plain(name)), advice: fmt.Sprintf("'atlassian-mcp %ss' lists them", kind)}
	if near := closestName(name, names); near != "" {
		usage.advice = fmt.Sprintf("did you mean %s?", plain(near))
	}
	return usage
}

// completeTimeout is how long the shell waits for the names of tools when the tab key has been pressed.
const completeTimeout = 3 * time.Second

// complete completes the name of the tool, and after it those of its arguments and what they may be.
func (f *callFlags) complete(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	cmd.SetContext(ctx)
	cmd.SetErr(io.Discard)
	line := newStatusLine(cmd) // which shows nothing
	defer line.close()
	server, args := f.target(args)
	c, done, err := f.openClient(cmd, server, line)
	defer done()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(args) == 0 {
		words, err = c.toolNames(ctx)
	} else if t, e := c.tool(ctx, args[0]); e == nil {
		if name, _, ok := strings.Cut(word, "="); ok {
			words = t.valueWords(name)
		} else {
			words, directive = t.argumentWords(args[1:]), directive|cobra.ShellCompDirectiveNoSpace
		}
	}
	words = slices.DeleteFunc(words, func(w string) bool { return err != nil || !strings.HasPrefix(w, word) })
	return words, directive
}

// toolNames returns the names of the server's tools with what they do, as cobra wants it.
func (c *mcpClient) toolNames(ctx context.Context) ([]string, error) {
	items, err := c.pages(ctx, mcp.MethodToolsList, "tools")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range items {
		if row, err := c.toolRow(item); err == nil {
			names = append(names, unbroken(row[0])+"\t"+unbroken(row[2]))
		}
	}
	return names, nil
}

// argumentWords returns the names of the tool's arguments that are not among args, those first that must be there.
func (t *callable) argumentWords(args []string) []string {
	s := readSchema(t.InputSchema)
	var words []string
	for _, name := range slices.Concat(s.Required, slices.Sorted(maps.Keys(s.Properties))) {
		word := unbroken(name) + "="
		if !slices.Contains(words, word) && !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, word) }) {
			words = append(words, word)
		}
	}
	return words
}

// valueWords returns what an argument may be, if its schema lists that.
func (t *callable) valueWords(name string) []string {
	property := readSchema(readSchema(t.InputSchema).Properties[name])
	values := property.Enum
	if len(values) == 0 && property.kinds(t.InputSchema, 0) == kindBoolean {
		values = []any{true, false}
	}
	var words []string
	for _, v := range values {
		words = append(words, name+"="+unbroken(fmt.Sprint(v)))
	}
	return words
}

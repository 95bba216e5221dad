package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// sandboxPort is where the sandbox is if nobody says otherwise, so that an entry in a client's configuration stays right.
const sandboxPort = 8417

// sandboxFlags are the flags of sandbox.
type sandboxFlags struct {
	port   int
	user   string
	data   string
	faults []string
	debug  bool
}

func newSandboxCommand() *cobra.Command {
	f := new(sandboxFlags)
	cmd := &cobra.Command{
		Use:   "sandbox [flags]",
		Short: "Be a Rovo MCP server, to try clients and agents on",
		Long: `sandbox plays the Atlassian Rovo MCP Server on 127.0.0.1, with the Jira, Confluence
and Compass of an organization that is made up: sign-in in the browser, tools, and the
ways in which the real server fails. It needs no account, asks nobody else anything,
and takes only what comes from this machine.

It prints what to put into an MCP client's configuration. A page at its address shows
what goes on, and switches faults on and off. It runs until Ctrl-C.

Faults are
` + faultList(),
		Example: `  atlassian-mcp sandbox
  atlassian-mcp sandbox --user ada --fault rate-limit=5 --data org.json`,
		Args: noArgs,
		RunE: f.run,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&f.port, "port", sandboxPort, "listen on this `PORT`; 0 is a free one")
	flags.StringVar(&f.user, "user", "", "sign in as this `NAME`, without asking on the sign-in page")
	flags.StringVar(&f.data, "data", "", "keep the organization in `FILE`, which may be edited meanwhile")
	flags.StringArrayVar(&f.faults, "fault", nil, "have this `FAULT` happen: NAME or NAME=ARGUMENT (repeatable)")
	flags.BoolVar(&f.debug, "debug", false, "log everything on standard error")
	cmd.DisableFlagsInUseLine = true
	return cmd
}

// faultList describes the faults, for the help.
func faultList() string {
	const column, width = 26, 60 // of what a fault is, behind its name
	var b strings.Builder
	for _, fault := range sandbox.Faults() {
		name := fault.Name
		switch optional := strings.Trim(fault.Arg, "[]"); {
		case optional != fault.Arg:
			name += "[=" + optional + "]"
		case fault.Arg != "":
			name += "=" + fault.Arg
		}
		line := fmt.Sprintf("  %-*s", column-2, name)
		for word := range strings.FieldsSeq(fault.Imitates) {
			if len(line)+1+len(word) > column+width {
				b.WriteString(strings.TrimRight(line, " ") + "\n")
				line = strings.Repeat(" ", column)
			}
			if len(line) > column {
				line += " "
			}
			line += word
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// run is the command.
func (f *sandboxFlags) run(cmd *cobra.Command, _ []string) error {
	if f.port < 0 || f.port > 65535 {
		return &usageError{what: "--port is not a port", advice: "a port is a number from 1 to 65535, or 0 for a free one"}
	}
	log, closeLog, err := openLog(cmd.ErrOrStderr(), f.debug, "")
	if err != nil {
		return err
	}
	defer closeLog()
	self, err := os.Executable()
	if err != nil {
		self = "atlassian-mcp"
	}
	server, err := openSandbox(sandbox.Config{
		Addr:    net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port)),
		Data:    f.data,
		User:    f.user,
		Faults:  f.faults,
		Log:     log,
		Command: self,
	})
	if errors.Is(err, errInUse) {
		return &usageError{what: fmt.Sprintf("port %d is taken", f.port), advice: "is a sandbox running already? --port 0 takes a free port"}
	}
	if err != nil {
		return err
	}
	defer server.Close()
	announceSandbox(cmd.OutOrStdout(), server, self)
	<-cmd.Context().Done()
	return nil
}

// announceSandbox says where the sandbox is and what to do with it. Clients start self.
func announceSandbox(out io.Writer, server *sandbox.Server, self string) {
	fmt.Fprintf(out, `A Rovo MCP server for this machine alone, with a made-up organization. It is not Atlassian's.

Entry for an MCP client:
  {"mcpServers": {"atlassian-sandbox": {"command": %q, "args": [%q]}}}
In a terminal:
  atlassian-mcp login %s
  atlassian-mcp tools %[3]s
See and change what goes on:
  %s/
`, self, server.Endpoint("/v1/mcp"), server.Endpoint("/v1/mcp"), server.URL())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Other endpoints:")
	for _, e := range []struct{ path, what string }{
		{"/v1/mcp/authv2", "the same tools, the sign-in of Atlassian Identity"},
		{"/v2/mcp", "the tools of September 2026"},
		{"/v2/mcp?tools=all", "each of them by its own name"},
		{"/v1/sse", "HTTP+SSE, which Atlassian has retired"},
		{"/mcp", "protocol 2026-07-28 too"},
	} {
		fmt.Fprintf(w, "  %s\t%s\n", server.Endpoint(e.path), e.what)
	}
	fmt.Fprintln(w, "People:")
	for _, p := range server.Org().People() {
		what := p.Title
		if p.Service {
			what = "service account, has an API key only"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", p.Email, p.Name, what)
	}
	fmt.Fprintln(w, "Sites:")
	for _, s := range server.Sites() {
		fmt.Fprintf(w, "  %s\t--site %s\n", s.URL, s.Address)
	}
	w.Flush()
	fmt.Fprintf(out, `An API token, or the key of a service account, without a browser:
  curl -d '{"person": "ada"}' %s
Ctrl-C ends it.
`, server.Endpoint("/control/api-tokens"))
}

// openSandbox starts a sandbox. Mistakes in cfg are the user's.
func openSandbox(cfg sandbox.Config) (*sandbox.Server, error) {
	for _, given := range cfg.Faults {
		name := faultName(given)
		if !slices.ContainsFunc(sandbox.Faults(), func(f sandbox.Fault) bool { return f.Name == name }) {
			return nil, &usageError{what: fmt.Sprintf("there is no fault %q", name), advice: "'atlassian-mcp help sandbox' lists those that there are"}
		}
	}
	server, err := sandbox.Start(cfg)
	if wrong, ok := errors.AsType[*sandbox.ConfigError](err); ok {
		return nil, &usageError{what: wrong.Error(), advice: "see 'atlassian-mcp help sandbox'"}
	}
	return server, err
}

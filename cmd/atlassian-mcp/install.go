package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/ide"
)

// installFlags are the flags of install and uninstall.
type installFlags struct {
	name    string
	project bool
	print   bool
	replace bool
}

func (f *installFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVar(&f.name, "name", "atlassian", "the `NAME` of the server in the client")
	flags.BoolVar(&f.project, "project", false, "in the configuration of the repository in this directory,\nnot in yours")
	flags.BoolVar(&f.print, "print", false, "show what would be done, change nothing")
}

const clientsHelp = `CLIENT is one of claude-desktop, claude-code, cursor, vscode, vscode-insiders,
windsurf, gemini, codex, copilot, zed, cline, opencode, lm-studio, goose and kiro, or
all for those that are on this machine.`

func newInstallCommand() *cobra.Command {
	f := new(installFlags)
	cmd := &cobra.Command{
		Use:   "install [CLIENT...] [flags] [-- URL and flags of the relay]",
		Short: "Set up MCP clients to use this program",
		Long: `install adds this program to the configuration of MCP clients, and keeps everything
else that is there. What was there before is kept in a file beside it. Without a client
it shows which ones are on this machine, and asks.

` + clientsHelp + `

What follows -- is what the clients start this program with, and nothing if -- is the
last word. Without --, an entry that is there keeps what it has, and one that replaces
mcp-remote's takes over its URL, port, flags and variables. Proxy settings of this shell
go along, but for --project, since clients pass few variables on.`,
		Example: `  atlassian-mcp install cursor
  atlassian-mcp install all --print
  atlassian-mcp install vscode --name work -- authv2 --profile work`,
		RunE: f.install,

		ValidArgsFunction:     completeClients,
		DisableFlagsInUseLine: true,
	}
	f.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace other entries for Atlassian's server, such as those of\n"+
		"mcp-remote, and take over what they have")
	return cmd
}

func newUninstallCommand() *cobra.Command {
	f := new(installFlags)
	cmd := &cobra.Command{
		Use:   "uninstall [CLIENT...] [flags]",
		Short: "Undo install",
		Long: `uninstall removes what install has added to the configuration of MCP clients. Without
a client it shows which ones have that, and asks.

` + clientsHelp,
		Example: `  atlassian-mcp uninstall cursor
  atlassian-mcp uninstall all --print`,
		RunE: f.uninstall,

		ValidArgsFunction:     completeClients,
		DisableFlagsInUseLine: true,
	}
	f.add(cmd.Flags())
	return cmd
}

func completeClients(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append(clientNames(), "all"), cobra.ShellCompDirectiveNoFileComp
}

func clientNames() (names []string) {
	for _, c := range ide.Clients() {
		names = append(names, c.Name)
	}
	return names
}

// install is the command.
func (f *installFlags) install(cmd *cobra.Command, args []string) error {
	var relayArgs []string
	if n := cmd.ArgsLenAtDash(); n >= 0 {
		args, relayArgs = args[:n], args[n:] // which is not nil
	}
	if err := checkRelayArgs(relayArgs); err != nil {
		return err
	}
	env, err := f.env()
	if err != nil {
		return err
	}
	entry, err := f.entry(env, relayArgs)
	if err != nil {
		return err
	}
	clients, err := f.choose(cmd, env, args, func(c ide.Client) bool { return c.Found(env) })
	if err != nil {
		return err
	}
	changed := false
	err = f.each(cmd, env, clients, func(t ide.Target) error {
		entry, replace, err := f.plan(cmd, t, entry)
		if err != nil {
			return err
		}
		change, err := t.Install(entry, replace)
		if conflict, ok := errors.AsType[*ide.ConflictError](err); ok {
			return &usageError{what: conflict.Error(), advice: "--replace puts this program in its place; --name NAME adds it under another name"}
		}
		if err != nil {
			return err
		}
		changed = changed || change.Changed()
		return f.carryOut(cmd, t, change, "is now in", "is already in")
	})
	if changed && !f.print {
		f.advise(cmd.ErrOrStderr(), clients, entry)
	}
	return err
}

// advise says what is left to do after install.
func (f *installFlags) advise(w io.Writer, clients []ide.Client, entry ide.Entry) {
	for _, c := range clients {
		if c.After != "" {
			io.WriteString(w, hintLine(c.After))
		}
	}
	for name, value := range entry.Env {
		if u, err := url.Parse(value); err == nil && u.User != nil {
			io.WriteString(w, hintLine(name+" has a user name or password in it, which is in the configuration now"))
		}
	}
	if f.project {
		io.WriteString(w, hintLine("the path of the program is that on this machine: others who use the repository need their own"))
	}
	io.WriteString(w, hintLine("'atlassian-mcp login' signs in now, instead of when a client first needs it"))
}

// uninstall is the command.
func (f *installFlags) uninstall(cmd *cobra.Command, args []string) error {
	env, err := f.env()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	clients, err := f.choose(cmd, env, args, func(c ide.Client) bool {
		return slices.ContainsFunc(c.Targets(env, f.project), func(t ide.Target) bool { return f.ours(t, program) })
	})
	if err != nil {
		return err
	}
	return f.each(cmd, env, clients, func(t ide.Target) error {
		change, err := t.Uninstall(f.name, program)
		if conflict, ok := errors.AsType[*ide.ConflictError](err); ok {
			return &usageError{what: conflict.Error() + ", which install has not written", advice: "remove it by hand if it should go"}
		}
		if err != nil {
			return err
		}
		return f.carryOut(cmd, t, change, "is no longer in", "is not in")
	})
}

// ours reports whether install has set up t.
func (f *installFlags) ours(t ide.Target, program string) bool {
	servers, err := t.Servers()
	return err == nil && slices.ContainsFunc(servers, func(s ide.Server) bool { return s.Name == f.name && s.Ours(program) })
}

// env returns the machine that clients are on, and checks the flags.
func (f *installFlags) env() (ide.Env, error) {
	if f.name == "" || len(f.name) > 64 || strings.ContainsFunc(f.name, isNotNameRune) {
		return ide.Env{}, &usageError{what: fmt.Sprintf("--name %q is no name for a server", f.name), advice: "use letters, digits, - and _"}
	}
	home, err := os.UserHomeDir()
	if err != nil { // as under env -i
		u, err := user.Current()
		if err != nil {
			return ide.Env{}, err
		}
		home = u.HomeDir
	}
	dir, err := os.Getwd()
	return ide.Env{GOOS: runtime.GOOS, Home: home, Dir: dir, Getenv: os.Getenv, LookPath: exec.LookPath}, err
}

// isNotNameRune reports whether a client may not take r in the name of a server. Claude Code takes the least.
func isNotNameRune(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// choose returns the clients that args name. Without args it shows those that offer has, and asks which.
func (f *installFlags) choose(cmd *cobra.Command, env ide.Env, args []string, offer func(ide.Client) bool) ([]ide.Client, error) {
	all := ide.Clients()
	var offered []ide.Client
	for _, c := range all {
		if (!f.project || len(c.Targets(env, true)) > 0) && offer(c) {
			offered = append(offered, c)
		}
	}
	if len(offered) == 0 && (len(args) == 0 || slices.Contains(args, "all") && cmd.Name() == "install") {
		return nil, &usageError{what: "there is no client to " + cmd.Name() + " here", advice: "name one: " + strings.Join(clientNames(), ", ")}
	}
	if len(args) == 0 {
		f.list(cmd.OutOrStdout(), env, offered)
		in, ok := terminal(cmd.InOrStdin())
		if !ok {
			return nil, &usageError{what: "no client is named", advice: fmt.Sprintf("run '%s CLIENT...', or '%[1]s all'", cmd.CommandPath())}
		}
		answer, err := ask(cmd.Context(), in, cmd.ErrOrStderr(), "Which ones? Numbers or names, or all: ", nil)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for word := range strings.FieldsFuncSeq(answer, func(r rune) bool { return r == ' ' || r == ',' }) {
			if n, err := strconv.Atoi(word); err == nil && 1 <= n && n <= len(offered) {
				word = offered[n-1].Name
			}
			args = append(args, word)
		}
	}
	var chosen []ide.Client
	for _, name := range args {
		if name == "all" {
			chosen = append(chosen, offered...)
			continue
		}
		i := slices.IndexFunc(all, func(c ide.Client) bool { return c.Name == name })
		if i < 0 {
			return nil, unknownClient(cmd, name)
		}
		if f.project && len(all[i].Targets(env, true)) == 0 {
			return nil, &usageError{what: all[i].Title + " has no configuration for single repositories", advice: "leave out --project"}
		}
		chosen = append(chosen, all[i])
	}
	slices.SortStableFunc(chosen, func(a, b ide.Client) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(chosen, func(a, b ide.Client) bool { return a.Name == b.Name }), nil
}

func unknownClient(cmd *cobra.Command, name string) error {
	usage := &usageError{what: fmt.Sprintf("unknown client %q", name), advice: "the clients are " + strings.Join(clientNames(), ", ")}
	if isURL := strings.Contains(name, "://") || slices.Contains(atlassian.EndpointNames, name); isURL {
		usage.advice = fmt.Sprintf("put the URL after --, as in '%s CLIENT -- %s'", cmd.CommandPath(), plain(name))
	} else if meant := closest(name, clientNames()); meant != "" {
		usage.advice = fmt.Sprintf("did you mean '%s %s'?", cmd.CommandPath(), meant)
	}
	return usage
}

// list shows clients, and what they have under our name.
func (f *installFlags) list(out io.Writer, env ide.Env, clients []ide.Client) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, c := range clients {
		has := ""
		for _, t := range c.Targets(env, f.project) {
			servers, err := t.Servers()
			if err != nil {
				has = plain(err.Error())
			}
			for _, s := range servers {
				if s.Name == f.name || s.Atlassian() {
					has = fmt.Sprintf("has %q: %v", s.Name, s)
				}
			}
		}
		fmt.Fprintf(w, "%3d\t%s\t%s\t%s\n", i+1, c.Name, c.Title, has)
	}
	w.Flush()
}

// each calls do for each file of the clients. An error is no reason to leave the others out.
func (f *installFlags) each(cmd *cobra.Command, env ide.Env, clients []ide.Client, do func(ide.Target) error) error {
	var last error
	for _, c := range clients {
		for _, t := range c.Targets(env, f.project) {
			if err := do(t); err != nil {
				if last != nil {
					printError(cmd.ErrOrStderr(), last)
				}
				last = err
			}
		}
	}
	return last
}

// plan returns the entry for t, and the names of the servers there that it replaces: others that lead to Atlassian, or have its name.
// If nobody has given it arguments, now or before, it inherits those of a server that it replaces.
func (f *installFlags) plan(cmd *cobra.Command, t ide.Target, entry ide.Entry) (ide.Entry, []string, error) {
	servers, err := t.Servers()
	if err != nil {
		return entry, nil, err
	}
	inherits := entry.Args == nil
	var rivals []ide.Server
	var own map[string]string
	for _, s := range servers {
		switch ours, named := s.Ours(entry.Command), s.Name == entry.Name; {
		case ours && named:
			args, _ := s.Arguments()
			inherits, own = inherits && len(args) == 0, s.Env()
		case !ours && (named || s.Atlassian()):
			replace, err := f.mayReplace(cmd, t, s)
			if err != nil {
				return entry, nil, err
			}
			switch {
			case replace && named:
				rivals = slices.Insert(rivals, 0, s)
			case replace:
				rivals = append(rivals, s)
			}
		}
	}
	tellLocal(cmd.ErrOrStderr(), t, entry)
	var names []string
	for _, s := range rivals {
		names = append(names, s.Name)
		if args, ok := s.Arguments(); ok && inherits && entry.Args == nil {
			entry = inherit(cmd.ErrOrStderr(), entry, own, s, args)
		} else {
			tellLost(cmd.ErrOrStderr(), entry, s)
		}
	}
	return entry, names, nil
}

// mayReplace reports whether s is to be replaced, about which it asks if there is a terminal.
func (f *installFlags) mayReplace(cmd *cobra.Command, t ide.Target, s ide.Server) (bool, error) {
	in, ok := terminal(cmd.InOrStdin())
	switch {
	case f.replace:
		return true, nil
	case ok && !f.print:
		question := fmt.Sprintf("%q in %s is %v. Replace it? [y/N] ", s.Name, t.File, s)
		answer, err := ask(cmd.Context(), in, cmd.ErrOrStderr(), question, nil)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), nil
	case s.Name != f.name: // or else an error says it
		advice := fmt.Sprintf("%q in %s is %v, and leads to Atlassian too: --replace takes it out", s.Name, t.File, s)
		io.WriteString(cmd.ErrOrStderr(), hintLine(advice))
	}
	return false, nil
}

// carryOut makes the change, or shows it, and says with now how things are after it, or with already how they were.
func (f *installFlags) carryOut(cmd *cobra.Command, t ide.Target, change ide.Change, now, already string) error {
	out := cmd.OutOrStdout()
	switch {
	case change.Manual != "":
		fmt.Fprintf(out, "%s: add this to %s yourself:\n\n%s", t.Title, t.File, change.Manual)
		return nil
	case t.Manual():
		fmt.Fprintf(out, "%s: remove %q from %s yourself\n", t.Title, f.name, t.File)
		return nil
	case !change.Changed():
		fmt.Fprintf(out, "%s: %q %s %s\n", t.Title, f.name, already, change.File)
		return nil
	case f.print && len(change.Commands) > 0:
		for _, argv := range change.Commands {
			fmt.Fprintln(out, shellLine(argv))
		}
		return nil
	case f.print:
		_, err := io.WriteString(out, change.Diff())
		return err
	}
	if err := change.Apply(cmd.Context()); err != nil {
		return fmt.Errorf("%s: %w", t.Title, err) // hint looks into it
	}
	note := ""
	if _, err := os.Stat(change.Backup); err == nil && change.Before != nil {
		note = "; what was there before is in " + filepath.Base(change.Backup)
	}
	fmt.Fprintf(out, "%s: %q %s %s%s\n", t.Title, f.name, now, change.File, note)
	return nil
}

// shellLine returns a command as one would type it into a shell.
func shellLine(argv []string) string {
	special := func(r rune) bool { return isNotNameRune(r) && !strings.ContainsRune("./:=@%+,", r) }
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		if quoted[i] = arg; arg == "" || strings.ContainsFunc(arg, special) {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

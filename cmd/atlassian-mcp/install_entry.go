package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/ide"
)

// This file is what install puts into an entry: what the person says, what the network here needs, and what the entry that it replaces
// has said so far.

// entry returns what is to be written.
func (f *installFlags) entry(env ide.Env, args []string) (ide.Entry, error) {
	program, err := os.Executable()
	if err != nil {
		return ide.Entry{}, err
	}
	command, err := env.Command(program)
	if temporary, ok := errors.AsType[*ide.TemporaryError](err); ok {
		return ide.Entry{}, &usageError{
			what:   temporary.Error(),
			advice: "install the program first, for example with 'go install " + packagePath + "@latest', and run what is installed",
		}
	}
	if err != nil {
		return ide.Entry{}, err
	}
	e := ide.Entry{Name: f.name, Command: command, Args: args}
	if !f.project { // which others share, and a proxy's password with it
		e.Env = passedOn(env)
	}
	return e, nil
}

// passedOn returns the variables of this shell that a server needs on this network, and that clients don't pass on.
func passedOn(env ide.Env) map[string]string {
	names := []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}
	if env.GOOS != "windows" { // where case doesn't count
		names = append(names, "https_proxy", "http_proxy", "no_proxy")
	}
	values := make(map[string]string)
	for _, name := range append(names, certFileEnv...) {
		if value := env.Getenv(name); value != "" {
			values[name] = value
		}
	}
	return values
}

// packagePath is what "go install" knows the program by.
const packagePath = "github.com/atlassian-mcp/atlassian-mcp/cmd/atlassian-mcp"

// inherit returns entry, which has no arguments, with what s has: those of its args that the relay takes, and the variables that neither
// entry nor own has, which are those of the entry that is there. It tells what it leaves out.
func inherit(w io.Writer, entry ide.Entry, own map[string]string, s ide.Server, args []string) ide.Entry {
	var refused []error
	entry.Args, refused = takeOver(args)
	for _, name := range s.Headers() {
		refused = append(refused, fmt.Errorf("the header %s, since others on this machine can read arguments; "+
			"put it into a file, and --header-file after --", name))
	}
	for _, err := range refused {
		io.WriteString(w, hintLine(fmt.Sprintf("not taken over from %q: %s", s.Name, plain(err.Error()))))
	}
	env := maps.Clone(s.Env())
	maps.Copy(env, own)
	maps.Copy(env, entry.Env)
	entry.Env = env
	return entry
}

// takeOver returns the arguments of mcp-remote that the relay takes, which means the same by them, in their order, and why it does not
// take the others. Most of these mcp-remote ignores.
func takeOver(args []string) (taken []string, refused []error) {
	flags := new(relayFlags).command().Flags()
	var units [][]string // a flag with its value, or something else
	for len(args) > 0 {
		n := 1
		if flag := flags.Lookup(strings.TrimPrefix(args[0], "--")); strings.HasPrefix(args[0], "--") && flag != nil && flag.NoOptDefVal == "" {
			n = min(2, len(args))
		}
		units, args = append(units, args[:n]), args[n:]
	}
	chosen := make([]bool, len(units))
	with := func(next int) (args []string) {
		for i, unit := range units {
			if chosen[i] || i == next {
				args = append(args, unit...)
			}
		}
		return args
	}
	reasons := make([]error, len(units))
	for again := true; again; { // since some need others that come later, as http:// needs --allow-http
		again = false
		for i, unit := range units {
			if chosen[i] {
				continue
			}
			if address, advice := atlassian.Endpoint(unit[0]); advice != "" {
				units[i] = []string{address}
			}
			reasons[i] = checkRelayArgs(with(i))
			chosen[i] = reasons[i] == nil
			again = again || chosen[i]
		}
	}
	taken = slices.Concat([]string{}, with(-1)) // not nil
	if slices.Equal(taken, []string{atlassian.V1}) {
		taken = taken[:0]
	}
	words := 0
	for i, err := range reasons {
		if !strings.HasPrefix(units[i][0], "--") {
			words++
			if err != nil && words > 1 {
				err = errors.New("an argument that is neither a flag nor the URL") // and may be half of a secret
			}
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	return taken, refused
}

// tellLost says what s sets and entry, which comes in its place, does not.
func tellLost(w io.Writer, entry ide.Entry, s ide.Server) {
	if _, ok := s.Arguments(); !ok && s.Atlassian() {
		io.WriteString(w, hintLine(fmt.Sprintf("%q is %v, whose command line can't be read here: its URL and flags go after --", s.Name, s)))
		return
	}
	lost := slices.DeleteFunc(s.Settings(), func(name string) bool {
		_, kept := entry.Env[name]
		return kept || slices.ContainsFunc(entry.Args, func(arg string) bool { return arg == name || strings.HasPrefix(arg, name+"=") })
	})
	if len(lost) > 0 {
		names := strings.Join(slices.Compact(lost), ", ")
		io.WriteString(w, hintLine(fmt.Sprintf("%q had %s, which the new entry has not: flags for it go after --", s.Name, names)))
	}
}

// tellLocal names the servers that stand beside entry, or come before it, in single directories. Of the clients, Claude Code alone has
// such: it is where its own command adds servers.
func tellLocal(w io.Writer, t ide.Target, entry ide.Entry) {
	local := t.Local()
	for _, dir := range slices.Sorted(maps.Keys(local)) {
		for _, s := range local[dir] {
			if !s.Ours(entry.Command) && (s.Name == entry.Name || s.Atlassian()) {
				remove := shellLine([]string{"claude", "mcp", "remove", "--scope", "local", s.Name})
				advice := fmt.Sprintf("%q, for %s alone, is %v: run '%s' there to take it out", s.Name, dir, s, remove)
				io.WriteString(w, hintLine(advice))
			}
		}
	}
}

// checkRelayArgs checks the arguments of the relay, as far as that can be done before it starts. Its errors are *usageErrors.
func checkRelayArgs(args []string) error {
	f := new(relayFlags)
	f.env = func(string) (string, bool) { return "-", true } // what a variable has is known to the client only
	cmd := f.command()
	cmd.SetErr(io.Discard)
	cmd.InitDefaultHelpFlag() // cobra adds it when a command runs
	if err := cmd.ParseFlags(args); err != nil {
		return flagError(cmd, err)
	}
	for _, name := range []string{"help", "version"} {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			return &usageError{what: "--" + name + " is nothing to start a client's server with", advice: "leave it out"}
		}
	}
	words, err := f.positional(cmd.Flags().Args())
	if err != nil {
		return err
	}
	server, err := serverArg(cmd, words)
	if err != nil {
		return err
	}
	if _, advice := atlassian.Endpoint(server); advice != "" {
		return &usageError{what: fmt.Sprintf("%s is not in use any more", server), advice: advice}
	}
	if err := f.checkPaths(); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	to, err := f.connect(cmd, words, log)
	if err != nil {
		return err
	}
	_, user, err := f.configOver(cmd, to, log)
	if err == nil {
		user.Close()
	}
	return err
}

// checkPaths checks that the files which f names are found in whatever directory the relay starts. Its errors are *usageErrors.
func (f *relayFlags) checkPaths() error {
	named := [][2]string{{"ca-cert", f.caCert}, {"log-file", f.logFile}}
	for _, file := range f.headerFiles {
		named = append(named, [2]string{"header-file", file})
	}
	oauth := f.signInFlags.compat
	for _, flag := range [][2]string{{"static-oauth-client-metadata", oauth.clientMetadata}, {"static-oauth-client-info", oauth.clientInfo}} {
		if file, ok := strings.CutPrefix(flag[1], "@"); ok {
			named = append(named, [2]string{flag[0], file})
		}
	}
	for _, flag := range named {
		if name, file := flag[0], flag[1]; file != "" && !filepath.IsAbs(file) {
			full, err := filepath.Abs(file)
			if err != nil {
				return err
			}
			return &usageError{
				what:   fmt.Sprintf("--%s %s is not a full path", name, file),
				advice: fmt.Sprintf("did you mean %s? The client decides in which directory this program starts", full),
			}
		}
	}
	return nil
}

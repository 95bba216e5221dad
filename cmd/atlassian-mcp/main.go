package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

func main() {
	// Standard output carries JSON-RPC messages and nothing else: whatever a library or a
	// child process believes to be os.Stdout is standard error from here on.
	stdout := os.Stdout
	os.Stdout = os.Stderr

	// An unread signal is still a caught one: a write to a pipe that nobody reads must
	// return an error, not kill the process. Ignoring it would be inherited by children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	// The heap is a few megabytes of messages that are gone in a moment. Letting it double
	// once more before it is swept is worth an eighth of the calls a second.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdin, stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs the command that args name and returns its exit status. It ends early when ctx
// is done. Several goroutines may write to stderr at a time.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newCommand(args)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)

	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	printError(cmd.ErrOrStderr(), err)
	// A client that finds its server gone without a word shows "connection closed" at best.
	// Stay for as long as it takes to tell it why.
	if usage, ok := errors.AsType[*usageError](err); ok && cmd == root && !isTerminal(stdin) {
		relay.Refuse(ctx, stdin, stdout, usage.oneLine())
	}
	return exitCode(err)
}

// newCommand returns as much of the command line as args may need.
func newCommand(args []string) *cobra.Command {
	if !mayNameCommand(args) {
		return newBareCommand()
	}
	root := newRootCommand()
	if isCompletion(args) {
		prepareCompletion(root)
	}
	return root
}

// newBareCommand returns the command line without its commands, which is the relay.
func newBareCommand() *cobra.Command {
	root := newRelayCommand()
	addHelpFlag(root)

	// Whoever calls run prints the error; the usage text would hide it.
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(flagError)
	return root
}

// mayNameCommand reports whether args may name a command or ask for help, which lists the
// commands. Most processes are relays that an IDE starts with a URL and flags: they have no
// use for the commands, and would be slower to start and larger with them.
func mayNameCommand(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "--help" || !strings.HasPrefix(arg, "--") && !strings.ContainsAny(arg, ":/.0123456789")
	})
}

// newRootCommand returns the whole command line.
func newRootCommand() *cobra.Command {
	root := newBareCommand()
	root.AddCommand(
		newLoginCommand(), newLogoutCommand(), newStatusCommand(), newDoctorCommand(),
		newToolsCommand(), newCallCommand(), newResourcesCommand(), newPromptsCommand(),
		newSandboxCommand(), newDemoCommand(), newVersionCommand(), newRenewCommand(),
		newBrowseCommand(), newShareCommand(), newInstallCommand(), newUninstallCommand(),
		newCompatTopic(),
	)
	root.SetHelpCommand(newHelpCommand())
	for _, cmd := range root.Commands() {
		addHelpFlag(cmd)
	}
	return root
}

func addHelpFlag(cmd *cobra.Command) { cmd.Flags().BoolP("help", "h", false, "show this help") }

// newHelpCommand replaces cobra's, which shows the help of the bare command for a word that
// is no command.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), args[0])
			}
			target.InitDefaultHelpFlag() // cobra adds it when a command runs
			return target.Help()
		},
	}
}

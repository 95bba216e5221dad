package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
)

// A usageError is a mistake in the arguments, in a file that they name or in the
// environment. It ends the program with exitUsage.
type usageError struct {
	what   string // what is wrong
	advice string // what to do about it, empty if that is obvious
}

func (e *usageError) Error() string { return e.what }

// oneLine returns all that there is to say, for a client that shows a single message.
func (e *usageError) oneLine() string {
	if e.advice == "" {
		return e.what
	}
	return e.what + "; " + e.advice
}

// flagError turns what pflag says about a flag into a usageError. A mistyped name is
// answered with the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	usage := &usageError{what: err.Error(), advice: fmt.Sprintf("run '%s --help' for the flags", cmd.CommandPath())}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok && errors.Is(err, errTwice) {
		return &usageError{what: fmt.Sprintf("--%s is given twice", invalid.GetFlag().Name), advice: "leave out one of them"} // the value may be a secret
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden || !cmd.HasParent() { // those of the relay come from configurations, and are many
				names = append(names, f.Name)
			}
		})
		if advice := misplaced(unknown.GetSpecifiedName()); advice != "" {
			usage.advice = advice
		} else if cmd.Name() == "install" && cmd.Root().Flags().Lookup(unknown.GetSpecifiedName()) != nil {
			usage.advice = fmt.Sprintf("put flags of the entry after --, as in 'atlassian-mcp install CLIENT -- --%s ...'", unknown.GetSpecifiedName())
		} else if name := closest(unknown.GetSpecifiedName(), names); name != "" {
			usage.advice = fmt.Sprintf("did you mean --%s?", name)
		}
	}
	return usage
}

// unknownCommand returns the error for a word that is neither a command nor a URL.
func unknownCommand(cmd *cobra.Command, word string, alternatives ...string) error {
	names := slices.Clone(alternatives)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	usage := &usageError{
		what:   fmt.Sprintf("unknown command %q", word),
		advice: fmt.Sprintf("run '%s --help' for the commands; the URL of a server starts with https://", cmd.CommandPath()),
	}
	if name := closest(word, names); name != "" {
		usage.advice = fmt.Sprintf("did you mean '%s %s'?", cmd.CommandPath(), name)
	}
	return usage
}

// unknownServer returns the error for a word after a command that is neither a URL nor a name of Atlassian's server.
func unknownServer(word string) error {
	usage := &usageError{what: fmt.Sprintf("%q is not the URL of a server", plain(word)), advice: "it starts with https://, or is one of " + strings.Join(atlassian.EndpointNames, ", ")}
	if name := closest(word, atlassian.EndpointNames); name != "" {
		usage.advice = fmt.Sprintf("did you mean %s?", name)
	}
	return usage
}

// noArgs is the cobra.PositionalArgs of commands without any.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &usageError{
		what:   fmt.Sprintf("'%s' takes no arguments", cmd.CommandPath()),
		advice: fmt.Sprintf("leave out %q; see '%s --help'", args[0], cmd.CommandPath()),
	}
}

// closest returns the candidate that word is most likely a misspelling of, or "".
func closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, bestDistance := "", 3 // what is further off than 2 edits is another word
	for _, c := range candidates {
		d := editDistance(word, c)
		if d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	if best == "" && len(word) > 2 {
		i := slices.IndexFunc(candidates, func(c string) bool { return strings.HasPrefix(c, word) })
		if i >= 0 {
			best = candidates[i]
		}
	}
	return best
}

// editDistance returns the number of bytes to insert, delete, replace or swap with their
// neighbour to get from a to b (the optimal string alignment distance).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

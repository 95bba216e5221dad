package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const compatTopic = "compat"

const compatLong = `Besides the flags that --help shows, atlassian-mcp takes those below. Among them are all
that mcp-remote 0.15.1 takes, with the same meaning: in the configuration of an MCP client,
"npx", "-y" and "mcp-remote" become "atlassian-mcp", and the URL and what follows it stay.

As with mcp-remote, a number after the URL is the port that the browser comes back to:

  atlassian-mcp https://example.com/mcp 3334 --allow-http --header "X-Key: ${KEY}"

Where mcp-remote ignores what it does not know, atlassian-mcp says so and ends: unknown
flags, values that are none, headers without a name, variables that are not set, and flags
that are given twice. A client that is registered beforehand, with
--static-oauth-client-info or --client-metadata-url, has the browser come back to where
mcp-remote would.

A sign-in belongs to the URL, --resource and --profile. Entries that differ in other flags
and are to have different sign-ins need a --profile each.

Flags:
`

// newCompatTopic returns "help compat", which is no command.
func newCompatTopic() *cobra.Command {
	cmd := &cobra.Command{Use: compatTopic, Short: "All other flags, and how to replace mcp-remote"}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		text := compatLong
		compatFlags(cmd.Root()).VisitAll(func(f *pflag.Flag) {
			name, usage := flagUsage(f)
			text += "  " + name + "\n      " + strings.Join(filled(usage, 78), "\n      ") + "\n"
		})
		io.WriteString(cmd.OutOrStdout(), text)
	})
	return cmd
}

// compatFlags returns the flags that the help of root does not show.
func compatFlags(root *cobra.Command) *pflag.FlagSet {
	rest := pflag.NewFlagSet("", pflag.ContinueOnError)
	root.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			shown := *f
			shown.Hidden = false
			rest.AddFlag(&shown)
		}
	})
	return rest
}

// flagUsage returns what the help says of a flag: --name with what it takes, and what it does. Both are empty if the flag is hidden.
func flagUsage(f *pflag.Flag) (name, usage string) {
	one := pflag.NewFlagSet("", pflag.ContinueOnError)
	one.AddFlag(f)
	name, usage, _ = strings.Cut(strings.TrimSpace(one.FlagUsages()), "   ")
	return name, usage
}

// filled breaks text into lines of width bytes at most, where its words allow that.
func filled(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// onlyOnce makes it an error to give one of the flags twice that hold one value: mcp-remote goes by the first, and most programs by the last.
func onlyOnce(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if _, several := f.Value.(pflag.SliceValue); !several && f.NoOptDefVal == "" {
			f.Value = &onceValue{Value: f.Value}
		}
	})
}

// A onceValue is that of a flag which can't be given twice with different values.
type onceValue struct {
	pflag.Value
	given *string
}

func (v *onceValue) Set(s string) error {
	if v.given != nil && *v.given != s {
		return errTwice
	}
	v.given = &s
	return v.Value.Set(s)
}

var errTwice = errors.New("it is given twice")

// misplaced returns what to say about a flag that does not exist, "" if nothing is known about it.
func misplaced(flag string) string {
	switch flag {
	case "y", "yes", "p", "package":
		return fmt.Sprintf("-%s is for npx: remove it, and \"mcp-remote\" too", flag)
	case "clean":
		return "'atlassian-mcp logout' forgets the sign-in"
	case "port":
		return "did you mean --callback-port?"
	}
	return ""
}

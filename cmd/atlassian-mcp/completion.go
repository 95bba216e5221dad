package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// This file is what a shell offers when the tab key is pressed, where a command does not say it itself: words, and files only where one
// is meant.

// isCompletion reports whether a shell asks with args what may come next. Its script, which cobra makes, has a command for that.
func isCompletion(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) // or with NoDesc behind it
}

// prepareCompletion has root answer that.
func prepareCompletion(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.InitDefaultHelpCmd() // which cobra adds when a command runs
	var faults []string
	for _, fault := range sandbox.Faults() {
		faults = append(faults, cobra.CompletionWithDesc(fault.Name, fault.Imitates))
	}
	values := map[string][]string{ // of flags
		"transport": transportNames, "token-store": {"auto", "keychain", "file"}, "protocol": {"legacy", "auto"},
		"server": endpoints(root), "fault": faults,
	}
	for _, cmd := range append(root.Commands(), root) {
		if strings.Contains(cmd.Use, "[URL]") && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = first(endpoints)
		}
		if cmd.Name() == "help" {
			cmd.ValidArgsFunction = first(topics)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			arg, usage := pflag.UnquoteUsage(f)
			f.Usage = strings.Join(strings.Fields(usage), " ") // since cobra takes the first line as it is
			if words, ok := values[f.Name]; ok {
				cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
			} else if arg == "FILE" {
				cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault))
			}
		})
	}
}

// endpoints returns the names of Atlassian's addresses, with these.
func endpoints(*cobra.Command) (words []string) {
	for _, name := range atlassian.EndpointNames {
		address, _ := atlassian.Endpoint(name)
		words = append(words, cobra.CompletionWithDesc(name, address))
	}
	return words
}

// topics returns the commands and topics that help explains, with what they are.
func topics(help *cobra.Command) (words []string) {
	for _, cmd := range help.Root().Commands() {
		if isPublic(cmd) {
			words = append(words, cobra.CompletionWithDesc(cmd.Name(), cmd.Short))
		}
	}
	return words
}

// first completes the first argument of a command by words, and no other.
func first(words func(*cobra.Command) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		unlike := func(word string) bool { return !strings.HasPrefix(word, begun) }
		return slices.DeleteFunc(words(cmd), unlike), cobra.ShellCompDirectiveNoFileComp
	}
}

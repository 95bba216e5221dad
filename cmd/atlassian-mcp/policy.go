package main

import (
	"net/url"
	"slices"

	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
)

// policyFlags are the flags about what the client may do.
type policyFlags struct {
	allowTools  []string
	ignoreTools []string
	site        siteFlag
}

func (f *policyFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.allowTools, "allow-tool", nil, "let the client see and call only tools whose name is like\n`PATTERN`, such as 'get*' (repeatable)")
	flags.StringArrayVar(&f.ignoreTools, "ignore-tool", nil, "let it neither see nor call tools whose name is like `PATTERN`\n(repeatable)")
	flags.Var(&f.site, "site", "give tool calls the cloudId of `SITE`, such as acme or\nacme.atlassian.net, and refuse those for another site")
}

// tools returns what that means at server.
func (f *policyFlags) tools(server *url.URL) *policy.Tools {
	if len(f.allowTools)+len(f.ignoreTools) == 0 {
		return nil
	}
	t := &policy.Tools{Allow: slices.Clone(f.allowTools), Ignore: f.ignoreTools}
	if len(t.Allow) > 0 {
		t.Allow = append(t.Allow, "sign_in") // is the relay's own
	}
	t.Finders, t.Runners = atlassian.IndirectTools(server)
	return t
}

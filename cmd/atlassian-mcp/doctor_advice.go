package main

import (
	"cmp"
	"errors"
	"strings"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is what doctor says of what went wrong, and what to do about it. Nothing that has failed goes without.

// failure is the finding that something went wrong.
func (d *diagnosis) failure(err error) finding {
	if known, ok := errors.AsType[*refusedError](err); ok {
		return d.refused(known.refusal, err.Error())
	}
	if answered, ok := errors.AsType[*answeredError](err); ok && int(answered.code) == jsonrpc.CodeMethodNotFound && d.byToken() {
		return finding{
			Mark: markFailed, Text: "the server has nothing for this kind of key", Details: said(err.Error()), Refusal: "organization-key",
			Advice: "an API key of an organization is for other things: " + createToken,
		}
	}
	return finding{Mark: markFailed, Text: err.Error(), Advice: cmp.Or(hint(err), "'atlassian-mcp doctor --debug' shows each request and its answer")}
}

// refused is the finding that Atlassian has said no in these words.
func (d *diagnosis) refused(r atlassian.Refusal, words string) finding {
	return finding{Mark: markFailed, Text: r.Cause, Details: said(words), Refusal: r.Name, Advice: d.advice(r)}
}

// said returns the details that quote a server.
func said(words string) []string { return []string{"it said: " + words} }

// advice is what to do about r here.
func (d *diagnosis) advice(r atlassian.Refusal) string {
	if r.Stale && d.given == "" {
		return "a relay renews it by itself when a tool is called; if that does not help, " + d.login()
	}
	return strings.NewReplacer("'atlassian-mcp login'", d.command("login"), "'atlassian-mcp logout'", d.command("logout")).Replace(clause(r.Advice))
}

const createToken = "create an API token with all scopes of the app \"Rovo MCP\" (id.atlassian.com, Security, API tokens)"

// byToken reports whether an API token of Atlassian's says who the user is.
func (d *diagnosis) byToken() bool { return d.given != "" && atlassian.TakesAPIToken(d.server.url) }

// login returns the advice to sign in here.
func (d *diagnosis) login() string { return "run " + d.command("login") }

// command returns the command of this name for the same server and account, in quotes.
func (d *diagnosis) command(name string) string {
	line := "atlassian-mcp " + name
	if address := redactURL(d.server.url); address != atlassian.V1 {
		line += " " + address
	}
	if d.signIn.Profile != "" {
		line += " --profile " + d.signIn.Profile
	}
	return "'" + line + "'"
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

const (
	// checkTimeout bounds each check. A check that takes longer has found out something, too.
	checkTimeout = 30 * time.Second

	// sessionTimeout is more, since the renewal of a token, which may come before a session, takes up to 30 s and says best why it has failed.
	sessionTimeout = 45 * time.Second
)

// diagnosis returns what the checks begin with.
func (f *doctorFlags) diagnosis(cmd *cobra.Command, args []string, log *slog.Logger) (*diagnosis, error) {
	args, err := f.positional(args)
	if err != nil {
		return nil, err
	}
	server, err := f.connect(cmd, args, log)
	if err != nil {
		return nil, err
	}
	cfg, user, err := f.configOver(cmd, server, log)
	if err != nil {
		return nil, err
	}
	d := &diagnosis{server: server, site: f.site.name, locate: cfg.Locate, remote: cfg.Remote, signIn: user.cfg, explain: user.explain, survey: new(auth.Survey)}
	d.account = &account{cfg: user.cfg, client: auth.New(user.cfg), close: user.Close}
	d.others, d.otherErr = user.cfg.Store.Others()
	d.readLogs(f.logFile)
	switch token, _ := user.storedAuthorization(cmd.Context()); { // an error is for the keychain's check
	case server.header.Get("Authorization") != "":
		d.given = "--header"
	case d.signIn.Authorization != "":
		d.given = "the API token in " + apiTokenEnv
	case token != "":
		d.given = "the API token that 'atlassian-mcp login --api-token' has kept"
	}
	return d, nil
}

func (d *diagnosis) close() {
	if d.client != nil {
		d.client.conn.Close()
	}
	d.account.client.Close()
	d.account.close()
}

// metadata follows the documents that lead to the sign-in.
func (d *diagnosis) metadata(ctx context.Context) finding {
	if f, ok := d.needless(); ok {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	s, err := d.account.client.Survey(ctx)
	if err == nil {
		d.survey = s
	}
	var details []string
	for _, f := range s.Fetched {
		details = append(details, fmt.Sprintf("%s: %s", strings.Join(append([]string{f.URL}, f.Via...), " -> "), cmp.Or(f.Status, "no answer")))
	}
	d.asks = len(s.Fetched) > 0 && strings.HasPrefix(s.Fetched[0].Status, "401")
	if !d.asks && !s.Published && len(s.Fetched) > 0 && s.Fetched[0].Status != "" {
		return finding{Mark: markSkipped, Text: "the server does not ask for a sign-in", Details: details}
	}
	if err != nil {
		found := d.failure(err)
		found.Details = append(details, found.Details...)
		if hint(err) == "" {
			found.Advice = "whoever runs the server has to correct that: nobody can sign in safely meanwhile"
		}
		return found
	}
	found := finding{Mark: markFine, Text: fmt.Sprintf("sign-in at %s, for %s", s.Issuer, s.Resource), Details: details}
	if s.Named != s.Issuer {
		found.Mark = markWarned
		found.Text += "; the server calls itself " + s.Named + ", which is a known fault of Atlassian's and is let pass"
	}
	if s.Guessed {
		found.Mark, found.Text = markWarned, "there is no OAuth metadata; a sign-in is tried at "+s.AuthorizeAt+", where servers of 2025-03-26 have it"
		found.Advice = "if that does not work: " + keyHint(d.server.url)
	}
	return found
}

// needless reports whether nobody signs in here, and says why.
func (d *diagnosis) needless() (finding, bool) {
	switch {
	case !d.reachable:
		return finding{Mark: markSkipped, Text: "the server can't be reached"}, true
	case d.given != "":
		return finding{Mark: markSkipped, Text: d.given + " takes the place of a sign-in"}, true
	}
	return finding{}, false
}

// registration says how this program would become known to the authorization server.
func (d *diagnosis) registration(ctx context.Context) finding {
	if f, ok := d.needless(); ok {
		return f
	}
	status, err := d.account.client.Status(ctx)
	if err != nil {
		return finding{Mark: markSkipped, Text: "what is kept can't be read"}
	}
	if status.ClientID != "" {
		return finding{Mark: markFine, Text: "registered, to be sent back to " + cmp.Or(status.RedirectURI, "nowhere")}
	}
	switch d.survey.Registers {
	case "given":
		return finding{Mark: markFine, Text: "by --client-id"}
	case "document":
		return finding{Mark: markFine, Text: "by the document that --client-metadata-url names"}
	case "dynamic":
		return finding{Mark: markFine, Text: "not yet; it is done with the first sign-in"}
	}
	if d.survey.Issuer == "" || !d.asks {
		return finding{Mark: markSkipped, Text: "the authorization server is not known"}
	}
	return finding{Mark: markFailed, Text: "the authorization server takes no registrations", Advice: "ask its admin for a client ID, and pass it as --client-id"}
}

// keychain looks at where tokens are kept, and whether they can be read.
func (d *diagnosis) keychain(ctx context.Context) finding {
	b, err := d.signIn.Store.Backend(ctx)
	if err == nil {
		_, err = d.account.client.Status(ctx)
	}
	if err != nil {
		return d.failure(err)
	}
	found := finding{Mark: markFine, Text: "tokens are in " + storeName(b)}
	if b.Kind == keychain.File && b.Reason != "" {
		found.Mark = markWarned
	}
	return found
}

// signedIn looks at what is kept.
func (d *diagnosis) signedIn(ctx context.Context) finding {
	if d.given != "" {
		return finding{Mark: markFine, Text: d.given + " says who you are"}
	}
	report, err := d.account.report(ctx, false)
	if err != nil {
		return finding{Mark: markSkipped, Text: "tokens can't be read"}
	}
	s := report.Accounts[0]
	found := finding{Mark: markFine, Text: "signed in" + strings.TrimPrefix(s.signedIn(time.Now()), "yes")}
	if s.Pending != "" {
		found.Details = []string{fmt.Sprintf("a page waits for a sign-in until %s; 'atlassian-mcp login' shows it again", s.PendingTill.Local().Format(time.TimeOnly))}
	}
	if s.SignedIn {
		return found
	}
	if !d.asks {
		found.Mark, found.Text = markSkipped, "nobody is signed in, and the server has not asked for it so far"
		return found
	}
	d.signedOut = true
	found.Mark, found.Text, found.Advice = markFailed, "nobody is signed in", d.login()
	if r, ok := d.explain(0, s.LastFailure); ok {
		found = d.refused(r, s.LastFailure)
	} else if s.LastFailure != "" || s.Pending != "" {
		found.Text = strings.TrimSuffix("nobody is signed in; "+s.LastFailure, "; ")
		found.Details = append(found.Details, pageRefusals()...)
		found.Advice += `; 'atlassian-mcp doctor --explain "…"' knows more of what such pages say`
	}
	found.Details = append(found.Details, d.elsewhere(ctx, s.Status)...)
	return found
}

// pageRefusals returns what may have kept the person from signing in that only they have seen, each with who has to do what.
func pageRefusals() []string {
	lines := []string{"if the page in the browser said"}
	for _, r := range atlassian.PageRefusals() {
		lines = append(lines, fmt.Sprintf(`"%s": %s`, strings.Join(r.Quotes(), `" or "`), clause(r.Advice)))
	}
	return lines
}

// elsewhere tells where else on the same host somebody is signed in, which doesn't count here.
func (d *diagnosis) elsewhere(ctx context.Context, here auth.Status) []string {
	all, err := d.account.client.StatusAll(ctx)
	if err != nil {
		return nil
	}
	var lines []string
	for _, s := range all {
		u, err := url.Parse(s.Server)
		if err != nil || u.Host != d.server.url.Host || !s.SignedIn || s.Server == here.Server && s.Profile == here.Profile {
			continue
		}
		line := "there is a sign-in at " + s.Server
		if s.Profile != "" {
			line += " with --profile " + s.Profile
		}
		lines = append(lines, line+", which does not count here")
	}
	return lines
}

// session opens a session as an MCP client does.
func (d *diagnosis) session(ctx context.Context) finding {
	if !d.reachable {
		return finding{Mark: markSkipped, Text: "the server can't be reached"}
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	began := time.Now()
	c, err := dial(ctx, d.remote)
	if err != nil {
		if _, ok := errors.AsType[*auth.SignInError](err); ok {
			if d.signedOut {
				return finding{Mark: markSkipped, Text: "the server wants a sign-in"} // which has been said
			}
			return finding{Mark: markFailed, Text: "the server wants a sign-in, for all that is kept", Advice: d.login()}
		}
		return d.failure(err)
	}
	c.explain = d.explain
	d.client = c
	return finding{Mark: markFine, Text: fmt.Sprintf("%s %s, protocol %s, after %d ms",
		c.server.ServerInfo.Name, c.server.ServerInfo.Version, c.server.ProtocolVersion, time.Since(began).Milliseconds())}
}

// toolCount counts the tools: an API token without scopes gets next to none, and an organization may have its people read only.
func (d *diagnosis) toolCount(ctx context.Context) finding {
	if d.client == nil {
		return finding{Mark: markSkipped, Text: "there is no session"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	items, err := d.client.pages(ctx, mcp.MethodToolsList, "tools")
	if err != nil {
		return d.failure(err)
	}
	for _, item := range items {
		var t struct{ Name string }
		if json.Unmarshal(item, &t) == nil {
			d.tools = append(d.tools, t.Name)
		}
	}
	found := finding{Mark: markFine, Text: fmt.Sprintf("%d", len(d.tools))}
	switch {
	case len(d.tools) == 0:
		found.Mark, found.Text = markWarned, "none"
	case len(d.tools) <= unscopedTools && d.byToken():
		found.Mark, found.Refusal = markFailed, "unscoped-token"
		found.Text += " only: " + strings.Join(d.tools, ", ")
		found.Advice = "an API token without scopes gets no more: " + createToken
	case d.has("getJiraIssue", "getConfluencePage", "getConfluenceContent") && !d.has("createJiraIssue", "createConfluencePage", "createConfluenceContent"):
		found.Mark = markWarned
		found.Text += ", and none that makes issues or pages"
		found.Advice = "if those are missed, have an organization admin allow writing (admin.atlassian.com, Rovo, Rovo MCP server, Permissions); an API token needs the scopes, too"
	}
	return found
}

// has reports whether the server has any of the tools.
func (d *diagnosis) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(d.tools, name) })
}

// unscopedTools is how many tools there are at most for an API token without scopes: those that tell who and where one is.
const unscopedTools = 3

// access calls the tool that tells who one is. Atlassian refuses most of what it refuses at the first call only.
func (d *diagnosis) access(ctx context.Context) finding {
	const tool = "atlassianUserInfo"
	switch {
	case d.client == nil:
		return finding{Mark: markSkipped, Text: "there is no session"}
	case !d.has(tool):
		return finding{Mark: markSkipped, Text: "the server has no tool that could be called for a test"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var result toolResult
	if err := d.client.call(ctx, mcp.MethodToolsCall, mcp.CallToolParams{Name: tool, Arguments: struct{}{}}, &result); err != nil {
		return d.failure(err)
	}
	text := result.text()
	if result.IsError {
		if r, ok := d.explain(0, text); ok {
			return d.refused(r, toolMessage(text))
		}
		return d.failure(fmt.Errorf("the tool %s has failed: %s", tool, toolMessage(text)))
	}
	var who struct{ Name, Email string }
	if json.Unmarshal([]byte(text), &who) != nil || who.Name == "" {
		return finding{Mark: markFine, Text: "tools can be called"}
	}
	return finding{Mark: markFine, Text: strings.TrimSpace("tools can be called, as " + who.Name + " " + who.Email)}
}

// otherRelays tells who else uses the sign-in.
func (d *diagnosis) otherRelays(context.Context) finding {
	switch len(d.others) {
	case 0:
		if d.otherErr != nil {
			return finding{Mark: markWarned, Text: d.otherErr.Error()}
		}
		return finding{Mark: markFine, Text: "no relay is running"}
	case 1:
		return finding{Mark: markFine, Text: "one relay is running", Details: describe(d.others)}
	}
	return finding{Mark: markFine, Text: fmt.Sprintf("%d relays are running", len(d.others)), Details: describe(d.others)}
}

// describe returns a line for each process.
func describe(processes []keychain.Process) []string {
	var lines []string
	for _, p := range processes {
		line := fmt.Sprintf("process %d since %s, for %s", p.PID, p.Since.Local().Format("2006-01-02 15:04"), p.Server)
		for _, more := range []struct{ before, what string }{{", profile ", p.Profile}, {", at ", p.Site}, {", started by ", p.Parent}} {
			if more.what != "" {
				line += more.before + more.what
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// log tells the last thing that went wrong according to the logs that are known of.
func (d *diagnosis) log(context.Context) finding {
	switch {
	case d.logs == 0:
		return finding{Mark: markSkipped, Text: "no log is written; --log-file FILE in the client's entry writes one"}
	case len(d.trouble) == 0:
		return finding{Mark: markFine, Text: "nothing went wrong according to the log"}
	}
	return finding{Mark: markFine, Text: "the last thing that went wrong", Details: d.trouble}
}

// readLogs reads the log file, if that is not "", and those of the other processes.
func (d *diagnosis) readLogs(file string) {
	var files []string
	if file != "" {
		files = append(files, cmp.Or(absolute(file), file))
	}
	for _, p := range d.others {
		if p.Log != "" {
			files = append(files, p.Log)
		}
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		d.logs++
		line, err := lastTrouble(file)
		switch {
		case err != nil:
			d.trouble = append(d.trouble, err.Error())
		case line != "":
			d.trouble = append(d.trouble, file+": "+line)
		}
	}
}

// lastTrouble returns the last warning or error in the last megabyte of a log.
func lastTrouble(file string) (string, error) {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return "", err // what is a terminal or a pipe has no past
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(0, size-1<<20), io.SeekStart)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return "", err
	}
	last := ""
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(" level=WARN ")) || bytes.Contains(line, []byte(" level=ERROR ")) {
			last = string(bytes.TrimSpace(line))
		}
	}
	return last, nil
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// checkTimeout bounds each check. A check that takes longer has found out something, too.
const checkTimeout = 30 * time.Second

// diagnosis returns what the checks begin with.
func (f *doctorFlags) diagnosis(cmd *cobra.Command, args []string, log *slog.Logger) (*diagnosis, error) {
	server, err := f.connect(cmd, args, log)
	if err != nil {
		return nil, err
	}
	cfg, user, err := f.relayFlags.config(cmd, args, log)
	if err != nil {
		return nil, err
	}
	cfg.Remote.Waiting = nil
	d := &diagnosis{server: server, remote: cfg.Remote, signIn: user.cfg, logFile: f.logFile, header: server.header.Get("Authorization") != ""}
	d.account = &account{cfg: user.cfg, client: auth.New(user.cfg), close: user.Close}
	return d, nil
}

func (d *diagnosis) close() {
	if d.client != nil {
		d.client.conn.Close()
	}
	d.account.client.Close()
	d.account.close()
}

// name looks up the address of the server.
func (d *diagnosis) name(ctx context.Context) finding {
	host := d.server.url.Hostname()
	if proxy := d.proxyURL(); proxy != "" {
		return finding{Mark: markSkipped, Text: host + " is looked up by the HTTP proxy " + proxy}
	}
	if net.ParseIP(host) != nil {
		return finding{Mark: markSkipped, Text: host + " is an address already"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		d.nameless = true
		return failure(err)
	}
	return finding{Mark: markFine, Text: host + " is " + strings.Join(addresses[:min(3, len(addresses))], ", ")}
}

// certificate connects, and looks at who vouches for the server.
func (d *diagnosis) certificate(ctx context.Context) finding {
	if d.nameless {
		return finding{Mark: markSkipped, Text: "the server's address is not known"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, d.server.url.Scheme+"://"+d.server.url.Host+"/", nil)
	if err != nil {
		return failure(err)
	}
	req.Header.Set("User-Agent", userAgent())
	resp, err := withoutURL(d.server.transport.RoundTrip)(req)
	if err != nil {
		return failure(err)
	}
	resp.Body.Close()
	d.reachable = true
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return finding{Mark: markFine, Text: "connected to " + d.server.url.Host + ", without encryption"}
	}
	leaf := resp.TLS.PeerCertificates[0]
	found := finding{Mark: markFine, Text: fmt.Sprintf("connected to %s by %s; its certificate was issued by %s", d.server.url.Host, resp.Proto, issuerOf(leaf))}
	if strings.HasSuffix(d.server.url.Hostname(), ".atlassian.com") && !public(leaf) {
		found.Mark = markWarned
		found.Advice = "this is no public authority: your company or a program on this computer reads the traffic (TLS inspection). That works as long as its certificate is trusted here"
	}
	return found
}

// issuerOf returns who issued c, with the organization, which is what tells a company's inspection from the public's.
func issuerOf(c *x509.Certificate) string {
	name := distinguishedName(c.Issuer)
	if org := c.Issuer.Organization; len(org) > 0 && org[0] != c.Issuer.CommonName {
		name += " of " + fmt.Sprintf("%q", org[0])
	}
	return name
}

// public reports whether c is from one of the authorities that issue the certificates of large sites.
func public(c *x509.Certificate) bool {
	issuer := strings.ToLower(c.Issuer.String())
	return slices.ContainsFunc([]string{"amazon", "digicert", "google trust", "let's encrypt", "sectigo", "globalsign", "cloudflare", "entrust", "ssl.com", "ssl corp"},
		func(name string) bool { return strings.Contains(issuer, name) })
}

// proxyURL returns the HTTP proxy on the way to the server, without password, "" if there is none.
func (d *diagnosis) proxyURL() string {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: d.server.url})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Redacted()
}

// proxy tells the HTTP proxy. That it works has been seen by then.
func (d *diagnosis) proxy(context.Context) finding {
	if _, err := http.ProxyFromEnvironment(&http.Request{URL: d.server.url}); err != nil {
		return finding{Mark: markFailed, Text: err.Error(), Advice: "correct HTTPS_PROXY: it looks like http://proxy.example.com:8080"}
	}
	if proxy := d.proxyURL(); proxy != "" {
		return finding{Mark: markFine, Text: "through " + proxy}
	}
	text := "none"
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(name) != "" {
			text = "none: " + name + " is set, and NO_PROXY or the address of this server makes an exception"
		}
	}
	return finding{Mark: markFine, Text: text}
}

// metadata follows the documents that lead to the sign-in.
func (d *diagnosis) metadata(ctx context.Context) finding {
	if f, ok := d.needless(); ok {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	s, err := d.account.client.Survey(ctx)
	var details []string
	for _, f := range s.Fetched {
		details = append(details, fmt.Sprintf("%s: %s", f.URL, cmp.Or(f.Status, "no answer")))
	}
	if len(s.Fetched) > 0 && s.Fetched[0].Status != "" && !strings.HasPrefix(s.Fetched[0].Status, "401") {
		if r, ok := d.explainStatus(ctx); ok {
			r.Details = details
			return r
		}
	}
	if err != nil {
		found := failure(err)
		found.Details = details
		return found
	}
	found := finding{Mark: markFine, Text: fmt.Sprintf("sign-in at %s, for %s", s.Issuer, s.Resource), Details: details}
	if s.Named != s.Issuer {
		found.Mark = markWarned
		found.Text += "; the server calls itself " + s.Named + ", which is a known fault of Atlassian's and is let pass"
	}
	return found
}

// explainStatus asks the server for its reason when it doesn't even ask for a sign-in. It returns false if that is no refusal that is known.
func (d *diagnosis) explainStatus(ctx context.Context) (finding, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.server.url.String(), nil)
	if err != nil {
		return finding{}, false
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("User-Agent", userAgent())
	resp, err := d.server.client.Do(req)
	if err != nil {
		return finding{}, false
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 {
		return finding{}, false
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	r, ok := atlassian.Explain(d.server.url.String(), resp.StatusCode, string(body))
	return refused("server answered "+resp.Status, r), ok
}

// needless reports whether nobody signs in here, and says why.
func (d *diagnosis) needless() (finding, bool) {
	switch {
	case !d.reachable:
		return finding{Mark: markSkipped, Text: "the server can't be reached"}, true
	case d.header:
		return finding{Mark: markSkipped, Text: "--header says who you are"}, true
	case d.signIn.Authorization != "":
		return finding{Mark: markSkipped, Text: "there is an API token in " + apiTokenEnv}, true
	}
	return finding{}, false
}

// registration says how this program would become known to the authorization server.
func (d *diagnosis) registration(ctx context.Context) finding {
	if f, ok := d.needless(); ok {
		return f
	}
	status, err := d.account.client.Status(ctx)
	if err == nil && status.ClientID != "" {
		return finding{Mark: markFine, Text: "registered, to be sent back to " + cmp.Or(status.RedirectURI, "nowhere")}
	}
	s, err := d.account.client.Survey(ctx)
	if err != nil {
		return finding{Mark: markSkipped, Text: "the authorization server is not known"}
	}
	switch s.Registers {
	case "given":
		return finding{Mark: markFine, Text: "by --client-id"}
	case "document":
		return finding{Mark: markFine, Text: "by the document that --client-metadata-url names"}
	case "dynamic":
		return finding{Mark: markFine, Text: "not yet; it is done with the first sign-in"}
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
		return failure(err)
	}
	found := finding{Mark: markFine, Text: "tokens are in " + storeName(b)}
	if b.Kind == keychain.File && b.Reason != "" {
		found.Mark = markWarned
	}
	return found
}

// signedIn looks at what is kept.
func (d *diagnosis) signedIn(ctx context.Context) finding {
	if d.header || d.signIn.Authorization != "" {
		f, _ := d.needless()
		return f
	}
	report, err := d.account.report(ctx, false)
	if err != nil {
		return finding{Mark: markSkipped, Text: "tokens can't be read"}
	}
	s := report.Accounts[0]
	found := finding{Mark: markFine, Text: s.signedIn(time.Now())}
	if s.Pending != "" {
		found.Details = []string{"a sign-in page waits for you"}
	}
	if !s.SignedIn {
		found.Mark, found.Text = markFailed, "nobody is signed in"
		found.Advice = hint(errSignedOut)
	}
	return found
}

// session opens a session as an MCP client does.
func (d *diagnosis) session(ctx context.Context) finding {
	if !d.reachable {
		return finding{Mark: markSkipped, Text: "the server can't be reached"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	began := time.Now()
	c, err := dial(ctx, d.remote)
	if err != nil {
		if status, ok := errors.AsType[*remote.StatusError](err); ok {
			if r, ok := atlassian.Explain(d.server.url.String(), status.Status, status.Body); ok {
				return refused(err.Error(), r)
			}
		}
		if _, ok := errors.AsType[*auth.SignInError](err); ok {
			return finding{Mark: markFailed, Text: "the server wants a sign-in", Advice: hint(err)}
		}
		return failure(err)
	}
	d.client = c
	return finding{Mark: markFine, Text: fmt.Sprintf("%s %s, protocol %s, after %d ms",
		c.server.ServerInfo.Name, c.server.ServerInfo.Version, c.server.ProtocolVersion, time.Since(began).Milliseconds())}
}

// toolCount counts the tools: an API token without scopes gets next to none.
func (d *diagnosis) toolCount(ctx context.Context) finding {
	if d.client == nil {
		return finding{Mark: markSkipped, Text: "there is no session"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	items, err := d.client.pages(ctx, mcp.MethodToolsList, "tools")
	if err != nil {
		return failure(err)
	}
	for _, item := range items {
		var t struct{ Name string }
		if json.Unmarshal(item, &t) == nil {
			d.tools = append(d.tools, t.Name)
		}
	}
	found := finding{Mark: markFine, Text: fmt.Sprintf("%d", len(d.tools))}
	if len(d.tools) <= 3 && slices.Contains(d.tools, "atlassianUserInfo") || len(d.tools) == 0 {
		found.Mark = markFailed
		found.Text += ": " + cmp.Or(strings.Join(d.tools, ", "), "none")
		found.Advice = "an API token without scopes gets no more: create one with all scopes of the app \"Rovo MCP\" (id.atlassian.com, Security, API tokens)"
	}
	return found
}

// access calls the tool that tells who one is. Atlassian refuses most of what it refuses at the first call only.
func (d *diagnosis) access(ctx context.Context) finding {
	const tool = "atlassianUserInfo"
	switch {
	case d.client == nil:
		return finding{Mark: markSkipped, Text: "there is no session"}
	case !slices.Contains(d.tools, tool):
		return finding{Mark: markSkipped, Text: "the server has no tool that could be called for a test"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var result mcp.CallToolResult
	if err := d.client.call(ctx, mcp.MethodToolsCall, mcp.CallToolParams{Name: tool, Arguments: struct{}{}}, &result); err != nil {
		if r, ok := atlassian.Explain(d.server.url.String(), 0, err.Error()); ok {
			return refused(err.Error(), r)
		}
		return failure(err)
	}
	var text string
	if len(result.Content) > 0 {
		if c, ok := result.Content[0].(mcp.TextContent); ok {
			text = c.Text
		}
	}
	if result.IsError {
		if r, ok := atlassian.Explain(d.server.url.String(), 0, text); ok {
			return refused(toolMessage(text), r)
		}
		return finding{Mark: markFailed, Text: "the tool " + tool + " failed: " + toolMessage(text)}
	}
	var who struct{ Name, Email string }
	if json.Unmarshal([]byte(text), &who) != nil || who.Name == "" {
		return finding{Mark: markFine, Text: "tools can be called"}
	}
	return finding{Mark: markFine, Text: strings.TrimSpace("tools can be called, as " + who.Name + " " + who.Email)}
}

// others tells who else uses the sign-in.
func (d *diagnosis) others(context.Context) finding {
	processes, err := d.signIn.Store.Others()
	if err != nil {
		return finding{Mark: markWarned, Text: err.Error()}
	}
	found := finding{Mark: markFine, Text: "no other relay is running"}
	if len(processes) > 0 {
		found.Text = fmt.Sprintf("%d other relays are running", len(processes))
		if len(processes) == 1 {
			found.Text = "one other relay is running"
		}
		found.Details = describe(processes)
	}
	return found
}

// describe returns a line for each process.
func describe(processes []keychain.Process) []string {
	var lines []string
	for _, p := range processes {
		line := fmt.Sprintf("process %d since %s, for %s", p.PID, p.Since.Local().Format("2006-01-02 15:04"), p.Server)
		if p.Note != "" {
			line += " (" + p.Note + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

// log tells the last thing that went wrong according to the logs that are known of.
func (d *diagnosis) log(context.Context) finding {
	files := []string{d.logFile}
	if processes, err := d.signIn.Store.Others(); err == nil {
		for _, p := range processes {
			files = append(files, p.Log)
		}
	}
	slices.Sort(files)
	var details []string
	for _, file := range slices.Compact(files) {
		if file == "" {
			continue
		}
		line, err := lastTrouble(file)
		switch {
		case err != nil:
			details = append(details, err.Error())
		case line != "":
			details = append(details, file+": "+line)
		}
	}
	switch {
	case len(files) == 0 || files[len(files)-1] == "":
		return finding{Mark: markSkipped, Text: "no log is written; --log-file FILE in the client's entry writes one"}
	case len(details) == 0:
		return finding{Mark: markFine, Text: "nothing went wrong according to the log"}
	}
	return finding{Mark: markFine, Text: "the last thing that went wrong", Details: details}
}

// lastTrouble returns the last warning or error in the last megabyte of a log.
func lastTrouble(file string) (string, error) {
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

// failure is the finding that something went wrong.
func failure(err error) finding {
	return finding{Mark: markFailed, Text: err.Error(), Advice: hint(err)}
}

// refused is the finding that Atlassian has said no.
func refused(text string, r atlassian.Refusal) finding {
	return finding{Mark: markFailed, Text: text + ": " + r.Cause, Advice: r.Advice}
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
)

func newLoginCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:   "login [URL] [flags]",
		Short: "Sign in to the server now",
		Long: `login opens the sign-in page in the browser, waits for you, and keeps the tokens in
the keychain of the operating system. MCP clients that start atlassian-mcp from then on
use them, and so do those that wait for a sign-in already.

On a machine without a browser, --no-browser prints the address of the page. Open it
anywhere; when the browser can't reach this machine in the end, paste the address that
it shows then.`,
		Example: `  atlassian-mcp login
  atlassian-mcp login authv2 --profile work
  ATLASSIAN_EMAIL=ada@example.com atlassian-mcp login --api-token < token.txt`,
		RunE: f.login,

		DisableFlagsInUseLine: true,
	}
	f.serverFlags.add(cmd.Flags())
	f.signInFlags.add(cmd.Flags())
	f.addSignIn(cmd.Flags())
	cmd.Flags().BoolVar(&f.apiToken, "api-token", false, "keep an API token, read from the terminal or standard input,\ninstead of signing in")
	cmd.Flags().BoolVar(&f.importMCPRemote, "import-mcp-remote", false, "take over the sign-in of mcp-remote, from ~/.mcp-auth")
	return cmd
}

// login is the command.
func (f *accountFlags) login(cmd *cobra.Command, args []string) error {
	line := newStatusLine(cmd)
	defer line.close()
	a, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	defer a.close()
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	server := redactURL(a.cfg.Server)
	if f.apiToken {
		if err := f.keepToken(cmd, a.cfg, line); err != nil {
			return err
		}
		line.show("")
		fmt.Fprintf(out, "API token for %s kept\n", server)
		return nil
	}
	if a.cfg.Authorization != "" {
		return &usageError{what: apiTokenEnv + " is set, and takes the place of a sign-in", advice: "unset it to sign in"}
	}
	how := ""
	if f.importMCPRemote {
		var imported auth.Imported
		if imported, err = readMCPRemote(a.cfg.Server, args, f.resource); err == nil {
			err = a.client.Import(ctx, imported)
		}
		how = ", with what mcp-remote had"
	} else {
		line.show("asking " + a.cfg.Server.Host + " where to sign in")
		a.page = func(page string) { a.showPage(ctx, line, page) }
		err = a.client.Login(ctx)
		if err != nil && ctx.Err() == nil && hint(err) == "" {
			return &advisedError{err, "'atlassian-mcp doctor' shows each step of the way to the sign-in"}
		}
	}
	if err != nil {
		return err
	}
	line.show("keeping the sign-in")
	// A relay can do without the store as long as it lives, but this process ends here.
	if kept, err := a.client.Status(ctx); err != nil || !kept.SignedIn {
		return cmp.Or(err, errors.New("the sign-in could not be stored, and ends with this command"))
	}
	// An API token would go on taking the place of the sign-in.
	if err := forgetTokens(ctx, a.cfg.Store, tokenKey(a.cfg.Server, f.profile)); err != nil {
		return err
	}
	line.show("")
	fmt.Fprintf(out, "Signed in to %s%s\n", server, how)
	return nil
}

// showPage shows on line what is waited for when there is a page to sign in on, and when there is none any more.
func (a *account) showPage(ctx context.Context, line *statusLine, page string) {
	switch {
	case a.cfg.Prompt != nil:
		line.show("") // the question says it
	case page == "":
		line.show("getting the tokens")
	default:
		until := time.Now().Add(a.cfg.AuthTimeout)
		if s, err := a.client.Status(ctx); err == nil && !s.PendingTill.IsZero() {
			until = s.PendingTill // of a page that another process has shown before
		}
		line.countDown("waiting for you to sign in on that page (Ctrl-C ends it)", until)
	}
}

// keepToken asks for an API token and keeps it for cfg.Server, unless that refuses it.
func (f *accountFlags) keepToken(cmd *cobra.Command, cfg auth.Config, line *statusLine) error {
	if !atlassian.TakesAPIToken(cfg.Server) {
		return &usageError{what: "API tokens are for https://*.atlassian.com only", advice: "leave out --api-token to sign in to " + cfg.Server.Host}
	}
	t, err := readToken(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	line.show("trying the token at " + cfg.Server.Host)
	switch err := t.try(cmd.Context(), cfg); {
	case err == nil:
	case cmd.Context().Err() != nil:
		return err
	case isRefusal(err):
		return &refusedTokenError{err}
	default:
		io.WriteString(cmd.ErrOrStderr(), hintLine("the token could not be tried ("+plain(err.Error())+"): 'atlassian-mcp doctor' tries it"))
	}
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := cfg.Store.Set(cmd.Context(), tokenKey(cfg.Server, f.profile), data); err != nil {
		return err
	}
	noteFiles(cfg.Store, sayer(cmd.ErrOrStderr()))
	if t.Email == "" {
		io.WriteString(cmd.ErrOrStderr(), hintLine("it is kept as that of a service account; for one of your own set "+emailEnv+" to your address, and keep it again"))
	}
	return nil
}

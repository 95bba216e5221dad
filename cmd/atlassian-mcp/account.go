package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

// accountFlags are the flags of the commands about the sign-in.
type accountFlags struct {
	serverFlags
	signInFlags
	apiToken        bool
	importMCPRemote bool
	all             bool
	json            bool
}

// An account is what those commands work on.
type account struct {
	cfg    auth.Config
	client *auth.Client
	close  func()
}

// open returns the account that the flags and args name.
func (f *accountFlags) open(cmd *cobra.Command, args []string) (*account, error) {
	log, closeLog, err := openLog(cmd.ErrOrStderr(), f.debug, f.logFile)
	if err != nil {
		return nil, err
	}
	a, err := f.account(cmd, args, log)
	if err != nil {
		closeLog()
		return nil, err
	}
	a.close = func() {
		a.client.Close()
		closeLog()
	}
	return a, nil
}

func (f *accountFlags) account(cmd *cobra.Command, args []string, log *slog.Logger) (*account, error) {
	server, err := f.connect(cmd, args, log)
	if err != nil {
		return nil, err
	}
	cfg, err := f.config(cmd, server, log)
	if err != nil {
		return nil, err
	}
	return &account{cfg: cfg, client: auth.New(cfg)}, nil
}

func newLoginCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:   "login [URL] [flags]",
		Short: "Sign in to the server now",
		Long: `login opens the sign-in page in the browser, waits for you, and keeps the tokens in
the keychain of the operating system. MCP clients that start atlassian-mcp use them
from then on, also those that run already.

On a machine without a browser, --no-browser prints the address of the page. Open it
anywhere; when the browser can't reach this machine in the end, paste the address that
it shows then.`,
		Example: `  atlassian-mcp login
  atlassian-mcp login authv2 --profile work
  atlassian-mcp login --api-token < token.txt`,
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
	a, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	defer a.close()
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	server := redactURL(a.cfg.Server)
	switch {
	case f.apiToken:
		if err := keepToken(ctx, cmd, a.cfg); err != nil {
			return err
		}
		fmt.Fprintf(out, "API token for %s kept\n", server)
		return nil
	case f.importMCPRemote:
		imported, err := readMCPRemote(a.cfg.Server, f.resource)
		if err != nil {
			return err
		}
		if err := a.client.Import(ctx, imported); err != nil {
			return err
		}
		fmt.Fprintf(out, "Signed in to %s, with what mcp-remote had\n", server)
		return nil
	}
	if f.noBrowser && isTerminal(cmd.InOrStdin()) {
		a.client.Close()
		a.cfg.Prompt = prompter(cmd.InOrStdin(), cmd.ErrOrStderr())
		a.client = auth.New(a.cfg)
	}
	if err := a.client.Login(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "Signed in to %s\n", server)
	return nil
}

// prompter returns what asks for the address that the browser ended up at, see auth.Config. Nothing can interrupt the read of a terminal: its
// goroutine is left behind, at the end of the program.
func prompter(in io.Reader, out io.Writer) func(context.Context, string) (string, error) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return func(ctx context.Context, _ string) (string, error) {
		fmt.Fprint(out, "If the browser can't reach this machine after that, paste the address that it shows here: ")
		select {
		case line, ok := <-lines:
			if !ok {
				return "", io.EOF
			}
			return line, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// keepToken asks for an API token and keeps it for cfg.Server.
func keepToken(ctx context.Context, cmd *cobra.Command, cfg auth.Config) error {
	if !atlassian.TakesAPIToken(cfg.Server) {
		return &usageError{what: "API tokens are for https://*.atlassian.com only", advice: "leave out --api-token to sign in to " + cfg.Server.Host}
	}
	t := apiToken{Email: os.Getenv(emailEnv)}
	if in, ok := cmd.InOrStdin().(*os.File); ok && isTerminal(in) {
		w := cmd.ErrOrStderr()
		if t.Email == "" {
			fmt.Fprint(w, "Email address of your Atlassian account (empty for a service account): ")
			line, err := bufio.NewReader(in).ReadString('\n')
			if err != nil {
				return err
			}
			t.Email = strings.TrimSpace(line)
		}
		fmt.Fprint(w, "API token (not shown): ")
		token, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(w)
		if err != nil {
			return err
		}
		t.Token = strings.TrimSpace(string(token))
	} else {
		text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<10))
		if err != nil {
			return err
		}
		t.Token = strings.TrimSpace(string(text))
	}
	if t.Token == "" {
		return &usageError{what: "there is no API token", advice: "make one at https://id.atlassian.com/manage-profile/security/api-tokens and give it on standard input"}
	}
	if err := t.check(); err != nil {
		return &usageError{what: "API token: " + err.Error(), advice: "copy it again, without line breaks"}
	}
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return cfg.Store.Set(ctx, tokenKey(cfg.Server, cfg.Profile), data)
}

func newLogoutCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:   "logout [URL] [flags]",
		Short: "Revoke and forget the sign-in",
		Long: `logout revokes the tokens at the server where it can, and deletes them, the
registration of this program and an API token that is kept for the server.`,
		RunE: f.logout,

		DisableFlagsInUseLine: true,
	}
	f.serverFlags.add(cmd.Flags())
	f.signInFlags.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.all, "all", false, "of every server and account")
	return cmd
}

// logout is the command.
func (f *accountFlags) logout(cmd *cobra.Command, args []string) error {
	a, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	defer a.close()
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if !f.all {
		err := errors.Join(a.client.Logout(ctx), a.cfg.Store.Delete(ctx, tokenKey(a.cfg.Server, a.cfg.Profile)))
		if err == nil {
			fmt.Fprintf(out, "Signed out of %s\n", redactURL(a.cfg.Server))
		}
		return err
	}
	err = a.client.LogoutAll(ctx)
	keys, listErr := a.cfg.Store.List(ctx)
	err = errors.Join(err, listErr)
	for _, key := range keys {
		if strings.HasPrefix(key, tokenPrefix) {
			err = errors.Join(err, a.cfg.Store.Delete(ctx, key))
		}
	}
	if err == nil {
		fmt.Fprintln(out, "Signed out of everything")
	}
	return err
}

func newStatusCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:   "status [URL] [flags]",
		Short: "Tell who is signed in where, and until when",
		Long: `status says what is kept about the sign-in to the server, and where. It asks no
server. Its exit status is 3 if nobody is signed in.`,
		RunE: f.status,

		DisableFlagsInUseLine: true,
	}
	f.serverFlags.add(cmd.Flags())
	f.signInFlags.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.all, "all", false, "every server and account")
	cmd.Flags().BoolVar(&f.json, "json", false, "for programs")
	return cmd
}

// A statusReport is what status says.
type statusReport struct {
	Accounts []accountStatus  `json:"accounts"`
	Store    keychain.Backend `json:"store"`
}

type accountStatus struct {
	auth.Status
	APIToken string `json:"api_token,omitempty"` // where it comes from; "" if there is none
}

// status is the command.
func (f *accountFlags) status(cmd *cobra.Command, args []string) error {
	a, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	defer a.close()
	ctx := cmd.Context()
	var report statusReport
	if report.Store, err = a.cfg.Store.Backend(ctx); err != nil {
		return err
	}
	one, err := a.client.Status(ctx)
	if err != nil {
		return err
	}
	here := accountStatus{Status: one}
	stored, err := storedToken(ctx, a.cfg.Store, tokenKey(a.cfg.Server, a.cfg.Profile))
	switch {
	case err != nil:
		return err
	case a.cfg.Authorization != "":
		here.APIToken = "environment"
	case stored.Token != "":
		here.APIToken = "store"
	}
	here.SignedIn = here.SignedIn || here.APIToken != ""
	report.Accounts = []accountStatus{here}
	if f.all {
		all, err := a.client.StatusAll(ctx)
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.Server != one.Server || s.Profile != one.Profile {
				report.Accounts = append(report.Accounts, accountStatus{Status: s})
			}
		}
	}
	if f.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(report)
	} else {
		err = report.print(cmd.OutOrStdout())
	}
	if err == nil && !here.SignedIn {
		return errSignedOut
	}
	return err
}

// errSignedOut is the result of status when nobody is signed in, which status has said already.
var errSignedOut = errors.New("nobody is signed in")

// print writes the report for people.
func (r statusReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range r.Accounts {
		fmt.Fprintf(w, "Server\t%s\n", s.Server)
		if s.Profile != "" {
			fmt.Fprintf(w, "Profile\t%s\n", s.Profile)
		}
		fmt.Fprintf(w, "Signed in\t%s\n", s.signedIn(time.Now()))
		if s.Issuer != "" {
			fmt.Fprintf(w, "At\t%s\n", s.Issuer)
		}
		if len(s.Scopes) > 0 {
			fmt.Fprintf(w, "Scopes\t%s\n", strings.Join(s.Scopes, " "))
		}
		if s.Pending != "" {
			fmt.Fprintf(w, "Sign-in page\t%s\n", s.Pending)
		}
	}
	fmt.Fprintf(w, "Tokens in\t%s\n", storeName(r.Store))
	return w.Flush()
}

// signedIn says whether the user is signed in, and for how long.
func (s accountStatus) signedIn(now time.Time) string {
	switch {
	case s.APIToken != "":
		return "with an API token from the " + s.APIToken
	case !s.SignedIn:
		return "no; run 'atlassian-mcp login'"
	case s.Expires.IsZero():
		return "yes"
	case now.After(s.Expires):
		return "yes; the token is renewed when it is needed"
	case s.Renewable:
		return fmt.Sprintf("yes; the token is good for %s, and renewed after that", s.Expires.Sub(now).Round(time.Minute))
	}
	return fmt.Sprintf("yes, for %s", s.Expires.Sub(now).Round(time.Minute))
}

func storeName(b keychain.Backend) string {
	if b.Kind == keychain.File {
		name := "files in " + b.Name + ", not encrypted"
		if b.Reason != "" {
			name += " (there is no keychain: " + b.Reason + ")"
		}
		return name
	}
	return b.Name
}

// newRenewCommand returns what a relay starts to have its token renewed by a process that no client kills.
func newRenewCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:    "renew URL",
		Short:  "Renew the sign-in, for atlassian-mcp itself",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := f.open(cmd, args)
			if err != nil {
				return err
			}
			defer a.close()
			return a.client.Renew(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f.serverFlags.add(cmd.Flags())
	f.signInFlags.add(cmd.Flags())
	f.addSignIn(cmd.Flags())
	return cmd
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

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
	page   func(string) // told as [auth.Config.Page] is; nil means nobody
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
	if in, ok := terminal(cmd.InOrStdin()); ok && f.noBrowser {
		const question = "If the browser can't reach this machine after that, paste the address that it shows here: "
		cfg.Prompt = func(ctx context.Context, _ string) (string, error) {
			return ask(ctx, in, cmd.ErrOrStderr(), question, unlimitLines)
		}
	}
	a := new(account)
	cfg.Page = func(page string) {
		if a.page != nil {
			a.page(page)
		}
	}
	a.cfg, a.client = cfg, auth.New(cfg)
	return a, nil
}

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

func newLogoutCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:   "logout [URL] [flags]",
		Short: "Revoke and forget the sign-in",
		Long: `logout revokes the tokens at the server where it can, and deletes them, the
registration of this program and an API token that is kept for the server. Relays that
run need a new sign-in then.`,
		Example: `  atlassian-mcp logout
  atlassian-mcp logout v2 --profile work
  atlassian-mcp logout --all`,
		RunE: f.logout,

		DisableFlagsInUseLine: true,
	}
	f.serverFlags.add(cmd.Flags())
	f.signInFlags.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.all, "all", false, "sign out of every server and account")
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
	if f.all {
		err = errors.Join(a.client.LogoutAll(ctx), forgetTokens(ctx, a.cfg.Store, ""))
	} else {
		err = errors.Join(a.client.Logout(ctx), forgetTokens(ctx, a.cfg.Store, tokenKey(a.cfg.Server, f.profile)))
	}
	if err != nil {
		return err
	}
	what := redactURL(a.cfg.Server)
	if f.all {
		what = "everything"
	}
	fmt.Fprintf(out, "Signed out of %s\n", what)
	return nil
}

func newStatusCommand() *cobra.Command {
	f := new(accountFlags)
	cmd := &cobra.Command{
		Use:   "status [URL] [flags]",
		Short: "Tell who is signed in where, and until when",
		Long: `status says what is kept about the sign-in to the server, where, and which relays run.
It asks no server. Its exit status is 3 if nobody is signed in.`,
		Example: `  atlassian-mcp status
  atlassian-mcp status --all --json`,
		RunE: f.status,

		DisableFlagsInUseLine: true,
	}
	f.serverFlags.add(cmd.Flags())
	f.signInFlags.add(cmd.Flags())
	cmd.Flags().BoolVar(&f.all, "all", false, "tell of every server and account")
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON, for programs")
	return cmd
}

// A statusReport is what status says.
type statusReport struct {
	Accounts []accountStatus    `json:"accounts"`
	Store    keychain.Backend   `json:"store"`
	Running  []keychain.Process `json:"running"` // relays of this user
}

type accountStatus struct {
	auth.Status
	APIToken string   `json:"api_token,omitempty"` // where it comes from; "" if there is none
	Sites    []string `json:"sites,omitempty"`     // that relays with this account are kept at, see siteFlag
}

// status is the command.
func (f *accountFlags) status(cmd *cobra.Command, args []string) error {
	a, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	defer a.close()
	report, err := a.report(cmd.Context(), f.all)
	if err != nil {
		return err
	}
	if f.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(report)
	} else {
		err = report.print(cmd.OutOrStdout())
	}
	if err == nil && !report.Accounts[0].SignedIn {
		return errSignedOut
	}
	return err
}

// errSignedOut is the result of status when nobody is signed in.
var errSignedOut = errors.New("nobody is signed in")

// report returns what there is to say about a, and after it about all other accounts if all is set.
func (a *account) report(ctx context.Context, all bool) (r statusReport, err error) {
	if r.Store, err = a.cfg.Store.Backend(ctx); err != nil {
		return r, err
	}
	running, err := a.cfg.Store.Others()
	if err != nil {
		a.cfg.Log.Warn("other processes are not known", "err", err)
	}
	r.Running = append([]keychain.Process{}, running...) // [] in JSON if there are none
	here, err := a.client.Status(ctx)
	if err != nil {
		return r, err
	}
	r.Accounts = []accountStatus{{Status: here}}
	if all {
		others, err := a.client.StatusAll(ctx)
		if err != nil {
			return r, err
		}
		for _, s := range others {
			if s.Server != here.Server || s.Profile != here.Profile || s.Resource != here.Resource {
				r.Accounts = append(r.Accounts, accountStatus{Status: s})
			}
		}
	}
	keys, err := a.cfg.Store.List(ctx)
	for _, key := range keys {
		if origin, profile, ok := parseTokenKey(key); ok {
			r.addToken(origin, profile, all)
		}
	}
	if a.cfg.Authorization != "" {
		r.Accounts[0].APIToken, r.Accounts[0].SignedIn = "environment", true
	}
	r.addSites()
	return r, err
}

// addSites notes where the relays work that run. What else an account may see is known to the server alone.
func (r *statusReport) addSites() {
	for i := range r.Accounts {
		s := &r.Accounts[i]
		for _, p := range r.Running {
			server, _, _ := strings.Cut(p.Server, "?")
			if server == s.Server && p.Profile == s.Profile && p.Site != "" && !slices.Contains(s.Sites, p.Site) {
				s.Sites = append(s.Sites, p.Site)
			}
		}
	}
}

// addToken notes that there is an API token for all servers of an origin.
func (r *statusReport) addToken(origin, profile string, all bool) {
	found := false
	for i := range r.Accounts {
		s := &r.Accounts[i]
		if s.Profile == profile && (s.Server == origin || strings.HasPrefix(s.Server, origin+"/")) {
			s.APIToken, s.SignedIn, found = "store", true, true
		}
	}
	if all && !found {
		s := accountStatus{APIToken: "store"}
		s.Server, s.Profile, s.SignedIn = origin, profile, true
		r.Accounts = append(r.Accounts, s)
	}
}

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
		if len(s.Sites) > 0 {
			fmt.Fprintf(w, "Site\t%s, by the --site of what runs\n", plain(strings.Join(s.Sites, ", ")))
		}
		if len(s.Scopes) > 0 {
			fmt.Fprintf(w, "Scopes\t%s\n", strings.Join(s.Scopes, " "))
		}
		if s.Pending != "" {
			fmt.Fprintf(w, "Sign-in page\t%s\n", s.Pending)
		}
		if s.LastFailure != "" {
			fmt.Fprintf(w, "Why\t%s\n", plain(s.LastFailure))
		}
	}
	fmt.Fprintf(w, "Tokens in\t%s\n", storeName(r.Store))
	for i, line := range describe(r.Running) {
		label := ""
		if i == 0 {
			label = "Running"
		}
		fmt.Fprintf(w, "%s\t%s\n", label, plain(line))
	}
	return w.Flush()
}

// signedIn says whether the user is signed in, and for how long.
func (s accountStatus) signedIn(now time.Time) string {
	left := s.Expires.Sub(now).Round(time.Minute)
	switch {
	case s.APIToken != "":
		return "with an API token from the " + s.APIToken
	case !s.SignedIn:
		return "no"
	case s.Expires.IsZero():
		return "yes"
	case s.Renewable && left <= 0:
		return "yes; the token is renewed when it is needed"
	case s.Renewable:
		return fmt.Sprintf("yes; the token is good for %s, and renewed after that", minutes(left))
	}
	return "yes, for " + minutes(left)
}

// minutes writes d, which is in whole minutes, without seconds.
func minutes(d time.Duration) string {
	return cmp.Or(strings.TrimSuffix(d.String(), "0s"), "less than a minute")
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

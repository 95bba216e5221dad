package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

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
		err = printJSON(cmd.OutOrStdout(), report)
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

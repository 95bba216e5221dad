package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

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

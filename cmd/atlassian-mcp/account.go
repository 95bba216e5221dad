package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
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

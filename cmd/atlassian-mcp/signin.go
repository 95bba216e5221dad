package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
)

// signInFlags are the flags about who the user is and where that is remembered.
type signInFlags struct {
	profile           string
	clientID          string
	clientSecret      string
	clientMetadataURL string
	scope             string
	resource          string
	callbackPort      int
	authTimeout       secondsFlag
	tokenStore        keychain.Kind
	noBrowser         bool
	deviceCode        bool
	clientCredentials bool
	compat            compatSignIn
}

// Environment variables that stand for flags, or for what must not be on a command line.
const (
	clientSecretEnv = "ATLASSIAN_MCP_CLIENT_SECRET"
	tokenStoreEnv   = "ATLASSIAN_MCP_TOKEN_STORE"
	emailEnv        = "ATLASSIAN_EMAIL"
	apiTokenEnv     = "ATLASSIAN_API_TOKEN"
)

// add adds the flags that say which sign-in is meant.
func (f *signInFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.profile, "profile", "", "use the account that is kept under `NAME`, for several\nat one server")
	flags.TextVar(&f.tokenStore, "token-store", keychain.Auto, "keep tokens in `STORE`: keychain, file, or auto for files\nonly where there is no keychain")
	flags.StringVar(&f.resource, "resource", "", "use a token for this `URI`, not for the server's own")
	flags.MarkHidden("resource")
	f.compat.addResource(flags)
}

// addSignIn adds the flags that say how to sign in.
func (f *signInFlags) addSignIn(flags *pflag.FlagSet) {
	f.authTimeout = secondsFlag(5 * time.Minute)
	flags.BoolVar(&f.noBrowser, "no-browser", false, "print the address of the sign-in page, open no browser")
	flags.Var(&f.authTimeout, "auth-timeout", "let a sign-in page wait for this `TIME`")
	flags.StringVar(&f.scope, "scope", "", "ask for these `SCOPES`, space-separated, not for what\nthe server says")
	flags.StringVar(&f.clientID, "client-id", "", "sign in as the OAuth client with this `ID`, registered\nbeforehand")
	flags.StringVar(&f.clientSecret, "client-secret", "", "the `SECRET` of --client-id; better in the environment as\n"+clientSecretEnv)
	flags.StringVar(&f.clientMetadataURL, "client-metadata-url", "", "sign in as the client that the document at this `URL`\ndescribes, where the server supports that")
	flags.IntVar(&f.callbackPort, "callback-port", 0, "have the browser come back to this `PORT`")
	flags.BoolVar(&f.deviceCode, "device-code", false, "sign in with a code on any device, where the server\nsupports that")
	flags.BoolVar(&f.clientCredentials, "client-credentials", false, "sign in as the client itself, for services")
	for _, rare := range []string{"scope", "client-id", "client-secret", "client-metadata-url", "callback-port", "device-code", "client-credentials"} {
		flags.MarkHidden(rare)
	}
	f.compat.add(flags)
}

// store returns the store that the flags and the environment name.
func (f *signInFlags) store(cmd *cobra.Command, log *slog.Logger) (*keychain.Store, error) {
	kind := f.tokenStore
	if text := os.Getenv(tokenStoreEnv); text != "" && !cmd.Flags().Changed("token-store") {
		if err := kind.UnmarshalText([]byte(text)); err != nil {
			return nil, &usageError{what: tokenStoreEnv + ": " + err.Error(), advice: "it is auto, keychain or file"}
		}
	}
	return &keychain.Store{Kind: kind, Log: log}, nil
}

// noteFiles tells the person if tokens are in files for want of a keychain.
func noteFiles(store *keychain.Store, say func(string)) {
	b, err := store.Backend(context.Background()) // which has a limit of its own
	if err == nil && b.Kind == keychain.File && b.Reason != "" {
		say("There is no keychain (" + b.Reason + "). Tokens are kept in files in " + b.Name + ", not encrypted, which only you can read.")
	}
}

// config returns what the flags say about signing in to server.
func (f *signInFlags) config(cmd *cobra.Command, server *connection, log *slog.Logger) (auth.Config, error) {
	store, err := f.store(cmd, log)
	if err != nil {
		return auth.Config{}, err
	}
	if f.callbackPort < 0 || f.callbackPort > 65535 {
		return auth.Config{}, &usageError{what: "--callback-port is not a port", advice: "a port is a number from 1 to 65535"}
	}
	say := sayer(cmd.ErrOrStderr())
	note := sync.OnceFunc(func() { noteFiles(store, say) })
	cfg := auth.Config{
		Server:            server.url,
		Profile:           f.profile,
		Store:             store,
		OpenURL:           openURL,
		Renewer:           renewer(cmd, server.url, store),
		ClientID:          f.clientID,
		ClientSecret:      cmp.Or(f.clientSecret, os.Getenv(clientSecretEnv)),
		ClientMetadataURL: f.clientMetadataURL,
		Scope:             f.scope,
		Resource:          f.resource,
		PinnedIssuers:     pinnedIssuers(),
		DeviceCode:        f.deviceCode,
		ClientCredentials: f.clientCredentials,
		CallbackPort:      f.callbackPort,
		AuthTimeout:       time.Duration(f.authTimeout),
		AllowHTTP:         server.allowHTTP,
		IPv4:              server.ipv4,
		HTTPClient:        server.client,
		Transport:         server.transport,
		UserAgent:         userAgent(),
		Progress:          func(s string) { say(s); note() }, // there is progress of sign-ins only
		Log:               log,
	}
	if f.noBrowser {
		cfg.OpenURL = nil
	}
	if err := f.compat.apply(cmd, server.env, &cfg); err != nil {
		return auth.Config{}, err
	}
	cfg.Authorization, err = environmentToken(server.url, say)
	return cfg, err
}

// pinnedIssuers returns Atlassian's servers whose metadata has named another issuer than their address says.
func pinnedIssuers() (pinned []auth.PinnedIssuer) {
	for _, p := range atlassian.PinnedIssuers {
		pinned = append(pinned, auth.PinnedIssuer{Asked: p.Asked, Answered: p.Answered})
	}
	return pinned
}

// renewer returns what starts this program again to renew the sign-in to server, which is kept in store, see auth.Config.
func renewer(cmd *cobra.Command, server *url.URL, store *keychain.Store) func() *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		return nil // and renews in this process
	}
	args := []string{"renew", server.String()}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if renewFlags[flag.Name] {
			args = append(args, "--"+flag.Name+"="+flag.Value.String())
		}
	})
	return func() *exec.Cmd {
		// What auto has come to here must not come to something else there, because a keychain starts or stops in between.
		kind := keychain.Keychain
		if b, err := store.Backend(context.Background()); err == nil { // which has a limit of its own
			kind = b.Kind
		}
		return exec.Command(self, append(slices.Clone(args), "--token-store="+kind.String())...)
	}
}

// renewFlags are the flags that make a difference to renewing. None of them holds a secret: anybody can read a command line.
var renewFlags = map[string]bool{
	"profile": true, "resource": true, "scope": true, "client-id": true, "client-metadata-url": true,
	"allow-http": true, "ca-cert": true, "connect-timeout": true, "log-file": true,
	"headers-timeout": true, "ipv4": true, "disable-resource-parameter": true,
}

package main

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/era"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// This file is what mcp-remote 0.15.1 takes on its command line and few people need: whoever has an entry for it in the configuration of
// a client replaces the command, and leaves the arguments as they are. What mcp-remote ignores without a word is an error here.

// hide adds what add adds, unseen in the help of the command; "help compat" shows it.
func hide(flags *pflag.FlagSet, add func(rare *pflag.FlagSet)) {
	rare := pflag.NewFlagSet("", pflag.ContinueOnError)
	rare.SortFlags = false
	add(rare)
	rare.VisitAll(func(f *pflag.Flag) {
		f.Hidden = true
		flags.AddFlag(f)
	})
}

// compatRelay are the flags of the relay alone.
type compatRelay struct {
	keepAlive    bool
	pingInterval secondsFlag
	silent       bool
	protocol     string
}

// defaultPing is how often mcp-remote pings, if it is to.
const defaultPing = 30 * time.Second

func (f *compatRelay) add(flags *pflag.FlagSet) {
	hide(flags, func(flags *pflag.FlagSet) {
		flags.BoolVar(&f.keepAlive, "keep-alive", false, "ping the server every 30 s, for one that forgets idle\nsessions")
		flags.Var(&f.pingInterval, "ping-interval", "ping the server at this `INTERVAL`")
		flags.Lookup("ping-interval").DefValue = ""
		flags.BoolVar(&f.silent, "silent", false, "write nothing on standard error, unless there is\n--debug")
		flags.StringVar(&f.protocol, "protocol", "legacy", "`MODE` legacy passes messages on as they are; auto has\n"+
			"clients of 2025-11-25 and before use servers of\n2026-07-28 as well")
	})
}

// apply puts what the flags say into cfg.
func (f *compatRelay) apply(cfg *relay.Config) error {
	switch f.protocol {
	case "", "legacy":
	case "auto":
		cfg.Dial = era.Dial
	default:
		return &usageError{what: fmt.Sprintf("--protocol %q is no mode", f.protocol), advice: "leave it out, or give legacy or auto"}
	}
	cfg.Remote.PingInterval = time.Duration(f.pingInterval)
	if f.keepAlive && f.pingInterval == 0 {
		cfg.Remote.PingInterval = defaultPing
	}
	return nil
}

// positional returns args without the port that may follow the URL, which becomes that of --callback-port.
func (f *relayFlags) positional(args []string) ([]string, error) {
	if len(args) > 0 && isLauncher(args[0]) {
		return nil, &usageError{
			what:   fmt.Sprintf("%q is what this program takes the place of", args[0]),
			advice: `remove "npx", "-y" and "mcp-remote" from the arguments, and leave the URL and what follows it`,
		}
	}
	if len(args) == 1 && isPort(args[0]) {
		return nil, &usageError{what: fmt.Sprintf("%s is a port, and there is no URL before it", args[0]), advice: "write the URL first, or v1"}
	}
	if len(args) < 2 || !isPort(args[1]) {
		return args, nil
	}
	port, err := strconv.Atoi(args[1])
	switch {
	case len(args) > 2:
		return nil, &usageError{
			what:   fmt.Sprintf("unexpected argument %q", plain(args[2])),
			advice: "there is one URL at most, and one port after it",
		}
	case err != nil || port > 65535:
		return nil, &usageError{what: fmt.Sprintf("%s is not a port", args[1]), advice: "a port is a number from 1 to 65535"}
	case f.callbackPort != 0 && f.callbackPort != port:
		return nil, &usageError{
			what:   fmt.Sprintf("the port after the URL is %d, and --callback-port is %d", port, f.callbackPort),
			advice: "leave out one of them",
		}
	}
	f.callbackPort = port
	return args[:1], nil
}

// isLauncher reports whether arg is how mcp-remote is started.
func isLauncher(arg string) bool {
	name, _, _ := strings.Cut(arg, "@")
	switch name {
	case "mcp-remote", "mcp-remote-client", "npx", "npx.cmd", "bunx":
		return true
	}
	return false
}

func isPort(arg string) bool { return arg != "" && strings.Trim(arg, "0123456789") == "" }

// compatConnection are the flags about connections to the server.
type compatConnection struct {
	headersTimeout limitFlag
	bodyTimeout    limitFlag
	ipv4           bool
	disableCookies bool
	enableProxy    bool
}

func (f *compatConnection) add(flags *pflag.FlagSet) {
	hide(flags, func(flags *pflag.FlagSet) {
		flags.Var(&f.headersTimeout, "headers-timeout", "give up a request whose answer has not begun after\nthis `TIME`; 0, the default, means never")
		flags.Var(&f.bodyTimeout, "body-timeout", "cut an answer, or a stream, of which nothing has come\nfor this `TIME`; 0, the default, means never")
		flags.BoolVar(&f.ipv4, "ipv4", false, "connect by IPv4 only")
		flags.BoolVar(&f.disableCookies, "disable-cookies", false, "send no cookies back")
		flags.BoolVar(&f.enableProxy, "enable-proxy", false, "has no effect: HTTPS_PROXY, HTTP_PROXY and NO_PROXY\nalways hold")
	})
}

// adjust makes t what the flags say.
func (f *compatConnection) adjust(t *http.Transport) {
	t.ResponseHeaderTimeout = time.Duration(f.headersTimeout)
	if f.ipv4 {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, "tcp4", addr) }
	}
}

// limit returns next with the limit of --body-timeout.
func (f *compatConnection) limit(next http.RoundTripper) http.RoundTripper {
	if f.bodyTimeout == 0 {
		return next
	}
	return bodyLimiter{next, time.Duration(f.bodyTimeout)}
}

// compatSignIn are the flags about how to sign in.
type compatSignIn struct {
	host            string
	callbackPath    string
	authorizeParams []string
	clientMetadata  string
	clientInfo      string
	omitResource    bool
	tokenEndpoint   string
	useIDToken      bool
	authSuccessURL  string
}

// addResource adds what makes a difference to renewing too.
func (f *compatSignIn) addResource(flags *pflag.FlagSet) {
	hide(flags, func(flags *pflag.FlagSet) {
		flags.BoolVar(&f.omitResource, "disable-resource-parameter", false, "never say what a token is for (RFC 8707);\n--resource \"\" is the same")
	})
}

func (f *compatSignIn) add(flags *pflag.FlagSet) {
	hide(flags, func(flags *pflag.FlagSet) {
		flags.StringVar(&f.host, "host", "", "have the browser come back to this `NAME` of\n127.0.0.1, such as localhost")
		flags.StringVar(&f.callbackPath, "callback-path", "", "have the browser come back to this `PATH`")
		flags.StringArrayVar(&f.authorizeParams, "authorize-param", nil, "add `NAME=VALUE` to the address of the sign-in page\n(repeatable)")
		flags.StringVar(&f.clientMetadata, "static-oauth-client-metadata", "", "register with the members of this `JSON` as well, or\nof that in @FILE")
		flags.StringVar(&f.clientInfo, "static-oauth-client-info", "", "sign in as the client of this `JSON`, or of that in\n@FILE, with client_id and "+
			"perhaps client_secret;\n${VAR} is taken from the environment")
		flags.StringVar(&f.tokenEndpoint, "token-endpoint", "", "ask for the token of --client-credentials at this\n`URL`")
		flags.BoolVar(&f.useIDToken, "use-id-token", false, "is refused: an ID token tells a client who the user\nis, and is no access token")
		flags.StringVar(&f.authSuccessURL, "auth-success-url", "", "is refused: the page after a sign-in tells how it\nwent, which no other `URL` can")
	})
}

// apply puts what the flags say into cfg. Variables in them are those of env. Its errors are *usageErrors.
func (f *compatSignIn) apply(cmd *cobra.Command, env lookupEnv, cfg *auth.Config) error {
	switch {
	case f.useIDToken:
		return &usageError{
			what: "--use-id-token is not supported: an ID token tells a client who the user is, " +
				"and a server that takes it for an access token takes one that was issued to anybody",
			advice: "leave it out; if the server needs another audience in its tokens, try --resource or --authorize-param",
		}
	case f.authSuccessURL != "":
		return &usageError{
			what:   "--auth-success-url is not supported: the page after a sign-in is this program's own, and tells whether it worked",
			advice: "leave it out",
		}
	}
	if err := f.client(env, cfg); err != nil {
		return err
	}
	for _, step := range []func(*auth.Config) error{f.params, f.registration, f.endpoint, f.callback} {
		if err := step(cfg); err != nil {
			return err
		}
	}
	resource := strings.TrimSpace(cfg.Resource)
	switch u, err := url.Parse(resource); {
	case f.omitResource, resource == "" && cmd.Flags().Changed("resource"):
		cfg.OmitResource, resource = true, ""
	case resource != "" && (err != nil || !u.IsAbs() || u.Fragment != ""):
		return &usageError{
			what:   fmt.Sprintf("--resource %q is not an absolute URI", plain(resource)),
			advice: "it is the URL of the server in most cases",
		}
	}
	cfg.Resource = resource
	return nil
}

// params sets what is added to the authorization request.
func (f *compatSignIn) params(cfg *auth.Config) error {
	for _, param := range f.authorizeParams {
		name, value, ok := strings.Cut(param, "=")
		name = strings.TrimSpace(name)
		switch {
		case !ok || name == "":
			return &usageError{
				what:   "--authorize-param is not of the form NAME=VALUE",
				advice: "write it as in --authorize-param audience=https://api.example.com",
			}
		case name == "scope" && cfg.Scope == "":
			cfg.Scope = value
		case name == "resource" && cfg.Resource == "": // or the token would be for something else than was authorized
			cfg.Resource = value
		case auth.Reserved(name):
			return &usageError{what: fmt.Sprintf("--authorize-param can't set %q", name), advice: "the sign-in depends on it as it is; leave it out"}
		default:
			if cfg.AuthorizeParams == nil {
				cfg.AuthorizeParams = make(url.Values)
			}
			cfg.AuthorizeParams.Set(name, value)
		}
	}
	return nil
}

// registration sets what dynamic registration sends.
func (f *compatSignIn) registration(cfg *auth.Config) error {
	if f.clientMetadata == "" {
		return nil
	}
	err := readArgument("static-oauth-client-metadata", f.clientMetadata, nil, &cfg.ClientMetadata)
	if scope, ok := cfg.ClientMetadata["scope"].(string); ok {
		cfg.Scope = cmp.Or(cfg.Scope, scope) // who is registered with a scope is to ask for it
	}
	return err
}

// client sets the client that is registered already. Its secret may be in a variable of env.
func (f *compatSignIn) client(env lookupEnv, cfg *auth.Config) error {
	if f.clientInfo == "" {
		return nil
	}
	const flag = "static-oauth-client-info"
	var info struct {
		ID         string `json:"client_id"`
		Secret     string `json:"client_secret"`
		AuthMethod string `json:"token_endpoint_auth_method"`
	}
	if err := readArgument(flag, f.clientInfo, env, &info); err != nil {
		return err
	}
	switch {
	case info.ID == "":
		return &usageError{what: "--" + flag + " has no client_id", advice: `write it as {"client_id": "ID", "client_secret": "${SECRET}"}`}
	case cfg.ClientID != "":
		return &usageError{what: "there are both --client-id and --" + flag, advice: "leave out one of them"}
	case !slices.Contains([]string{"", "none", "client_secret_basic", "client_secret_post"}, info.AuthMethod):
		return &usageError{
			what:   fmt.Sprintf("--%s has the token_endpoint_auth_method %q", flag, info.AuthMethod),
			advice: "only none, client_secret_basic and client_secret_post are supported",
		}
	}
	cfg.ClientID, cfg.ClientSecret, cfg.ClientAuthMethod = info.ID, cmp.Or(info.Secret, cfg.ClientSecret), info.AuthMethod
	return nil
}

// endpoint sets where a service gets its tokens.
func (f *compatSignIn) endpoint(cfg *auth.Config) error {
	if f.tokenEndpoint == "" {
		return nil
	}
	if !cfg.ClientCredentials {
		return &usageError{what: "--token-endpoint is for --client-credentials only", advice: "leave it out: the server says where to sign in"}
	}
	u, err := parseServerURL(f.tokenEndpoint, cfg.AllowHTTP)
	if err != nil {
		return &usageError{what: "--token-endpoint: " + err.Error(), advice: hint(err)}
	}
	cfg.TokenEndpoint = u.String()
	return nil
}

// callback sets where the browser comes back to. For a client that is registered with it, that is where mcp-remote would have it come
// back to unless the flags say otherwise: nobody can change what is registered.
func (f *compatSignIn) callback(cfg *auth.Config) error {
	cfg.CallbackHost, cfg.CallbackPath = strings.ToLower(f.host), f.callbackPath
	if f.host != "" && !isHostname(cfg.CallbackHost) {
		return &usageError{
			what:   fmt.Sprintf("--host %q is not the name of a host", f.host),
			advice: "it is localhost, 127.0.0.1 or another name of that address, without a port",
		}
	}
	if f.clientInfo != "" || cfg.ClientMetadataURL != "" {
		host := "localhost"
		if runtime.GOOS == "windows" {
			host = "127.0.0.1"
		}
		cfg.CallbackHost = cmp.Or(cfg.CallbackHost, host)
		cfg.CallbackPath = cmp.Or(cfg.CallbackPath, "/oauth/callback")
		cfg.CallbackPort = cmp.Or(cfg.CallbackPort, mcpRemotePort(cfg.Server.String(), cfg.Resource, cfg.ClientMetadataURL))
	}
	if cfg.CallbackPath == "" {
		return nil
	}
	u, err := url.Parse(cfg.CallbackPath)
	if err != nil || !strings.HasPrefix(cfg.CallbackPath, "/") || u.Host != "" || u.RawQuery != "" || u.Fragment != "" {
		return &usageError{
			what:   fmt.Sprintf("--callback-path %q is not the path of a URL", f.callbackPath),
			advice: "it starts with a slash, such as /oauth/callback",
		}
	}
	cfg.CallbackPath = u.Path
	return nil
}

// isHostname reports whether text is what stands for the host in a URL, without a port, and no address of IPv6: nobody listens there.
func isHostname(text string) bool {
	u, err := url.Parse("http://" + text + "/")
	return err == nil && u.Host == text && !strings.Contains(text, ":")
}

// mcpRemotePort returns the port on which mcp-remote awaits the browser, if it is not told which, for an entry with this URL, --resource
// and --client-metadata-url. Entries that have headers or parameters as well have other ports there, which are not known here.
func mcpRemotePort(entry ...string) int {
	named := slices.DeleteFunc(entry, func(s string) bool { return s == "" })
	hash := md5.Sum([]byte(strings.Join(named, "|"))) // only to tell entries apart
	return 3335 + int(binary.BigEndian.Uint16(hash[:]))%45816
}

// readArgument decodes the JSON object that is in arg, or in the file that it names after an @, into v. With env, variables are replaced
// in it. Its error, a *usageError, shows nothing of it.
func readArgument(flag, arg string, env lookupEnv, v any) error {
	text := arg
	if file, ok := strings.CutPrefix(arg, "@"); ok {
		data, err := os.ReadFile(file)
		if err != nil {
			return &usageError{
				what:   "--" + flag + ": " + err.Error(),
				advice: "give the full path of the file after the @; the client decides in which directory this program starts",
			}
		}
		text = strings.TrimPrefix(string(data), "\ufeff")
	}
	if env != nil {
		var err error
		if text, err = expandEnv(text, env); err != nil {
			return &usageError{
				what:   "--" + flag + ": " + err.Error(),
				advice: `set it, for example in the "env" block of this server in the client's configuration`,
			}
		}
	}
	if text = strings.TrimSpace(text); !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), v) != nil {
		return &usageError{
			what:   "--" + flag + " is not a JSON object with the members that it should have",
			advice: `write it as '{"NAME": "value"}', or as @FILE with the full path of a file that has it`,
		}
	}
	return nil
}

// A limitFlag is a time, of which 0 means that there is no limit.
type limitFlag time.Duration

func (d *limitFlag) Type() string { return "time" }

func (d *limitFlag) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *limitFlag) Set(s string) error {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n == 0 {
		*d = 0
		return nil
	}
	return (*secondsFlag)(d).Set(s)
}

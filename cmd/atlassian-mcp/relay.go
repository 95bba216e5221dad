package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

const relayLong = `atlassian-mcp lets an MCP client that starts local servers use a remote one. It
passes messages between its standard input and output and the server at URL, by
default the Atlassian Rovo MCP Server.

An MCP client starts it; the client's configuration names it as the command:

  {"mcpServers": {"atlassian": {"command": "atlassian-mcp"}}}

URL is the address of any remote MCP server, or one of
  v1      ` + atlassian.V1 + ` (the default)
  authv2  ` + atlassian.AuthV2 + `
  v2      ` + atlassian.V2

const relayExample = `  atlassian-mcp
  atlassian-mcp authv2 --profile work
  atlassian-mcp https://example.com/mcp --header "Authorization: Bearer ${TOKEN}"`

// started is when the process was, as nearly as it can tell. Some hosts count from there.
var started = time.Now()

// relayFlags are the flags of the bare command.
type relayFlags struct {
	serverFlags
	signInFlags
	policyFlags
	compatRelay
	transport        transportFlag
	handshakeTimeout secondsFlag
	requestTimeout   secondsFlag
	noAdvice         bool
	maxMessage       bytesFlag
	version          bool
}

func newRelayCommand() *cobra.Command {
	return new(relayFlags).command()
}

// command returns the bare command, whose flags set f.
func (f *relayFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "atlassian-mcp [URL] [flags]",
		Short:   "Connect an MCP client to a remote MCP server",
		Long:    relayLong,
		Example: relayExample,
		Args:    cobra.ArbitraryArgs, // serverArg judges them
		RunE:    f.run,

		DisableFlagsInUseLine: true,
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&f.version, "version", "v", false, "print the version") // cobra's own has words of its own
	return cmd
}

// add adds the flags to cmd.
func (f *relayFlags) add(cmd *cobra.Command) {
	f.handshakeTimeout = secondsFlag(20 * time.Second)
	f.maxMessage = 256 << 20
	flags := cmd.Flags()
	flags.SortFlags = false
	f.signInFlags.add(flags)
	f.addSignIn(flags)
	f.addHeaders(flags)
	f.serverFlags.add(flags)
	f.policyFlags.add(flags)
	f.compatRelay.add(flags)
	flags.Var(&f.transport, "transport", "try transports in this `ORDER`: http-first (default),\nsse-first, http-only or sse-only")
	flags.Var(&f.handshakeTimeout, "handshake-timeout", "give up on the server's first answer after this\n`TIME`")
	flags.Var(&f.requestTimeout, "request-timeout", "give up on an answer after this `TIME` without progress\n(default never)")
	flags.BoolVar(&f.noAdvice, "no-advice", false, "add no advice to what Atlassian refuses")
	flags.Var(&f.maxMessage, "max-message", "refuse messages of the server that are longer than `BYTES`")
	for _, rare := range []string{"connect-timeout", "handshake-timeout", "request-timeout", "header-file", "no-advice", "max-message"} {
		flags.MarkHidden(rare)
	}
	onlyOnce(flags)
}

// run relays between cmd's standard streams and the server that args name.
func (f *relayFlags) run(cmd *cobra.Command, args []string) error {
	if f.version {
		fmt.Fprintln(cmd.OutOrStdout(), versionLine())
		return nil
	}
	stdin, stdout := cmd.InOrStdin(), cmd.OutOrStdout()
	if f.silent && !f.debug {
		cmd.SetErr(io.Discard)
	}
	stderr, flush := newPatientWriter(cmd.ErrOrStderr())
	defer flush()
	defer cmd.SetErr(cmd.ErrOrStderr())
	cmd.SetErr(stderr)
	log, closeLog, err := openLog(stderr, f.debug, f.logFile)
	if err != nil {
		return err
	}
	defer closeLog()
	cfg, user, err := f.config(cmd, args, log)
	if err != nil {
		return err
	}
	defer user.Close()
	defer f.join(user.cfg.Store, cfg)()
	log.Debug("relaying", "version", buildVersion(), "url", cfg.Remote.URL, "header", cfg.Remote.Header)
	if isTerminal(stdin) {
		fmt.Fprintf(stderr, "atlassian-mcp: relaying JSON-RPC messages, one a line, from here to %s until end of file\n", redactURL(cfg.Remote.URL))
		io.WriteString(stderr, hintLine("an MCP client is meant to start this command; see 'atlassian-mcp --help' and 'atlassian-mcp demo'"))
	}

	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if file, ok := stdout.(*os.File); ok {
		defer watchHangup(file, cancel)()
	}
	if file, ok := stdin.(*os.File); ok {
		hungUp := make(chan struct{})
		defer watchHangup(file, func() { close(hungUp) })()
		cfg.HungUp = hungUp
		in := &countingReader{Reader: stdin}
		orphaned, stop := watchParent(in, user.Leave)
		defer stop()
		stdin, cfg.Orphaned = in, orphaned
	}
	cfg.Report = reporter(ctx, stderr)
	// A client that doesn't read any more, and a signal, are how a relay ends. Some clients
	// would show another exit status than 0 as a crash.
	if err := relay.Run(ctx, atEOF{stdin, user.Leave}, stdout, cfg); err != nil && ctx.Err() == nil {
		log.Warn("relay ended", "err", err)
	}
	return nil
}

// atEOF reads from in and calls end when that ends.
type atEOF struct {
	in  io.Reader
	end func()
}

func (r atEOF) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if err == io.EOF {
		r.end()
	}
	return n, err
}

// config returns what the flags and args ask for, but for Report, and who sends the requests. Its errors are *usageErrors.
func (f *relayFlags) config(cmd *cobra.Command, args []string, log *slog.Logger) (relay.Config, *signer, error) {
	args, err := f.positional(args)
	if err != nil {
		return relay.Config{}, nil, err
	}
	server, err := f.connect(cmd, args, log)
	if err != nil {
		return relay.Config{}, nil, err
	}
	return f.configOver(cmd, server, log)
}

// configOver is config for what connect has returned.
func (f *relayFlags) configOver(cmd *cobra.Command, server *connection, log *slog.Logger) (relay.Config, *signer, error) {
	signIn, err := f.signInFlags.config(cmd, server, log)
	if err != nil {
		return relay.Config{}, nil, err
	}
	cfg := relay.Config{
		Remote: remote.Config{
			URL:              server.url,
			Transport:        remote.Transport(f.transport),
			Header:           server.header,
			UserAgent:        userAgent(),
			MaxMessage:       int64(f.maxMessage),
			HandshakeTimeout: time.Duration(f.handshakeTimeout),
			RequestTimeout:   time.Duration(f.requestTimeout),
			Fresh:            server.fresh,
			Hint:             hint,
			Log:              log,
		},
		Started:      started,
		Capabilities: atlassian.Capabilities(server.url),
		Tools:        f.tools(server.url),
		Version:      buildVersion(),
		Transient:    mayPass,
		Log:          log,
	}
	f.site.limit(&cfg, server)
	if err := f.compatRelay.apply(&cfg); err != nil {
		return relay.Config{}, nil, err
	}
	user := newSigner(signIn, time.Duration(f.handshakeTimeout))
	user.given = server.header.Get("Authorization") != ""
	if !f.noAdvice {
		adviser := &adviser{explain: user.explain, person: cmd.ErrOrStderr()}
		cfg.Advise, cfg.Remote.Hint = adviser.advise, adviser.hint
	}
	known := &memory{server: server.url, profile: f.profile, account: user.account, log: log}
	cfg.Recall, cfg.Remember = known.recall, known.remember
	if user.given {
		known.account = func(context.Context) (string, error) { return "", nil }
		cfg.Remote.Do = withoutURL(server.client.Do)
		return cfg, user, nil
	}
	cfg.Remote.Do = withoutURL(user.Do)
	cfg.Remote.Waiting = auth.Interactive
	if signIn.Authorization == "" {
		cfg.Remote.Stale, cfg.Remote.Renew = user.stale, user.refresh
	}
	if !signIn.ClientCredentials && signIn.Authorization == "" {
		cfg.SignIn = user.person()
	}
	return cfg, user, nil
}

// reporter returns a function that prints errors on w until ctx is done, which causes some
// itself. A server that stays away fails in the same way each time; that is said once.
func reporter(ctx context.Context, w io.Writer) func(error) {
	var mu sync.Mutex // guards last
	var last string
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if errors.Is(err, auth.ErrClosed) { // see signer.Leave
			return
		}
		if text := err.Error(); text != last && ctx.Err() == nil {
			last = text
			printError(w, err)
		}
	}
}

var transportNames = []string{
	string(remote.HTTPFirst), string(remote.SSEFirst), string(remote.HTTPOnly), string(remote.SSEOnly),
}

// A transportFlag is the value of --transport.
type transportFlag remote.Transport

func (t *transportFlag) String() string { return string(*t) }
func (t *transportFlag) Type() string   { return "order" }

func (t *transportFlag) Set(s string) error {
	if !slices.Contains(transportNames, s) {
		return fmt.Errorf("must be one of %s", strings.Join(transportNames, ", "))
	}
	*t = transportFlag(s)
	return nil
}

// A secondsFlag is a duration, which may be given as a number of seconds too.
type secondsFlag time.Duration

func (d *secondsFlag) String() string {
	if *d == 0 {
		return "" // never, which pflag shows no default for
	}
	return time.Duration(*d).String()
}

func (d *secondsFlag) Type() string { return "time" }

func (d *secondsFlag) Set(s string) error {
	v, err := time.ParseDuration(s)
	if n, numErr := strconv.ParseFloat(s, 64); numErr == nil {
		v, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || v <= 0 {
		return fmt.Errorf("must be a time such as 10s or 1m30s, or a number of seconds")
	}
	*d = secondsFlag(v)
	return nil
}

// A bytesFlag is a size in bytes, which may be given in KiB, MiB or GiB too.
type bytesFlag int64

func (b *bytesFlag) String() string { return strconv.FormatInt(int64(*b)>>20, 10) + "MiB" }
func (b *bytesFlag) Type() string   { return "bytes" }

func (b *bytesFlag) Set(s string) error {
	number, shift := s, 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			number, shift = n, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > 1<<(62-shift) {
		return fmt.Errorf("must be a size such as 256MiB")
	}
	*b = bytesFlag(n << shift)
	return nil
}

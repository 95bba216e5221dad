package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// serverFlags are the flags about the server and the way to it, which every command that talks to it has.
type serverFlags struct {
	headers        []string
	headerFiles    []string
	allowHTTP      bool
	caCert         string
	connectTimeout secondsFlag
	debug          bool
	logFile        string
	compat         compatConnection
	env            lookupEnv // of ${VAR}; nil means os.LookupEnv
}

func (f *serverFlags) add(flags *pflag.FlagSet) {
	f.connectTimeout = secondsFlag(10 * time.Second)
	flags.SortFlags = false
	flags.BoolVar(&f.allowHTTP, "allow-http", false, "allow http:// to other machines, without encryption")
	flags.StringVar(&f.caCert, "ca-cert", "", "trust the CA certificates in `FILE` (PEM) as well")
	flags.Var(&f.connectTimeout, "connect-timeout", "give up connecting after this `TIME`")
	flags.BoolVar(&f.debug, "debug", false, "log everything, not only warnings, on standard error")
	flags.StringVar(&f.logFile, "log-file", "", "append a log of everything to `FILE`")
	f.compat.add(flags)
}

// addHeaders adds the flags for headers, which only the relay sends.
func (f *serverFlags) addHeaders(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.headers, "header", nil, "send `\"Name: value\"` with every request (repeatable);\n${VAR} is taken from the environment")
	flags.StringArrayVar(&f.headerFiles, "header-file", nil, "send the headers in `FILE`, one a line; # starts a comment")
}

// A connection is what the flags and args come to: where the server is and how to reach it.
type connection struct {
	url       *url.URL
	header    http.Header
	transport *http.Transport
	client    *http.Client // over transport
	fresh     func()       // has later requests of client use new connections
	allowHTTP bool
	ipv4      bool
	env       lookupEnv // of ${VAR}
}

// connect returns the connection that the flags and args ask for. It sends nothing. Its errors are *usageErrors.
func (f *serverFlags) connect(cmd *cobra.Command, args []string, log *slog.Logger) (*connection, error) {
	server, err := serverArg(cmd, args)
	if err != nil {
		return nil, err
	}
	address, advice := atlassian.Endpoint(server)
	if advice != "" {
		io.WriteString(cmd.ErrOrStderr(), hintLine(advice))
	}
	c := &connection{allowHTTP: f.allowHTTP, ipv4: f.compat.ipv4, env: f.env}
	if c.env == nil {
		c.env = os.LookupEnv
	}
	if c.url, err = parseServerURL(address, f.allowHTTP); err != nil {
		return nil, err
	}
	if c.header, err = readHeaders(f.headers, f.headerFiles, c.env); err != nil {
		return nil, err
	}
	roots, err := rootCAs(f.caCert, os.LookupEnv, log)
	if err != nil {
		return nil, err
	}
	c.transport = newTransport(time.Duration(f.connectTimeout), roots)
	f.compat.adjust(c.transport)
	pool := remote.NewPool(c.transport)
	c.fresh = pool.Fresh
	transport := f.compat.limit(pool)
	if log.Enabled(cmd.Context(), slog.LevelDebug) {
		transport = tracer{transport, log}
	}
	c.client = remote.NewClient(transport)
	if f.compat.disableCookies {
		c.client.Jar = nil
	}
	return c, nil
}

// serverArg returns the one argument, "" if there is none.
func serverArg(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 0 {
		return "", nil
	}
	if strings.TrimSpace(args[0]) == "" {
		return "", &usageError{what: "the URL is empty", advice: "leave the argument out for " + atlassian.V1}
	}
	if name := args[0]; isWord(name) && !slices.Contains(atlassian.EndpointNames, name) {
		if cmd.HasParent() {
			return "", unknownServer(name)
		}
		return "", unknownCommand(cmd, name, atlassian.EndpointNames...)
	}
	if len(args) > 1 {
		return "", &usageError{
			what:   fmt.Sprintf("unexpected argument %q", plain(args[1])),
			advice: "there is one URL at most; quote an argument that has spaces in it",
		}
	}
	return args[0], nil
}

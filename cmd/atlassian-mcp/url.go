package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// parseServerURL parses the address of an MCP server, as the user gave it. Its errors are
// *usageErrors, and show no password.
func parseServerURL(arg string, allowHTTP bool) (*url.URL, error) {
	arg = strings.TrimSpace(arg)
	scheme, rest, ok := strings.Cut(arg, "://")
	if !ok {
		return nil, &usageError{
			what:   fmt.Sprintf("no scheme in the URL %q", withoutUser(arg)),
			advice: fmt.Sprintf("did you mean %s?", guessScheme(withoutUser(arg))),
		}
	}
	u, err := url.Parse(arg)
	switch {
	case strings.Contains(rest, "@") && (err != nil || u.User != nil):
		return nil, &usageError{
			what:   "the URL has a user name or password in it",
			advice: `URLs are shown and logged: leave it out and pass --header "Authorization: Basic ${CREDENTIALS}", with the Base64 of user:password in that variable`,
		}
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, &usageError{
			what:   fmt.Sprintf("%q is not the URL of a server", plain(arg)),
			advice: "a URL looks like https://mcp.example.com/mcp",
		}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &usageError{
			what:   fmt.Sprintf("the URL has the scheme %q", scheme),
			advice: "MCP servers are reached by https://",
		}
	case u.Scheme == "http" && !allowHTTP && !isLoopback(u.Hostname()):
		secure := *u
		secure.Scheme = "https"
		return nil, &usageError{
			what:   fmt.Sprintf("%s would be reached without encryption", redactURL(u)),
			advice: fmt.Sprintf("use %s, or pass --allow-http if everyone on the way may read and change what you send", redactURL(&secure)),
		}
	}
	u.Fragment, u.RawFragment = "", "" // names a part of a page, which this is not
	return u, nil
}

// isLoopback reports whether host, a name or an address without a port, is this machine.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// guessScheme completes an address that has none.
func guessScheme(addr string) string {
	addr = strings.TrimLeft(addr, "/")
	if u, err := url.Parse("http://" + addr); err == nil && isLoopback(u.Hostname()) {
		return plain("http://" + addr)
	}
	return plain("https://" + addr)
}

// withoutUser returns addr, which has no scheme, without what precedes an @.
func withoutUser(addr string) string {
	if i := strings.LastIndex(addr, "@"); i >= 0 {
		return addr[i+1:]
	}
	return addr
}

// isWord reports whether arg is a word, such as a command, rather than an address.
func isWord(arg string) bool {
	return arg != "localhost" && !strings.ContainsAny(arg, ".:/@[]")
}

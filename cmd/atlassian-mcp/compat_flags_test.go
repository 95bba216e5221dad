package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mcpRemoteFlags are those of mcp-remote 0.15.1, and whether a value follows.
var mcpRemoteFlags = map[string]bool{
	"header": true, "header-file": true, "host": true, "callback-path": true, "auth-success-url": true, "auth-timeout": true, "allow-http": false,
	"debug": false, "silent": false, "enable-proxy": false, "ignore-tool": true, "connect-timeout": true, "headers-timeout": true, "body-timeout": true,
	"keep-alive": false, "ping-interval": true, "ipv4": false, "transport": true, "protocol": true, "resource": true, "disable-resource-parameter": false,
	"authorize-param": true, "static-oauth-client-metadata": true, "static-oauth-client-info": true, "client-metadata-url": true,
	"client-credentials": false, "token-endpoint": true, "device-code": false, "use-id-token": false, "disable-cookies": false,
	"version": false, "help": false,
}

// TestMCPRemoteFlags checks that the relay has every flag of mcp-remote, that a value follows it as there, and that "help
// compat" shows it if the help doesn't.
func TestMCPRemoteFlags(t *testing.T) {
	root := newRootCommand()
	hidden := compatFlags(root)
	for name, takesValue := range mcpRemoteFlags {
		flag := root.Flags().Lookup(name)
		if flag == nil {
			t.Errorf("there is no --%s", name)
			continue
		}
		if takesValue != (flag.NoOptDefVal == "") {
			t.Errorf("--%s takes a value: %v", name, !takesValue)
		}
		if flag.Hidden != (hidden.Lookup(name) != nil) {
			t.Errorf("--%s is hidden: %v, in 'help compat': %v", name, flag.Hidden, hidden.Lookup(name) != nil)
		}
	}
}

// TestWireEveryFlag checks that each flag of mcp-remote is in the table of effects, or in one of the tests of those that it can't show.
func TestWireEveryFlag(t *testing.T) {
	elsewhere := map[string]string{
		"ignore-tool": "TestWireTools", "headers-timeout": "TestWireTimeouts", "body-timeout": "TestWireTimeouts", "ping-interval": "TestWirePing",
		"keep-alive": "TestKeepAlive", "silent": "TestSilent", "debug": "TestSilent", "ipv4": "TestIPv4", "connect-timeout": "TestConnectTimeout",
		"allow-http": "TestWireProxy", "enable-proxy": "TestWireProxy", "protocol": "TestProtocolAuto", "auth-timeout": "testTabIgnored",
		"use-id-token": "TestCompatErrors", "auth-success-url": "TestCompatErrors", "version": "TestScript", "help": "TestHelp",
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(text)
	}
	for _, name := range slices.Sorted(maps.Keys(mcpRemoteFlags)) {
		found := elsewhere[name] != "" && strings.Contains(tests, "func "+elsewhere[name]+"(")
		for _, c := range wireCases {
			found = found || slices.Contains(strings.Fields(c.args), "--"+name) && len(c.want) > 0
		}
		if !found {
			t.Errorf("no test shows the effect of --%s", name)
		}
	}
}

// TestWireOrder checks what a server of Streamable HTTP sees first of each --transport.
func TestWireOrder(t *testing.T) {
	for order, want := range map[string]struct {
		first  string // request
		opened bool
	}{
		"http-first": {"POST /mcp", true},
		"http-only":  {"POST /mcp", true},
		"sse-first":  {"GET /mcp", true},
		"sse-only":   {"GET /mcp", false},
	} {
		s := newWireServer(t, true)
		c := startWire(t, s.URL+"/mcp", "--transport", order)
		c.greet()
		if answer := c.ask("prompts/list", `{}`); strings.Contains(answer, `"result"`) != want.opened {
			t.Errorf("%s: %s", order, answer)
		}
		c.end()
		if first := s.asked(); first != want.first {
			t.Errorf("%s: the first request is %s, not %s", order, first, want.first)
		}
		if n := s.counted("initialize"); n > 0 != want.opened {
			t.Errorf("%s: the server was sent initialize %d times", order, n)
		}
	}
}

// TestWireProxy has a server on another machine, without encryption, that can be reached by a proxy alone. With mcp-remote the proxy would
// have to be asked for; here it always holds.
func TestWireProxy(t *testing.T) {
	asked := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.RequestURI
		newScripted("", nil).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	const talk = initialize + "\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" + `{"jsonrpc":"2.0","id":2,"method":"tools/list"}` + "\n"
	for _, flags := range [][]string{{"--allow-http"}, {"--allow-http", "--enable-proxy"}} {
		u := newShell(t)
		u.env = append(u.env, "HTTP_PROXY="+proxy.URL)
		stdout, stderr, status := u.runWith(talk, append([]string{"http://mcp.example.test/mcp"}, flags...)...)
		if status != exitOK || !strings.Contains(stdout, `"id":2,"result"`) {
			t.Errorf("%q: status %d, %q, %q", flags, status, stdout, stderr)
		}
		select {
		case request := <-asked:
			if request != "POST http://mcp.example.test/mcp" {
				t.Errorf("%q: the proxy was asked for %s", flags, request)
			}
		default:
			t.Errorf("%q: the proxy was asked for nothing", flags)
		}
		for len(asked) > 0 {
			<-asked
		}
	}
	if _, stderr, status := newShell(t).runWith("", "http://mcp.example.test/mcp"); status != exitUsage || !strings.Contains(stderr, "--allow-http") {
		t.Errorf("without --allow-http: status %d, %q", status, stderr)
	}
}

// TestKeepAlive checks how often the server is pinged.
func TestKeepAlive(t *testing.T) {
	for args, want := range map[string]string{
		"": "0s", "--keep-alive": "30s", "--ping-interval 7": "7s", "--keep-alive --ping-interval 7": "7s",
	} {
		cfg, _, err := configOf(t, strings.Fields(args)...)
		if got := cfg.Remote.PingInterval.String(); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", args, got, err, want)
		}
	}
}

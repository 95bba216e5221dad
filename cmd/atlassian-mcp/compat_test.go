package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A wireCase is an argument list, in which URL, ORIGIN, PORT and FILE stand for what they say, and what it makes the server see: under KIND NAME what
// wireServer.got returns.
type wireCase struct {
	args string // separated by spaces; + is a space in one of them, and '' an empty one
	text string // of FILE
	open bool   // the server asks nobody to sign in
	want map[string]string
}

// file writes text into a file and returns its name.
func (c wireCase) file(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var wireCases = map[string]wireCase{
	"nothing":         {args: `URL`, want: map[string]string{"authorize resource": `URL`, "token resource": `URL`, "register client_name": `"atlassian-mcp"`, "prompts/list Cookie": `backend=7`}},
	"port":            {args: `URL PORT`, want: map[string]string{"authorize redirect_uri": `http://127.0.0.1:PORT/callback`, "register redirect_uris": `["http://127.0.0.1:PORT/callback"]`, "token redirect_uri": `http://127.0.0.1:PORT/callback`}},
	"port and flags":  {args: `URL PORT --allow-http --debug`, want: map[string]string{"authorize redirect_uri": `http://127.0.0.1:PORT/callback`}},
	"flags and port":  {args: `--allow-http URL --header A:+b PORT`, want: map[string]string{"authorize redirect_uri": `http://127.0.0.1:PORT/callback`, "prompts/list A": `b`}},
	"port 0":          {args: `URL 0`, want: map[string]string{"authorize response_type": `code`}},
	"host":            {args: `URL PORT --host localhost`, want: map[string]string{"authorize redirect_uri": `http://localhost:PORT/callback`}},
	"callback path":   {args: `URL PORT --callback-path /oauth/callback`, want: map[string]string{"authorize redirect_uri": `http://127.0.0.1:PORT/oauth/callback`}},
	"header":          {args: `URL --header X-Key:v --header X-Other:+a+b`, want: map[string]string{"initialize X-Key": `v`, "prompts/list X-Key": `v`, "prompts/list X-Other": `a b`}},
	"header variable": {args: `URL --header Authorization:${STATIC_TOKEN}`, want: map[string]string{"initialize Authorization": `Bearer static`, "metadata method": `no request`}},
	"header file":     {args: `URL --header-file FILE --header B:+2`, text: "# keys\nA: 1\nB: 1\n", open: true, want: map[string]string{"initialize A": `1`, "initialize B": `2`}},
	"usual headers":   {args: `URL --header Content-Type:+application/json`, open: true, want: map[string]string{"initialize Content-Type": `application/json`}},
	"resource":        {args: `URL --resource https://acme.example/`, want: map[string]string{"authorize resource": `https://acme.example/`, "token resource": `https://acme.example/`}},
	"empty resource":  {args: `URL --resource ''`, want: map[string]string{"authorize resource": `none`, "token resource": `none`}},
	"no resource":     {args: `URL --disable-resource-parameter --resource https://acme.example/`, want: map[string]string{"authorize resource": `none`, "token resource": `none`}},
	"authorize-param": {args: `URL --authorize-param audience=a=b --authorize-param prompt=login`, want: map[string]string{"authorize audience": `a=b`, "authorize prompt": `login`, "token audience": `none`}},
	"scope by param":  {args: `URL --authorize-param scope=read`, want: map[string]string{"authorize scope": `read`}},
	"resource param":  {args: `URL --authorize-param resource=https://acme.example/`, want: map[string]string{"authorize resource": `https://acme.example/`, "token resource": `https://acme.example/`}},
	"client metadata": {args: `URL --static-oauth-client-metadata {"client_name":"Acme","scope":"read"}`, want: map[string]string{"register client_name": `"Acme"`, "register scope": `"read"`, "authorize scope": `read`}},
	"metadata file":   {args: `URL --static-oauth-client-metadata @FILE`, text: `{"client_uri": "https://acme.example/"}`, want: map[string]string{"register client_uri": `"https://acme.example/"`, "register client_name": `"atlassian-mcp"`}},
	"client info": {args: `URL PORT --static-oauth-client-info {"client_id":"acme","client_secret":"${CLIENT_SECRET}"}`, want: map[string]string{
		"register method": `no request`, "authorize client_id": `acme`, "authorize redirect_uri": `http://localhost:PORT/oauth/callback`, "token Authorization": `Basic YWNtZTpzZWNyZXQ=`}},
	"info file": {args: `URL PORT --host 127.0.0.1 --static-oauth-client-info @FILE`, text: `{"client_id":"acme","client_secret":"${CLIENT_SECRET}","token_endpoint_auth_method":"client_secret_post"}`,
		want: map[string]string{"authorize redirect_uri": `http://127.0.0.1:PORT/oauth/callback`, "token client_secret": `secret`, "token Authorization": `none`}},
	"public client": {args: `URL PORT --static-oauth-client-info {"client_id":"acme"}`, want: map[string]string{"token client_id": `acme`, "token Authorization": `none`}},
	"client metadata URL": {args: `URL PORT --client-metadata-url https://acme.example/client.json`, want: map[string]string{
		"register method": `no request`, "authorize client_id": `https://acme.example/client.json`, "authorize redirect_uri": `http://localhost:PORT/oauth/callback`}},
	"client credentials": {args: `URL --client-credentials --static-oauth-client-info {"client_id":"acme","client_secret":"${CLIENT_SECRET}"}`, want: map[string]string{
		"token grant_type": `client_credentials`, "token Authorization": `Basic YWNtZTpzZWNyZXQ=`, "token resource": `URL`, "authorize method": `no request`}},
	"token endpoint": {args: `URL --client-credentials --token-endpoint ORIGIN/token --static-oauth-client-info {"client_id":"acme","client_secret":"${CLIENT_SECRET}"}`,
		want: map[string]string{"token grant_type": `client_credentials`, "metadata method": `no request`}},
	"device code":     {args: `URL --device-code`, want: map[string]string{"device resource": `URL`, "token grant_type": `urn:ietf:params:oauth:grant-type:device_code`, "authorize method": `no request`}},
	"disable-cookies": {args: `URL --disable-cookies`, open: true, want: map[string]string{"prompts/list Cookie": `none`}},
	"http-only":       {args: `URL --transport http-only`, open: true, want: map[string]string{"prompts/list method": `POST`}},
	"no effect":       {args: `URL --enable-proxy --protocol legacy --keep-alive --auth-timeout 60 --connect-timeout 5.5 --headers-timeout 0 --body-timeout 0 --ipv4`, want: map[string]string{"authorize resource": `URL`}},

	// Whole lists, as they are in people's configurations behind mcp-remote@latest.
	"entry 1": {args: `URL PORT --allow-http --header Authorization:${STATIC_TOKEN} --debug`, want: map[string]string{"initialize Authorization": `Bearer static`, "metadata method": `no request`}},
	"entry 2": {args: `URL PORT --host localhost --callback-path /oauth/callback --static-oauth-client-metadata {"scope":"openid+email"} --transport http-first --auth-timeout 120 --silent --debug`,
		want: map[string]string{"authorize redirect_uri": `http://localhost:PORT/oauth/callback`, "authorize scope": `openid email`}},
	"entry 3": {args: `--header X-Tenant:acme --header X-Role:admin URL PORT --resource https://acme.example/ --ignore-tool delete* --ignore-tool *remove* --keep-alive --ping-interval 60`,
		want: map[string]string{"authorize resource": `https://acme.example/`, "initialize X-Tenant": `acme`, "initialize X-Role": `admin`}},
	"entry 4": {args: `URL PORT --static-oauth-client-info @FILE --authorize-param audience=api --disable-resource-parameter --enable-proxy --ipv4 --headers-timeout 60 --body-timeout 0`, text: `{"client_id":"acme"}`,
		want: map[string]string{"authorize client_id": `acme`, "authorize audience": `api`, "authorize resource": `none`, "authorize redirect_uri": `http://localhost:PORT/oauth/callback`}},
}

// TestWire checks what the server sees of each flag that mcp-remote has.
func TestWire(t *testing.T) {
	t.Setenv("STATIC_TOKEN", "Bearer static")
	t.Setenv("CLIENT_SECRET", "secret")
	for name, test := range wireCases {
		t.Run(name, func(t *testing.T) {
			s := newWireServer(t, test.open)
			names := strings.NewReplacer("URL", s.URL+"/mcp", "ORIGIN", s.URL, "PORT", strconv.Itoa(freePort(t)), "FILE", test.file(t))
			args := []string{"--no-browser"} // as the page to sign in on is on standard error then
			for arg := range strings.FieldsSeq(test.args) {
				if arg == "''" {
					arg = ""
				}
				args = append(args, names.Replace(strings.ReplaceAll(arg, "+", " ")))
			}
			c := startWire(t, args...)
			c.begin()
			if code, stderr := c.end(); code != exitOK {
				t.Errorf("exit status %d, standard error %s", code, stderr)
			}
			for what, want := range test.want {
				kind, name, _ := strings.Cut(what, " ")
				if got := s.got(kind, name); got != names.Replace(want) {
					t.Errorf("%s: got %s, want %s", what, got, names.Replace(want))
				}
			}
		})
	}
}

// TestWireTools checks that tools that are not allowed are not listed, and that a call of one never gets to the server.
func TestWireTools(t *testing.T) {
	for _, test := range []struct {
		args   []string
		listed string // the names, in order
	}{
		{[]string{"--ignore-tool", "delete*"}, `{"name":"echo"},{"name":"getIssue"}`},
		{[]string{"--ignore-tool", "echo", "--ignore-tool", "DELETE*"}, `{"name":"getIssue"}`},
		{[]string{"--allow-tool", "get*", "--allow-tool", "echo"}, `{"name":"echo"},{"name":"getIssue"}`},
		{[]string{"--allow-tool", "*issue", "--ignore-tool", "delete*"}, `{"name":"getIssue"}`},
	} {
		s := newWireServer(t, true)
		c := startWire(t, append([]string{s.URL + "/mcp"}, test.args...)...)
		c.begin()
		if list := c.ask("tools/list", `{}`); !strings.Contains(list, `"tools":[`+test.listed+`]`) {
			t.Errorf("%q: %s", test.args, list)
		}
		refused := c.ask("tools/call", `{"name":"deleteIssue","arguments":{}}`)
		if !strings.Contains(refused, `"error":{"code":-32603,"message":"Tool \"deleteIssue\" is not available"}`) || s.counted("tools/call") != 0 {
			t.Errorf("%q: %s, after %d calls at the server", test.args, refused, s.counted("tools/call"))
		}
		if answer := c.ask("tools/call", `{"name":"getIssue","arguments":{}}`); !strings.Contains(answer, `"result"`) || s.counted("tools/call") != 1 {
			t.Errorf("%q: %s, after %d calls at the server", test.args, answer, s.counted("tools/call"))
		}
		c.end()
	}
}

// TestWireTimeouts has answers that do not begin, and that do not go on.
func TestWireTimeouts(t *testing.T) {
	for _, test := range []struct{ flag, tool, want string }{
		{"--headers-timeout", "hang", "timeout awaiting response headers"},
		{"--body-timeout", "stall", "--body-timeout"},
	} {
		s := newWireServer(t, true)
		c := startWire(t, s.URL+"/mcp", test.flag, "0.3")
		c.begin()
		answer := c.ask("tools/call", `{"name":"`+test.tool+`"}`)
		if !strings.Contains(answer, `"error"`) || !strings.Contains(answer, test.want) {
			t.Errorf("%s: %s", test.flag, answer)
		}
		c.end()
		if n := s.counted("tools/call"); n != 1 {
			t.Errorf("%s: the server was called %d times", test.flag, n)
		}
	}
}

func TestWirePing(t *testing.T) {
	s := newWireServer(t, true)
	c := startWire(t, s.URL+"/mcp", "--ping-interval", "0.02")
	c.begin()
	for s.counted("ping") < 3 {
		c.ask("prompts/list", `{}`)
	}
	c.end()
}

// TestSilent checks that standard error stays empty even if something is wrong, unless everything is to be told.
func TestSilent(t *testing.T) {
	s := newWireServer(t, true)
	for _, test := range []struct {
		args   []string
		silent bool
	}{
		{[]string{"http://127.0.0.1:1/mcp", "--silent"}, true},
		{[]string{"http://127.0.0.1:1/mcp"}, false},
		{[]string{s.URL + "/mcp", "--silent", "--debug"}, false},
		{[]string{s.URL + "/mcp", "--silent", "--resource", "no URI"}, true},
	} {
		c := startWire(t, test.args...)
		c.greet()
		if _, stderr := c.end(); (stderr == "") != test.silent {
			t.Errorf("%q: standard error %q", test.args, stderr)
		}
	}
}

func TestIPv4(t *testing.T) {
	for _, ipv4 := range []bool{false, true} {
		var network string
		tr := &http.Transport{DialContext: func(_ context.Context, n, _ string) (net.Conn, error) {
			network = n
			return nil, net.ErrClosed
		}}
		f := compatConnection{ipv4: ipv4}
		f.adjust(tr)
		tr.DialContext(t.Context(), "tcp", "server.test:443")
		if (network == "tcp4") != ipv4 {
			t.Errorf("%t: dials by %s", ipv4, network)
		}
	}
}

// TestMCPRemotePort checks the ports on which mcp-remote 0.15.1 waits for the browser, as it says itself.
func TestMCPRemotePort(t *testing.T) {
	for _, test := range []struct {
		entry []string
		want  int
	}{
		{[]string{"https://mcp.example.com/mcp", "", ""}, 41409},
		{[]string{"https://mcp.example.com/mcp", "https://acme.example/", ""}, 19127},
		{[]string{"https://mcp.example.com/mcp", "https://acme.example/", "https://acme.example/c.json"}, 46841},
	} {
		if got := mcpRemotePort(test.entry...); got != test.want {
			t.Errorf("%q: port %d, want %d", test.entry, got, test.want)
		}
	}
}

// TestCompatErrors checks that what mcp-remote ignores, or does and this program doesn't, is said.
func TestCompatErrors(t *testing.T) {
	t.Setenv("CLIENT_SECRET", "canary-secret")
	const server = "https://mcp.example.com/mcp"
	tests := []struct {
		args  string
		what  string // of the error
		thing string // of the advice
	}{
		{"-y mcp-remote " + server, "'y' in -y", "remove it"},
		{"--yes mcp-remote " + server, "--yes", "remove it"},
		{"mcp-remote " + server, `"mcp-remote" is what this program takes the place of`, "remove"},
		{"mcp-remote@latest " + server + " 3334 --allow-http", "takes the place of", "leave the URL"},
		{"npx mcp-remote@0.1.9 " + server, "takes the place of", "remove"},
		{"3334 " + server, "unknown command", "URL"},
		{"3334", "3334 is a port", "URL first"},
		{server + " 3334 3335", `unexpected argument "3335"`, "one URL at most, and one port"},
		{server + " 3334 " + server, `unexpected argument "` + server + `"`, "one URL at most, and one port"},
		{server + " " + server + " 3334", `unexpected argument "` + server + `"`, "one URL at most"},
		{server + " 70000", "70000 is not a port", "65535"},
		{server + " 99999999999999999999", "is not a port", "65535"},
		{server + " 3334 --callback-port 3335", "the port after the URL is 3334", "leave out one"},
		{server + " --transport http", "--transport", ""},
		{server + " --transport http-only --transport sse-only", "--transport is given twice", "leave out one"},
		{server + " --client-secret canary-1 --client-secret canary-2", "--client-secret is given twice", "leave out one"},
		{server + " --auth-timeout never", "--auth-timeout", ""},
		{server + " --ping-interval 0", "--ping-interval", ""},
		{server + " --headers-timeout -1", "--headers-timeout", ""},
		{server + " --body-timeout x", "--body-timeout", ""},
		{server + " --protocol new", `"new" is no mode`, "legacy or auto"},
		{server + " --use-id-token", "an ID token tells a client who the user is", "leave it out"},
		{server + " --auth-success-url https://acme.example/", "tells whether it worked", "leave it out"},
		{server + " --host a/b", "not the name of a host", "localhost"},
		{server + " --host localhost:3334", "not the name of a host", "without a port"},
		{server + " --host ::1", "not the name of a host", "127.0.0.1"},
		{server + " --callback-path callback", "not the path of a URL", "slash"},
		{server + " --callback-path /a?b", "not the path of a URL", "slash"},
		{server + " --callback-path //a/b", "not the path of a URL", "slash"},
		{server + " --callback-path http:/a", "not the path of a URL", "slash"},
		{server + " --authorize-param audience", "not of the form NAME=VALUE", "audience="},
		{server + " --authorize-param state=1", `can't set "state"`, "leave it out"},
		{server + " --authorize-param code_challenge_method=plain", `can't set "code_challenge_method"`, "leave it out"},
		{server + " --authorize-param scope=a --scope b", `can't set "scope"`, "leave it out"},
		{server + " --resource acme", `"acme" is not an absolute URI`, "URL"},
		{server + " --resource https://acme.example/#x", "is not an absolute URI", "URL"},
		{server + " --static-oauth-client-metadata [1]", "is not a JSON object", "@FILE"},
		{server + ` --static-oauth-client-info {"client_secret":"canary-1"}`, "has no client_id", "client_id"},
		{server + ` --static-oauth-client-info {"client_id":"a","client_secret":"${MISSING_VARIABLE}"}`, `"MISSING_VARIABLE" is not set`, "env"},
		{server + ` --static-oauth-client-info {"client_id":"a","client_secret":"${CLIENT_SECRET}",}`, "is not a JSON object", "@FILE"},
		{server + ` --static-oauth-client-info {"client_id":"a","token_endpoint_auth_method":"private_key_jwt"}`, "private_key_jwt", "client_secret_post"},
		{server + ` --static-oauth-client-info {"client_id":"a"} --client-id b`, "both --client-id and", "leave out one"},
		{server + " --static-oauth-client-info @no/such/file", "no such file", "full path"},
		{server + " --token-endpoint https://acme.example/token", "for --client-credentials only", "leave it out"},
		{server + " --client-credentials --token-endpoint http://acme.example/token", "--token-endpoint: ", "https://acme.example/token"},
		{server + " --header A_b:c", "", ""},
		{server + " --header Authorization", "no colon", "Name: value"},
		{server + " --disable-resource", "--disable-resource", "--disable-resource-parameter"},
		{server + " --ignored-tool x", "--ignored-tool", "--ignore-tool"},
		{server + " --clean", "--clean", "logout"},
	}
	for _, tt := range tests {
		_, stderr, err := configOf(t, strings.Fields(tt.args)...)
		if tt.what == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.args, err)
			}
			continue
		}
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), tt.what) || !strings.Contains(hint(err), tt.thing) || hint(err) == "" {
			t.Errorf("%s: error %v, exit status %d, hint %q", tt.args, err, exitCode(err), hint(err))
		}
		if shown := fmt.Sprint(err, hint(err), stderr); strings.Contains(shown, "canary") {
			t.Errorf("%s: a secret is shown: %s", tt.args, shown)
		}
	}
}

func TestLimitFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "0.0": 0, "1.5": 1500 * time.Millisecond, "2m": 2 * time.Minute} {
		d := limitFlag(time.Hour)
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, time.Duration(d), err)
		}
	}
}

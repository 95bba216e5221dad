package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// A diagnosed is what doctor says for programs.
type diagnosed struct {
	Server  string
	Version string
	OK      bool
	Checks  []finding
}

// doctor runs doctor --json.
func (u *shell) doctor(args ...string) (d diagnosed, status int) {
	u.t.Helper()
	stdout, stderr, status := u.run(append([]string{"doctor", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		u.t.Fatalf("%v in %q, standard error %q", err, stdout, stderr)
	}
	want := ""
	if names := d.wrong(); len(names) > 0 {
		want = "atlassian-mcp: error: something is wrong: " + strings.Join(names, ", ") + "\n"
	}
	if stderr != want {
		u.t.Errorf("standard error %q, want %q", stderr, want)
	}
	for _, f := range d.Checks {
		if f.Text == "" || f.Mark == markFailed && f.Advice == "" {
			u.t.Errorf("there is nothing to do about %+v", f)
		}
	}
	return d, status
}

// found returns what a check found.
func (d diagnosed) found(t *testing.T, check string) finding {
	t.Helper()
	i := slices.IndexFunc(d.Checks, func(f finding) bool { return f.Check == check })
	if i < 0 {
		t.Fatalf("there is no check %q", check)
	}
	return d.Checks[i]
}

// wrong returns the names of the checks that failed.
func (d diagnosed) wrong() (names []string) {
	for _, f := range d.Checks {
		if f.Mark == markFailed {
			names = append(names, f.Check)
		}
	}
	return names
}

// want checks that one check failed and no other, for a refusal of this name, "" for none, and with advice that has these words in it.
func (d diagnosed) want(t *testing.T, status int, check, refusal string, advice ...string) {
	t.Helper()
	if d.OK || status != exitFailure || !slices.Equal(d.wrong(), []string{check}) {
		t.Errorf("status %d, ok %t, wrong %q, want %q alone: %+v", status, d.OK, d.wrong(), check, d.Checks)
		return
	}
	f := d.found(t, check)
	if f.Refusal != refusal {
		t.Errorf("refusal %q, want %q: %+v", f.Refusal, refusal, f)
	}
	for _, words := range advice {
		if !strings.Contains(f.Advice, words) {
			t.Errorf("advice %q has no %q", f.Advice, words)
		}
	}
}

// warned checks that one check found something to look at, with advice that has these words in it.
func (d diagnosed) warned(t *testing.T, check string, advice ...string) {
	t.Helper()
	f := d.found(t, check)
	if f.Mark != markWarned {
		t.Errorf("found %+v", f)
	}
	for _, words := range advice {
		if !strings.Contains(f.Advice, words) {
			t.Errorf("advice %q has no %q", f.Advice, words)
		}
	}
}

// TestDoctorFaults has each fault of the sandbox happen, and compares what doctor says of it: who has to do what, on which page.
func TestDoctorFaults(t *testing.T) {
	type test struct {
		check, refusal string
		advice         []string
		path           string // "" means /v1/mcp
		token          string // kind of the API token to use instead of signing in
		before         bool   // the fault is there at the sign-in already, which fails
		after          func(*testing.T, *sandbox.Server)
		fine           string // doctor can't see it, or it is no trouble: why; where it warns of it all the same, check says
		details        []string
	}
	const serverPage = "admin.atlassian.com, Rovo, Rovo MCP server"
	unseen := []string{"--explain", "run 'atlassian-mcp login http://127.0.0.1:"}
	tests := map[string]test{
		"token-expiry=1":       {fine: "tokens are renewed"},
		"token-unavailable":    {check: "session", advice: []string{"whoever is signed in still is"}, after: func(_ *testing.T, s *sandbox.Server) { s.Issuer().ExpireAccess() }},
		"issuer-mismatch":      {check: "metadata", advice: []string{"whoever runs the server has to correct that"}},
		"root-metadata":        {fine: "the sign-in was made before, and is not asked about again"},
		"redirect-refused":     {check: "sign-in", before: true, advice: unseen, details: []string{"admin must authorize access from this redirect", "organization admin allow http://127.0.0.1:*/** (" + serverPage + ", Domains)"}},
		"domain-blocked":       {check: "sign-in", before: true, advice: unseen, details: []string{"Access to this domain is restricted\"", "organization admin allow http://127.0.0.1:*/** (" + serverPage + ", Domains)"}},
		"admin-must-authorize": {check: "sign-in", before: true, advice: unseen, details: []string{"\"site admin must authorize this app\": have a site admin sign in with 'atlassian-mcp login' once", "(admin.atlassian.com, Apps, the site, Connected apps)"}},
		"api-token-disabled":   {check: "access", refusal: "api-token-disabled", token: "token", advice: []string{"organization admin", serverPage + ", Authentication"}},
		"unscoped-token":       {check: "tools", refusal: "unscoped-token", token: "token", advice: []string{"id.atlassian.com, Security, API tokens"}},
		"ip-refused":           {check: "access", refusal: "ip-refused", advice: []string{"organization admin", "admin.atlassian.com, Security, IP allowlists"}},
		"upstream-401=1":       {check: "access", refusal: "sign-in-expired", advice: []string{"a relay renews it by itself", "run 'atlassian-mcp login http://127.0.0.1:"}, details: []string{"it said: "}},
		"trouble":              {check: "access", refusal: "trouble", advice: []string{"organization admin", serverPage + ", Permissions"}},
		"connection-settings":  {check: "access", refusal: "connection-settings", advice: []string{"organization admin", serverPage}},
		"verify-access":        {check: "access", refusal: "sign-in-expired", advice: []string{"a relay renews it by itself", "run 'atlassian-mcp login http://127.0.0.1:"}, details: []string{"it said: "}},
		"session-loss":         {fine: "a lost session is opened again"},
		"rate-limit":           {check: "access", refusal: "rate-limited", advice: []string{"wait"}, details: []string{"it said: server answered 429 Too Many Requests"}},
		"cut-stream":           {check: "access", advice: []string{"cut the connection"}},
		"slow=100ms":           {fine: "it is only slow"},
		"sse-retired":          {check: "session", refusal: "sse-retired", path: "/v1/sse", advice: []string{"https://mcp.atlassian.com/v1/mcp"}},
		"cloudflare":           {fine: "this program names itself"},
		"read-only":            {fine: "reading may be all that is wanted", check: "tools", advice: []string{"organization admin", serverPage + ", Permissions"}},
		"five-nodes":           {fine: "doctor searches for nothing"},
		"huge-page":            {fine: "doctor reads no page"},
		"structured-array":     {fine: "doctor reads the text"},
		"modern-only":          {fine: "doctor speaks 2026-07-28", path: "/mcp"},
	}
	for _, f := range sandbox.Faults() {
		name := f.Name
		for n := range tests {
			if n == f.Name || strings.HasPrefix(n, f.Name+"=") {
				name = n
			}
		}
		tt, ok := tests[name]
		if !ok {
			t.Errorf("nobody has said what doctor says of %s", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			s, u := startSandbox(t), newShell(t)
			address := s.Endpoint("/v1/mcp")
			if tt.path != "" {
				address = s.Endpoint(tt.path)
			}
			fault, value, _ := strings.Cut(name, "=")
			set := func() {
				if err := s.SetFault(fault, value); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case tt.before:
				set()
				if err := u.signIn(address, issuer.Choice{}, "--auth-timeout", "1"); err == nil {
					t.Fatal("signed in")
				}
			case tt.token != "":
				set()
				u.env = append(u.env, emailEnv+"="+s.Org().People()[0].Email, apiTokenEnv+"="+s.Issuer().IssueAPIToken(s.Org().People()[0].Account, tt.token))
			default:
				u.signIn(address, issuer.Choice{})
				set()
			}
			if tt.after != nil {
				tt.after(t, s)
			}
			d, status := u.doctor(address, "--handshake-timeout", "5")
			if tt.fine != "" {
				if !d.OK || status != exitOK || len(d.wrong()) > 0 {
					t.Errorf("status %d, ok %t, though %s: %+v", status, d.OK, tt.fine, d.Checks)
				}
				if tt.check != "" {
					d.warned(t, tt.check, tt.advice...)
				}
				return
			}
			d.want(t, status, tt.check, tt.refusal, tt.advice...)
			for _, words := range tt.details {
				if details := strings.Join(d.found(t, tt.check).Details, "\n"); !strings.Contains(details, words) {
					t.Errorf("no %q in %s", words, details)
				}
			}
		})
	}
}

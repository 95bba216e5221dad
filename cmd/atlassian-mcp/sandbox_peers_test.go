package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// TestSandboxPeers lets the official TypeScript clients sign in at the sandbox, with their own OAuth and without the program: what
// they take for Atlassian's authorization servers is one to them. It is skipped as TestPeers is.
func TestSandboxPeers(t *testing.T) {
	drivers := peerDrivers(t)
	for _, client := range []string{"sdk1", "sdk2"} {
		for _, tt := range []struct {
			path    string
			expires int    // seconds
			again   string // what comes of using a refresh token twice
			counts  issuer.Counts
		}{
			{"/v1/mcp", 3300, "AUTHORIZED", issuer.Counts{Registrations: 1, Consents: 1, Accepted: 1, Grants: 1, Refreshes: 2, Live: 1}},
			{"/v1/mcp/authv2", 28800, "REDIRECT", issuer.Counts{Registrations: 1, Consents: 1, Accepted: 1, Grants: 1, Refreshes: 1, Reuses: 1, Revocations: 1}},
			{"/v2/mcp", 28800, "REDIRECT", issuer.Counts{Registrations: 1, Consents: 1, Accepted: 1, Grants: 1, Refreshes: 1, Reuses: 1, Revocations: 1}},
			{"/mcp", 28800, "REDIRECT", issuer.Counts{Registrations: 1, Consents: 1, Accepted: 1, Grants: 1, Refreshes: 1, Reuses: 1, Revocations: 1}},
		} {
			t.Run(client+tt.path, func(t *testing.T) {
				t.Parallel()
				s, err := sandbox.Start(sandbox.Config{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				checks := signInPeer(t, drivers, client, s.Endpoint(tt.path))
				asked := `{"response_type":"code","code_challenge_method":"S256"}` // without metadata there is no resource to name
				if tt.path != "/v1/mcp" {
					asked = fmt.Sprintf(`{"response_type":"code","code_challenge_method":"S256","resource":%q}`, s.Endpoint(tt.path))
				}
				for _, want := range []struct{ check, value string }{
					{"unauthorized", asked},
					{"signed in", fmt.Sprintf(`{"tools":true,"expires":%d}`, tt.expires)},
					{"refreshed", `{"tools":true}`},
					{"used again", fmt.Sprintf("%q", tt.again)},
				} {
					if got := checks[want.check]; !got.OK || string(got.Value) != want.value {
						t.Errorf("%s: got %s %s, want %s", want.check, got.Value, got.Error, want.value)
					}
				}
				if got := s.Issuer().Counts(); got != tt.counts {
					t.Errorf("counted %+v, want %+v", got, tt.counts)
				}
			})
		}
	}
}

// TestSandboxPeersIssuer has the metadata name another issuer, as Atlassian's did for a year. The second client, which compares, does
// not get to registering; the first lets it pass.
func TestSandboxPeersIssuer(t *testing.T) {
	drivers := peerDrivers(t)
	for client, registrations := range map[string]int{"sdk1": 1, "sdk2": 0} {
		for _, path := range []string{"/v1/mcp", "/v1/mcp/authv2"} {
			t.Run(client+path, func(t *testing.T) {
				t.Parallel()
				s, err := sandbox.Start(sandbox.Config{Faults: []string{"issuer-mismatch"}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				checks := signInPeer(t, drivers, client, s.Endpoint(path))
				if got := checks["refreshed"]; got.OK != (registrations > 0) {
					t.Errorf("refreshed: %t %s", got.OK, got.Error)
				}
				if got := s.Issuer().Counts().Registrations; got != registrations {
					t.Errorf("%d registrations, want %d: %s", got, registrations, checks["unauthorized"].Error)
				}
			})
		}
	}
}

// signInPeer signs in at a server with a client, see testdata/peers/signin.mjs.
func signInPeer(t *testing.T, drivers, client, server string) map[string]peerCheck {
	t.Helper()
	// The bound is there to show what the driver printed if it hangs.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "signin.mjs", client, server)
	cmd.Dir = drivers
	cmd.Env = peerEnviron(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Errorf("signing in: %v: %s", err, &stderr)
	}
	checks := make(map[string]peerCheck)
	for line := range bytes.Lines(stdout) {
		var c peerCheck
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%v in the output %.1000q", err, stdout)
		}
		checks[c.Name] = c
	}
	return checks
}

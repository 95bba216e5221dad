package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"testing"
	"time"
)

// TestPeers lets the official TypeScript clients do all that they can with the
// reference server, first directly and then through the program. Nothing may
// differ, neither for the client nor for the server.
//
// The server and the clients are npm packages, which scripts/peers installs.
// Without them the test is skipped, unless ATLASSIAN_MCP_PEERS is "required".
func TestPeers(t *testing.T) {
	drivers := peerDrivers(t)
	program := peerProgram(t)
	for _, mode := range []struct{ name, path string }{
		{"streamableHttp", "/mcp"},
		{"sse", "/sse"},
	} {
		everything := startEverything(t, drivers, mode.name)
		for _, client := range []string{"sdk1", "sdk2", "sdk2-auto"} {
			t.Run(client+"/"+mode.name, func(t *testing.T) {
				t.Parallel()
				driveBothWays(t, drivers, program, everything, mode.path, client, mode.name)
			})
		}
	}
}

// TestPeersModern is the same at protocol version 2026-07-28, which the reference
// server doesn't speak and mcp-go's does.
func TestPeersModern(t *testing.T) {
	drivers := peerDrivers(t)
	s := newPeerServer()
	hs := httptest.NewServer(s.streamable())
	t.Cleanup(hs.Close)
	t.Cleanup(hs.CloseClientConnections)
	origin, err := url.Parse(hs.URL)
	if err != nil {
		t.Fatal(err)
	}
	driveBothWays(t, drivers, peerProgram(t), origin, "/mcp", "sdk2-auto", "modern")
	for range 2 {
		s.wantCancelled(t)
	}
}

// driveBothWays runs the checks directly and through the program, and compares.
func driveBothWays(t *testing.T, drivers, program string, origin *url.URL, path, client, kind string) {
	t.Helper()
	atDirect, atRelayed := newWitness(t, origin), newWitness(t, origin)
	env := peerEnviron(t)
	direct := drive(t, drivers, env, client, kind, atDirect.URL+path)
	relayed := drive(t, drivers, env, client, kind, atRelayed.URL+path, program)
	if greeted := greetingOf(t, relayed); greeted.Server.Name == "atlassian-mcp" || greeted.Version != "" && greeted.Version < greetingOf(t, direct).Version {
		// On a machine so slow hosts would not have waited: the program has greeted the client by itself, or sent it back to initialize. It knows the
		// server now.
		t.Logf("trying again after the greeting %+v", greeted)
		atRelayed.reset()
		relayed = drive(t, drivers, env, client, kind, atRelayed.URL+path, program)
	}

	for _, c := range direct {
		if c.OK == (c.Why != "") {
			t.Errorf("directly, %s: passed: %t, and the driver says %q of failing: %s", c.Name, c.OK, c.Why, c.Error)
		}
	}
	compareChecks(t, direct, relayed)
	compareWitnesses(t, atDirect, atRelayed)
}

// A peerCheck is one line of output of testdata/peers/drive.mjs.
type peerCheck struct {
	Name  string `json:"check"`
	OK    bool
	Value json.RawMessage
	Error string
	Why   string // it can't pass even directly
}

// A greeting is who a client has been told it is connected to.
type greeting struct {
	Version string
	Server  struct{ Name string }
}

func greetingOf(t *testing.T, checks []peerCheck) (g greeting) {
	t.Helper()
	for _, c := range checks {
		if c.Name == "connect" && c.OK {
			if err := json.Unmarshal(c.Value, &g); err != nil {
				t.Fatalf("connect: %v in %.300q", err, c.Value)
			}
		}
	}
	return g
}

// compareChecks wants of relayed what direct has, and that the program ended well.
func compareChecks(t *testing.T, direct, relayed []peerCheck) {
	t.Helper()
	got := make(map[string]peerCheck)
	for _, c := range relayed {
		got[c.Name] = c
	}
	if exit := got["exit"]; !exit.OK {
		t.Errorf("exit: %s", exit.Error)
	}
	for _, want := range direct {
		switch got, ok := got[want.Name]; {
		case !ok:
			t.Errorf("%s: did not run", want.Name)
		case got.OK != want.OK:
			t.Errorf("%s: passed: %t; directly: %t: %s", want.Name, got.OK, want.OK, got.Error)
		case !bytes.Equal(got.Value, want.Value):
			t.Errorf("%s: %s", want.Name, difference(string(got.Value), string(want.Value)))
		}
	}
}

// difference shows where two long strings begin to differ.
func difference(got, want string) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	around := func(s string) string { return s[max(0, n-100):min(len(s), n+200)] }
	return fmt.Sprintf("from byte %d on got …%s…, want …%s…", n, around(got), around(want))
}

// drive runs the checks with a client, see testdata/peers/drive.mjs.
func drive(t *testing.T, drivers string, env []string, args ...string) []peerCheck {
	t.Helper()
	// The bound is there to show what the driver printed if it hangs.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", append([]string{"drive.mjs"}, args...)...)
	cmd.Dir = drivers
	cmd.Env = env
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if len(stderr.Bytes()) > 0 {
		t.Logf("%v on stderr:\n%s", args, &stderr)
	}
	if err != nil {
		t.Errorf("%v: %v", args, err)
	}
	var checks []peerCheck
	for dec := json.NewDecoder(bytes.NewReader(stdout)); ; {
		var c peerCheck
		if err := dec.Decode(&c); errors.Is(err, io.EOF) {
			return checks
		} else if err != nil {
			t.Fatalf("%v: %v in the output %.1000q", args, err, stdout)
		}
		checks = append(checks, c)
	}
}

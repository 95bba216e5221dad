package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// This file is what goes wrong in the demo on purpose: how each fault is made to come up, and whether it has.

// demoFaults are those of --fault: NAME or NAME=ARGUMENT.
type demoFaults []string

// has reports whether one of these is among them, with any argument.
func (f demoFaults) has(names ...string) bool {
	return slices.ContainsFunc(f, func(given string) bool { return slices.Contains(names, faultName(given)) })
}

func faultName(given string) string {
	name, _, _ := strings.Cut(given, "=")
	return name
}

// A demoSetting is how the client starts the program.
type demoSetting struct {
	url  string
	args []string // after the URL
	env  []string
}

// setting returns what is usual, but for faults that only some people meet.
func (f demoFaults) setting(server *sandbox.Server) demoSetting {
	s := demoSetting{url: server.Endpoint("/v1/mcp"), args: []string{"--no-browser"}}
	if f.has("modern-only") {
		s.url = server.Endpoint("/mcp")
		s.args = append(s.args, "--protocol", "auto")
	}
	if f.has("sse-retired") {
		s.args = append(s.args, "--transport", "sse-first")
	}
	if f.has("api-token-disabled", "unscoped-token") {
		owner := server.Org().People()[0]
		s.env = []string{emailEnv + "=" + owner.Email, apiTokenEnv + "=" + server.Issuer().IssueAPIToken(owner.Account, "token")}
	}
	return s
}

// sessionOpen is to be called when a session is open. From then on upstream-401 strikes in it, since it is older than the fault.
func (f demoFaults) sessionOpen(server *sandbox.Server) {
	if slices.Contains(f, "upstream-401") {
		server.SetFault("upstream-401", "") // has been set before, with success
	}
}

// announce says what to expect.
func (f demoFaults) announce(out io.Writer, server *sandbox.Server) {
	for i, fault := range f.states(server) {
		fmt.Fprintf(out, "Going wrong:  %s: %s\n", f[i], fault.Imitates)
	}
}

// report says how often each fault has struck: what nothing meets looks like what is survived.
func (f demoFaults) report(out io.Writer, server *sandbox.Server) {
	for i, fault := range f.states(server) {
		times := fmt.Sprintf("struck %d times", fault.Struck)
		switch fault.Struck {
		case 0:
			times = "did not come up"
		case 1:
			times = "struck once"
		}
		fmt.Fprintf(out, "fault %s: %s\n", f[i], times)
	}
}

// states returns what has become of each fault. The server has accepted them, so it knows them.
func (f demoFaults) states(server *sandbox.Server) []sandbox.FaultState {
	all := server.Faults()
	states := make([]sandbox.FaultState, len(f))
	for i, given := range f {
		states[i] = all[slices.IndexFunc(all, func(s sandbox.FaultState) bool { return s.Name == faultName(given) })]
	}
	return states
}

// askNameless is what cloudflare refuses, and the program is not: a request with the name of a library.
func (w *demoWork) askNameless() (string, error) {
	resp, err := http.Get(w.server.URL())
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusForbidden {
		err = errors.New("it was let in: " + resp.Status)
	}
	return fmt.Sprintf("%s, %s", resp.Status, text), err
}

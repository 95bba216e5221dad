//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// An realClient is a program of others that is set up as README says.
type realClient struct {
	readme  string   // the client whose set-up in README is followed
	command []string // makes it say what it has found; ${HOME} is replaced
	says    []string // what has to be in that
	name    string   // what it calls itself in MCP
	asks    string   // the method that reaches the server
	talk    []string // what it is told on standard input, which stays open until it answers the last of it, which has id 1
}

// tool is one of the sandbox's, which a client that lists tools has to name.
const tool = "getVisibleJiraProjects"

// realClients are the clients that can say what they have found without an account of their own. Those whose windows are out of reach
// here are stood in for by others that read their files.
var realClients = []realClient{
	{
		readme: "claude-code", command: []string{"claude", "mcp", "list"}, says: []string{"atlassian: ", "Connected\n"},
		name: "claude-code", asks: "tools/list",
	},
	{readme: "gemini", command: []string{"gemini", "mcp", "list"}, says: []string{"✓ atlassian: ", " - Connected"}, name: "mcp-test-client", asks: "ping"},
	{readme: "opencode", command: []string{"opencode", "mcp", "list"}, says: []string{"✓ atlassian ", "connected"}, name: "opencode", asks: "tools/list"},
	{readme: "codex", command: []string{"codex", "mcp", "list"}, says: []string{"\natlassian ", " enabled "}}, // and starts nothing
	{
		readme: "codex", command: []string{"codex", "app-server"}, says: []string{`"` + tool + `":{`}, name: "codex-mcp-client", asks: "tools/list",
		talk: []string{
			`{"id":0,"method":"initialize","params":{"clientInfo":{"name":"test","title":"test","version":"1"}}}`,
			`{"method":"initialized"}`,
			`{"id":1,"method":"mcpServerStatus/list","params":{}}`,
		},
	},
	inspector("claude-desktop", ".config/Claude/claude_desktop_config.json"),
	inspector("cursor", ".cursor/mcp.json"),
	mcporter("cursor"),
	mcporter("windsurf"),
	mcporter("vscode"),
}

// inspector is the MCP Inspector with the file of a client.
func inspector(readme, file string) realClient {
	return realClient{
		readme: readme, says: []string{`"name": "` + tool + `"`}, name: "inspector-cli", asks: "tools/list",
		command: []string{"mcp-inspector", "--cli", "--config", "${HOME}/" + file, "--server", "atlassian", "--method", "tools/list"},
	}
}

// mcporter finds the files of clients itself.
func mcporter(readme string) realClient {
	return realClient{readme: readme, command: []string{"mcporter", "list", "atlassian"}, says: []string{"function " + tool + "("}, name: "mcporter", asks: "tools/list"}
}

// quietClients keep clients from calling home.
var quietClients = []string{
	"CI=1", "DO_NOT_TRACK=1", "NO_UPDATE_NOTIFIER=1", "NO_COLOR=1",
	"DISABLE_TELEMETRY=1", "DISABLE_ERROR_REPORTING=1", "DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
	"GEMINI_CLI_TRUST_WORKSPACE=true", // as the person would say when asked
	"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1",
}

// TestClients has a person sign in, once and in Chromium, and then set up one MCP client after the other with the words of README. Each
// client has to find the tools of the sandbox, which has to have been asked for them by this client; after uninstall it is asked no more.
//
// The clients are npm packages, which scripts/peers installs. Without them or Chromium the test is skipped, unless ATLASSIAN_MCP_PEERS
// is "required".
func TestClients(t *testing.T) {
	modules := peerModules(t, "clients")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		missingPeer(t, "Chromium is not installed: apt-get install chromium")
	}
	setUps := readmeSetUps(t)
	s := startSandbox(t)
	home := newClientHome(t, peerProgram(t), modules)
	home.signIn(s, chromium)

	for _, c := range realClients {
		if c.readme == "opencode" && runtime.GOARCH != "amd64" {
			continue // its package for other machines is not installed
		}
		t.Run(c.readme+"/"+filepath.Base(c.command[0]), func(t *testing.T) {
			script, ok := setUps[c.readme]
			if !ok {
				t.Fatalf("README.md has no block that starts with 'atlassian-mcp install %s'", c.readme)
			}
			before := s.Counts()
			home.must(t, "sh", "-ec", script+" -- "+s.Endpoint("/v1/mcp"))
			said := home.ask(t, c)
			for _, text := range c.says {
				if !strings.Contains(said, text) {
					t.Errorf("%q does not say %q:\n%s", c.command, text, said)
				}
			}
			after := s.Counts()
			if n := after.Clients[c.name] - before.Clients[c.name]; c.name != "" && n == 0 {
				t.Errorf("no %s came; there came %v", c.name, after.Clients)
			}
			if n := after.Messages[c.asks] - before.Messages[c.asks]; c.asks != "" && n == 0 {
				t.Errorf("the server got no %s", c.asks)
			}
			home.must(t, "atlassian-mcp", "uninstall", c.readme)
			if said := home.must(t, "atlassian-mcp", "uninstall", c.readme); !strings.Contains(said, "is not in") {
				t.Errorf("the second uninstall says %q", said)
			}
		})
	}

	want := issuer.Counts{Registrations: 1, Consents: 1, Accepted: 1, Grants: 1, Live: 1}
	if got := s.Counts(); got.Issuer != want {
		t.Errorf("counted %+v, want %+v: one sign-in is for all clients", got.Issuer, want)
	}
}

// readmeSetUps returns the first line of each shell block of README that sets up a client, by its name. A comment after it names others
// for which the line would be the same.
func readmeSetUps(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	setUps := make(map[string]string)
	const install = "atlassian-mcp install "
	for _, block := range strings.Split(string(readme), "\n```sh\n")[1:] {
		line, _, _ := strings.Cut(block, "\n")
		rest, ok := strings.CutPrefix(line, install)
		if !ok {
			continue
		}
		rest, others, _ := strings.Cut(rest, "#")
		for _, name := range append(strings.Fields(rest), strings.FieldsFunc(others, isNotNameRune)...) {
			setUps[name] = install + name
		}
	}
	return setUps
}

// A clientHome is the account of a person who has the clients.
type clientHome struct {
	t    *testing.T
	dir  string // work is done here; it is in the home directory
	home string
	env  []string
	tabs <-chan string // pages that the browser was to open
}

// newClientHome returns a home in which the program and the clients are on PATH.
func newClientHome(t *testing.T, program, modules string) *clientHome {
	t.Helper()
	desktop, tabs := newDesktop(t)
	h := &clientHome{t: t, home: t.TempDir(), tabs: tabs}
	h.dir = filepath.Join(h.home, "work")
	bin := filepath.Join(h.home, "bin")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Mkdir(h.dir, 0o755),
		os.Mkdir(bin, 0o755),
		os.Symlink(program, filepath.Join(bin, "atlassian-mcp")),
		os.Symlink(self, filepath.Join(bin, "xdg-open")), // see desktopEnv
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	path := []string{bin, filepath.Join(modules, ".bin"), filepath.Join(modules, "opencode-linux-x64", "bin"), os.Getenv("PATH")}
	h.env = append([]string{
		"PATH=" + strings.Join(path, string(filepath.ListSeparator)), "HOME=" + h.home, tokenStoreEnv + "=file",
		desktopEnv + "=" + desktop, strings.Join(raceOptions[:], "="),
	}, quietClients...)
	return h
}

// command returns a command that is run in the home, and killed if it hangs.
func (h *clientHome) command(t *testing.T, name string, args ...string) *exec.Cmd {
	for _, dir := range filepath.SplitList(strings.TrimPrefix(h.env[0], "PATH=")) {
		if file := filepath.Join(dir, name); isFile(file) {
			name = file
			break
		}
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	return cmd
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// must runs a command that has to succeed, and returns all that it has said.
func (h *clientHome) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := h.command(t, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// ask has a client say what it has found.
func (h *clientHome) ask(t *testing.T, c realClient) string {
	t.Helper()
	args := slices.Clone(c.command)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "${HOME}", h.home)
	}
	cmd := h.command(t, args[0], args[1:]...)
	// The bound is there to show what the client has said if it hangs.
	timer := time.AfterFunc(3*time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var said, stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, line := range c.talk {
		fmt.Fprintln(stdin, line)
	}
	if c.talk != nil {
		for answers := json.NewDecoder(io.TeeReader(stdout, &said)); ; {
			var answer struct{ ID json.RawMessage }
			if err := answers.Decode(&answer); err != nil || string(answer.ID) == "1" {
				break
			}
		}
	}
	stdin.Close()
	io.Copy(&said, stdout)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%q: %v\n%s%s", args, err, &said, &stderr)
	}
	return said.String() + stderr.String()
}

// signIn has the person sign in with login, in Chromium.
func (h *clientHome) signIn(s *sandbox.Server, chromium string) {
	h.t.Helper()
	var seen []string
	person := consentProxy(h.t, s.URL(), &seen)
	login := make(chan string, 1)
	go func() {
		out, err := h.command(h.t, "atlassian-mcp", "login", s.Endpoint("/v1/mcp")).CombinedOutput()
		login <- fmt.Sprintf("%v %s", err, out)
	}()
	select {
	case page := <-h.tabs:
		page = strings.Replace(page, s.URL(), person.URL, 1)
		shown := showIn(h.t, chromium, page, light, filepath.Join(h.t.ArtifactDir(), "signed-in.png"))
		if !strings.Contains(shown, "<h1>Signed in</h1>") {
			h.t.Errorf("the browser shows %s", shown)
		}
		if said := <-login; !strings.HasPrefix(said, "<nil>") {
			h.t.Fatalf("login: %s", said)
		}
	case said := <-login:
		h.t.Fatalf("login opened no page: %s", said)
	}
}

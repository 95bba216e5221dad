package ide

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the .after files in testdata")

// example is what the tests install.
var example = Entry{
	Name: "atlassian", Command: "/opt/homebrew/bin/atlassian-mcp", Args: []string{"authv2", "--profile", `"w"`},
	Env: map[string]string{"NO_PROXY": "localhost", "HTTPS_PROXY": "http://proxy:8080"},
}

// testEnv returns the environment of a person whose home directory is new and empty.
func testEnv(t *testing.T) Env {
	return Env{
		GOOS: "linux", Home: t.TempDir(), Dir: t.TempDir(),
		Getenv:   func(string) string { return "" },
		LookPath: func(string) (string, error) { return "", os.ErrNotExist },
	}
}

func client(t *testing.T, name string) Client {
	t.Helper()
	all := Clients()
	i := slices.IndexFunc(all, func(c Client) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no client %q", name)
	}
	return all[i]
}

// target returns the file of a client for a new person, with text in it.
func target(t *testing.T, name string, text []byte) Target {
	t.Helper()
	target := client(t, name).Targets(testEnv(t), false)[0]
	if err := os.MkdirAll(filepath.Dir(target.File), 0o755); err != nil {
		t.Fatal(err)
	}
	if text != nil {
		if err := os.WriteFile(target.File, text, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

func apply(t *testing.T, c Change, err error) Change {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestGolden installs into testdata/CLIENT/NAME.before, which has to give NAME.after; a second time, which has to change nothing;
// and uninstalls, which has to give the first file again. The files called ours have an entry of ours, which stays where it is.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.before")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name+"/"+strings.TrimSuffix(filepath.Base(file), ".before"), func(t *testing.T) {
			before := read(t, file)
			target := target(t, name, before)
			servers, err := target.Servers()
			if err != nil {
				t.Fatal(err)
			}
			had := slices.ContainsFunc(servers, func(s Server) bool { return s.Name == "atlassian" })
			c, err := target.Install(example, nil)
			apply(t, c, err)
			got := read(t, target.File)
			golden := strings.TrimSuffix(file, ".before") + ".after"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, golden); !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if backup := read(t, c.Backup); !bytes.Equal(backup, before) {
				t.Errorf("the backup is\n%s", backup)
			}
			if c, err := target.Install(example, nil); err != nil || c.Changed() {
				t.Errorf("a second time: %v, error %v\n%s", c.Changed(), err, c.Diff())
			}

			backup := c.Backup
			c, err = target.Uninstall("atlassian", "/other/place/atlassian-mcp")
			if had {
				if err := os.Remove(backup); err != nil {
					t.Fatal(err)
				}
			}
			apply(t, c, err)
			if got := read(t, target.File); had == bytes.Equal(got, before) {
				t.Errorf("uninstalling gave\n%s", got)
			}
			if c, err := target.Uninstall("atlassian", ""); err != nil || c.Changed() {
				t.Errorf("uninstalling again: %v, error %v", c.Changed(), err)
			}
		})
	}
}

// TestRemoveWithoutBackup checks that an entry goes without the help of the backup too, and what is left of the golden files then.
func TestRemoveWithoutBackup(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.before")
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
			before := read(t, file)
			if bytes.Contains(before, []byte("atlassian-mcp")) || len(bytes.TrimSpace(before)) == 0 {
				return // not what was there before
			}
			c := client(t, name)
			after, err := c.syntax.set(before, c.path, example.Name, c.shape(example), false)
			if err != nil {
				t.Fatal(err)
			}
			again, err := c.syntax.remove(after, c.path, example.Name)
			if err != nil {
				t.Fatal(err)
			}
			had, err := c.syntax.entries(before, c.path)
			if len(had) > 0 && err == nil && !bytes.Equal(again, before) {
				t.Errorf("got\n%s\nnot\n%s", again, before)
			}
			if entries, err := c.syntax.entries(again, c.path); err != nil || len(entries) != len(had) {
				t.Errorf("left are %v, error %v", entries, err)
			}
		})
	}
}

// TestNoFile installs where there is no file for every client, and uninstalls.
func TestNoFile(t *testing.T) {
	for _, c := range Clients() {
		t.Run(c.Name, func(t *testing.T) {
			target := c.Targets(testEnv(t), false)[0]
			change, err := target.Install(example, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name == "goose" {
				if change.Changed() || !strings.Contains(change.Manual, `cmd: "/opt/homebrew/bin/atlassian-mcp"`) {
					t.Errorf("changed %v, by hand\n%s", change.Changed(), change.Manual)
				}
				return
			}
			apply(t, change, nil)
			if info, err := os.Stat(target.File); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the new file is %v, error %v", info, err)
			}
			servers, err := target.Servers()
			want := slices.Concat([]string{example.Command}, example.Args)
			if err != nil || len(servers) != 1 || !slices.Equal(servers[0].argv, want) || !servers[0].Ours("") {
				t.Errorf("servers %+v, error %v", servers, err)
			}
			change, err = target.Uninstall(example.Name, "")
			apply(t, change, err)
			if _, err := os.Stat(target.File); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file is still there: %s", read(t, target.File))
			}
		})
	}
}

// TestConflict checks what happens to servers that are in the way.
func TestConflict(t *testing.T) {
	const text = `{"mcpServers": {
  "atlassian": {"command": "npx", "args": ["-y", "mcp-remote@0.1.13", "https://mcp.atlassian.com/v1/sse", "--header", "canary-secret"], "disabled": true},
  "Rovo": {"url": "https://mcp.atlassian.com/v1/mcp"},
  "jira": {"command": "/bin/docker"}
}}
`
	target := target(t, "cursor", []byte(text))
	_, err := target.Install(example, nil)
	conflict, ok := errors.AsType[*ConflictError](err)
	if !ok || conflict.Server.Name != "atlassian" || !conflict.Server.Atlassian() {
		t.Fatalf("error %v", err)
	}
	if got := err.Error(); !strings.HasSuffix(got, "is mcp-remote") || strings.Contains(got, "canary") {
		t.Errorf("error %q", got)
	}
	if _, err := target.Uninstall("atlassian", ""); !errors.As(err, &conflict) {
		t.Errorf("uninstalling: error %v", err)
	}
	servers, err := target.Servers()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for _, s := range servers {
		got[s.Name+", "+s.String()] = s.Atlassian()
	}
	want := map[string]bool{"atlassian, mcp-remote": true, "Rovo, a connection to mcp.atlassian.com": true, "jira, docker": false}
	if !maps.Equal(got, want) {
		t.Errorf("servers %v", got)
	}

	c, err := target.Install(example, []string{"atlassian", "Rovo"})
	apply(t, c, err)
	const after = `{"mcpServers": {
  "atlassian": {
    "command": "/opt/homebrew/bin/atlassian-mcp",
    "args": ["authv2", "--profile", "\"w\""],
    "env": {
      "HTTPS_PROXY": "http://proxy:8080",
      "NO_PROXY": "localhost"
    }
  },
  "jira": {"command": "/bin/docker"}
}}
`
	if got := string(read(t, target.File)); got != after {
		t.Errorf("got\n%s", got)
	}
}

// TestKeep checks that our entry keeps its arguments, unless there are others, and the variables that it has besides.
func TestKeep(t *testing.T) {
	for name, text := range map[string]string{
		"cursor":   `{"mcpServers": {"atlassian": {"command": "/old/atlassian-mcp", "args": ["v2", "--debug"], "env": {"MINE": "1"}}}}`,
		"opencode": `{"mcp": {"atlassian": {"type": "local", "command": ["/old/atlassian-mcp", "v2", "--debug"], "environment": {"MINE": "1"}}}}`,
		"cline":    `{"mcpServers": {"atlassian": {"transport": {"type": "stdio", "command": "/old/atlassian-mcp", "args": ["v2", "--debug"], "env": {"MINE": "1"}}}}}`,
		"codex":    "[mcp_servers.atlassian]\ncommand = \"/old/atlassian-mcp\"\nargs = [\"v2\", \"--debug\"]\n\n[mcp_servers.atlassian.env]\nMINE = \"1\"\n",
	} {
		target := target(t, name, []byte(text))
		for _, tt := range []struct {
			give, have []string
		}{
			{nil, []string{"v2", "--debug"}},
			{[]string{"authv2"}, []string{"authv2"}},
			{nil, []string{"authv2"}},
			{[]string{}, nil},
			{nil, nil},
		} {
			e := Entry{Name: "atlassian", Command: "/new/atlassian-mcp", Args: tt.give, Env: map[string]string{"NO_PROXY": "a"}}
			c, err := target.Install(e, nil)
			apply(t, c, err)
			servers, err := target.Servers()
			if err != nil || len(servers) != 1 {
				t.Fatalf("%s: %v, %v", name, servers, err)
			}
			s := servers[0]
			if s.argv[0] != e.Command || !slices.Equal(s.argv[1:], tt.have) || !maps.Equal(s.Env(), map[string]string{"MINE": "1", "NO_PROXY": "a"}) {
				t.Errorf("%s: given %q, it has %q and %v", name, tt.give, s.argv, s.Env())
			}
			e.Args = nil
			if again, err := target.Install(e, nil); err != nil || again.Changed() {
				t.Errorf("%s: a second time: %v\n%s", name, err, again.Diff())
			}
		}
	}
}

// TestBroken checks that a file that does not parse is left alone, and that the error says where it is broken.
func TestBroken(t *testing.T) {
	for _, tt := range []struct{ client, text, want string }{
		{"cursor", "{\n  \"mcpServers\": {\n    \"a\": }\n", ":3:10: not JSON: invalid character '}' at start of value"},
		{"cursor", "{\"mcpServers\": [canary-1]}", ":1:17: not JSON: invalid literal"},
		{"cursor", "{\"a\": 1", ":2:1: not JSON: parsing object after value"},
		{"cursor", "\n[]", ":2:1: not an object"},
		{"cursor", "{\n \"mcpServers\": []}", `:2:16: "mcpServers" is not an object`},
		{"cursor", "{\"a\": 1} {}", ":1:10: not JSON: invalid character '{' after top-level value"},
		{"codex", "a = 1\nb = \n", ":2:5: not TOML: "},
		{"codex", "a = 1\n\na = 2\n", ":3:1: not TOML: "},
		{"codex", "mcp_servers = 1\n", `: "mcp_servers" is not a table`},
		{"codex", "mcp_servers = { a = { command = \"b\" } }\n", "add the entry by hand"},
		{"codex", "[[mcp_servers]]\na = 1\n", `: "mcp_servers" is not a table`},
	} {
		target := target(t, tt.client, []byte(tt.text))
		_, err := target.Install(example, nil)
		if err == nil || !strings.HasPrefix(err.Error(), target.File+":") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: error %v", tt.text, err)
		}
		files, _ := os.ReadDir(filepath.Dir(target.File))
		if got := string(read(t, target.File)); got != tt.text || len(files) != 1 {
			t.Errorf("%q is now %q, among %v", tt.text, got, files)
		}
	}
}

// TestServer checks what is made of an entry, whichever client it is for.
func TestServer(t *testing.T) {
	for _, tt := range []struct {
		members         string
		is              string
		ours, atlassian bool
	}{
		{`{"command": "atlassian-mcp"}`, "atlassian-mcp", true, false},
		{`{"command": "C:\\Program Files\\Atlassian-MCP.exe", "args": []}`, "atlassian-mcp", true, false},
		{`{"command": ["/usr/bin/atlassian-mcp", "v2"]}`, "atlassian-mcp", true, false},
		{`{"transport": {"type": "stdio", "command": "/usr/bin/atlassian-mcp"}}`, "atlassian-mcp", true, false},
		{`{"command": "/opt/mine", "args": ["v2"]}`, "mine", true, false},
		{`{"command": "/opt/other"}`, "other", false, false},
		{`{"command": "cmd", "args": ["/c", "npx", "mcp-remote", "https://mcp.atlassian.com/v1/sse"]}`, "mcp-remote", false, true},
		{`{"command": "npx", "args": ["-y", "mcp-remote@latest", "https://example.com/?x=mcp.atlassian.com"]}`, "mcp-remote", false, false},
		{`{"serverUrl": "https://user:canary@mcp.atlassian.com/v1/mcp?token=canary"}`, "a connection to mcp.atlassian.com", false, true},
		{`{"httpUrl": "https://mcp.atlassian.com:443/v1/mcp"}`, "a connection to mcp.atlassian.com:443", false, true},
		{`{"url": "https://mcp.atlassian.com.example.com/"}`, "a connection to mcp.atlassian.com.example.com", false, false},
		{`{"command": "sh", "args": ["-c", "npx -y mcp-remote@0.1.13 https://mcp.atlassian.com/v1/sse"]}`, "mcp-remote", false, true},
		{`{"command": "/bin/bash", "args": ["-lc", "exec npx mcp-remote 'https://mcp.atlassian.com/v1/mcp' 2>/dev/null"]}`, "mcp-remote, run by a shell", false, true},
		{`{"command": "npx -y mcp-remote https://mcp.atlassian.com/v1/mcp"}`, "mcp-remote", false, true},
		{`{"command": "node", "args": ["C:\\npm\\node_modules\\mcp-remote\\dist\\proxy.js", "https://mcp.atlassian.com/v1/mcp"]}`, "mcp-remote", false, true},
		{`{"command": "proxy https://mcp.atlassian.com/v1/mcp --header 'Authorization: Bearer a/canary'"}`, "proxy", false, true},
		{`{"command": "TOKEN=a/canary /bin/proxy https://mcp.atlassian.com/v1/mcp"}`, "token", false, true},
		{`{"command": "notes", "args": ["--about", "npx mcp-remote https://mcp.atlassian.com/v1/mcp"]}`, "notes", false, false},
		{`{"command": "proxy", "args": ["https://example.com/", "--path", "/mcp-remote"]}`, "proxy", false, false},
		{`{"command": [], "args": 7}`, "something else", false, false},
		{`null`, "something else", false, false},
	} {
		var members map[string]any
		if err := json.Unmarshal([]byte(tt.members), &members); err != nil {
			t.Fatal(err)
		}
		s := newServer("x", members)
		if s.String() != tt.is || s.Ours("/opt/mine") != tt.ours || s.Atlassian() != tt.atlassian {
			t.Errorf("%s is %q, ours %v, Atlassian's %v", tt.members, s, s.Ours("/opt/mine"), s.Atlassian())
		}
	}
}

// TestArguments checks what an entry has for our program to take over.
func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		members string
		want    []string // nil if nothing
	}{
		{`{"command": "npx", "args": ["-y", "mcp-remote@latest", "https://mcp.example.com/", "3334", "--header", "A: b c"]}`, []string{"https://mcp.example.com/", "3334", "--header", "A: b c"}},
		{`{"command": "npx", "args": ["-y", "-p", "mcp-remote@0.1.13", "mcp-remote", "https://mcp.example.com/"]}`, []string{"https://mcp.example.com/"}},
		{`{"command": "deno", "args": ["run", "-A", "npm:mcp-remote", "https://mcp.example.com/", "--callback-path", "/mcp-remote"]}`, []string{"https://mcp.example.com/", "--callback-path", "/mcp-remote"}},
		{`{"command": ["bunx", "mcp-remote", "https://mcp.example.com/"]}`, []string{"https://mcp.example.com/"}},
		{`{"command": "C:\\npm\\mcp-remote.cmd", "args": ["https://mcp.example.com/"]}`, []string{"https://mcp.example.com/"}},
		{`{"command": "cmd", "args": ["/c", "npx", "mcp-remote", "https://mcp.example.com/?a=b&c", "--header", "A: b c"]}`, []string{"https://mcp.example.com/?a=b&c", "--header", "A: b c"}},
		{`{"command": "sh", "args": ["-c", "npx mcp-remote https://mcp.example.com/ --debug"]}`, []string{"https://mcp.example.com/", "--debug"}},
		{`{"command": "sh", "args": ["-c", "npx mcp-remote https://mcp.example.com/ --header 'A: b'"]}`, nil},
		{`{"command": "sh", "args": ["-c", "npx mcp-remote $URL"]}`, nil},
		{`{"url": "https://mcp.example.com/"}`, []string{"https://mcp.example.com/"}},
		{`{"command": "docker", "args": ["run", "--rm", "mcp/atlassian"]}`, nil},
		{`{}`, nil},
	} {
		var members map[string]any
		if err := json.Unmarshal([]byte(tt.members), &members); err != nil {
			t.Fatal(err)
		}
		if got, ok := newServer("x", members).Arguments(); ok != (tt.want != nil) || ok && !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v; want %q", tt.members, got, ok, tt.want)
		}
	}
}

// TestHeaders checks that the headers are named that a client sends, of Codex those whose values it has from variables too.
func TestHeaders(t *testing.T) {
	for members, want := range map[string][]string{
		`{"url": "https://mcp.example.com/", "headers": {"B": "canary", "A": "canary"}}`:                           {"A", "B"},
		`{"url": "https://mcp.example.com/", "http_headers": {"A": "canary"}, "env_http_headers": {"B": "TOKEN"}}`: {"A", "B"},
		`{"url": "https://mcp.example.com/", "bearer_token_env_var": "TOKEN"}`:                                     {"Authorization"},
		`{"url": "https://mcp.example.com/", "bearer_token_env_var": ""}`:                                          nil,
	} {
		var decoded map[string]any
		if err := json.Unmarshal([]byte(members), &decoded); err != nil {
			t.Fatal(err)
		}
		if got := newServer("x", decoded).Headers(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", members, got, want)
		}
	}
}

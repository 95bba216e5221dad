package ide

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestTargets checks where each client's configuration is on each system.
func TestTargets(t *testing.T) {
	const (
		mac   = "/Users/me"
		linux = "/home/me"
		win   = "C:/Users/me"
	)
	want := map[string][3]string{
		"claude-desktop": {
			mac + "/Library/Application Support/Claude/claude_desktop_config.json",
			linux + "/.config/Claude/claude_desktop_config.json",
			win + "/AppData/Roaming/Claude/claude_desktop_config.json",
		},
		"claude-code": {mac + "/.claude.json", linux + "/.claude.json", win + "/.claude.json"},
		"cursor":      {mac + "/.cursor/mcp.json", linux + "/.cursor/mcp.json", win + "/.cursor/mcp.json"},
		"vscode": {
			mac + "/Library/Application Support/Code/User/mcp.json",
			linux + "/.config/Code/User/mcp.json",
			win + "/AppData/Roaming/Code/User/mcp.json",
		},
		"vscode-insiders": {
			mac + "/Library/Application Support/Code - Insiders/User/mcp.json",
			linux + "/.config/Code - Insiders/User/mcp.json",
			win + "/AppData/Roaming/Code - Insiders/User/mcp.json",
		},
		"windsurf": {
			mac + "/.codeium/windsurf/mcp_config.json",
			linux + "/.codeium/windsurf/mcp_config.json",
			win + "/.codeium/windsurf/mcp_config.json",
		},
		"gemini":  {mac + "/.gemini/settings.json", linux + "/.gemini/settings.json", win + "/.gemini/settings.json"},
		"codex":   {mac + "/.codex/config.toml", linux + "/.codex/config.toml", win + "/.codex/config.toml"},
		"copilot": {mac + "/.copilot/mcp-config.json", linux + "/.copilot/mcp-config.json", win + "/.copilot/mcp-config.json"},
		"zed":     {mac + "/.config/zed/settings.json", linux + "/.config/zed/settings.json", win + "/AppData/Roaming/Zed/settings.json"},
		"cline": {
			mac + "/Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
			linux + "/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
			win + "/AppData/Roaming/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
		},
		"opencode": {
			mac + "/.config/opencode/opencode.json",
			linux + "/.config/opencode/opencode.json",
			win + "/.config/opencode/opencode.json",
		},
		"lm-studio": {mac + "/.lmstudio/mcp.json", linux + "/.lmstudio/mcp.json", win + "/.lmstudio/mcp.json"},
		"goose": {
			mac + "/.config/goose/config.yaml",
			linux + "/.config/goose/config.yaml",
			win + "/AppData/Roaming/Block/goose/config/config.yaml",
		},
		"kiro": {mac + "/.kiro/settings/mcp.json", linux + "/.kiro/settings/mcp.json", win + "/.kiro/settings/mcp.json"},
	}
	repo := map[string]string{
		"claude-code": ".mcp.json", "cursor": ".cursor/mcp.json", "vscode": ".vscode/mcp.json", "vscode-insiders": ".vscode/mcp.json",
		"gemini": ".gemini/settings.json", "codex": ".codex/config.toml", "copilot": ".github/mcp.json", "zed": ".zed/settings.json",
		"opencode": "opencode.json", "kiro": ".kiro/settings/mcp.json",
	}
	systems := []Env{{GOOS: "darwin", Home: mac}, {GOOS: "linux", Home: linux}, {GOOS: "windows", Home: win}}
	for i, env := range systems {
		env.Dir = "/src"
		env.Getenv = func(string) string { return "" }
		env.LookPath = func(string) (string, error) { return "", os.ErrNotExist }
		var names []string
		for _, c := range Clients() {
			names = append(names, c.Name)
			targets := c.Targets(env, false)
			if len(targets) != 1 || filepath.ToSlash(targets[0].File) != want[c.Name][i] {
				t.Errorf("%s on %s: %v, want %s", c.Name, env.GOOS, files(targets), want[c.Name][i])
			}
			targets = c.Targets(env, true)
			if repo[c.Name] == "" && len(targets) > 0 || repo[c.Name] != "" && filepath.ToSlash(targets[0].File) != "/src/"+repo[c.Name] {
				t.Errorf("%s in a repository: %v", c.Name, files(targets))
			}
			if c.Found(env) {
				t.Errorf("%s is said to be on a machine where there is nothing", c.Name)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
			t.Errorf("the clients are %v", names)
		}
	}
}

func files(targets []Target) (files []string) {
	for _, t := range targets {
		files = append(files, t.File)
	}
	return files
}

// TestMovedTargets checks what variables, directories and files that are there make of a client's file.
func TestMovedTargets(t *testing.T) {
	for _, tt := range []struct {
		client, goos string
		env          map[string]string
		there        []string // in the home directory; a slash at the end makes a directory
		want         []string
	}{
		{client: "vscode", goos: "linux", env: map[string]string{"XDG_CONFIG_HOME": "/etc/xdg"}, want: []string{"/etc/xdg/Code/User/mcp.json"}},
		{client: "zed", goos: "linux", env: map[string]string{"XDG_CONFIG_HOME": "relative"}, want: []string{"~/.config/zed/settings.json"}},
		{client: "zed", goos: "darwin", env: map[string]string{"XDG_CONFIG_HOME": "/etc/xdg"}, want: []string{"~/.config/zed/settings.json"}},
		{client: "vscode", goos: "windows", env: map[string]string{"APPDATA": "/roaming"}, want: []string{"/roaming/Code/User/mcp.json"}},
		{client: "codex", goos: "linux", env: map[string]string{"CODEX_HOME": "/codex"}, want: []string{"/codex/config.toml"}},
		{client: "copilot", goos: "linux", env: map[string]string{"COPILOT_HOME": "/copilot"}, want: []string{"/copilot/mcp-config.json"}},
		{client: "claude-code", goos: "linux", env: map[string]string{"CLAUDE_CONFIG_DIR": "/claude"}, want: []string{"/claude/.claude.json"}},
		{client: "claude-code", goos: "linux", there: []string{".claude.json"}, want: []string{"~/.claude.json"}},
		{client: "opencode", goos: "linux", there: []string{".config/opencode/opencode.jsonc"}, want: []string{"~/.config/opencode/opencode.jsonc"}},
		{
			client: "opencode", goos: "windows", there: []string{"AppData/Roaming/opencode/"},
			want: []string{"~/AppData/Roaming/opencode/opencode.json"},
		},
		{client: "lm-studio", goos: "darwin", there: []string{".cache/lm-studio/"}, want: []string{"~/.cache/lm-studio/mcp.json"}},
		{client: "cline", goos: "linux", there: []string{".cline/"}, want: []string{"~/.cline/data/settings/cline_mcp_settings.json"}},
		{
			client: "cline", goos: "linux", there: []string{".config/Code/User/globalStorage/saoudrizwan.claude-dev/", ".cline/"},
			want: []string{
				"~/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
				"~/.cline/data/settings/cline_mcp_settings.json",
			},
		},
	} {
		env := testEnv(t)
		env.GOOS = tt.goos
		env.Getenv = func(name string) string { return tt.env[name] }
		for _, name := range tt.there {
			file := filepath.Join(env.Home, name)
			dir := filepath.Dir(file)
			if isDir := name[len(name)-1] == '/'; isDir {
				dir = file
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if dir != file {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := client(t, tt.client)
		got := files(c.Targets(env, false))
		for i := range got {
			if rest, ok := cutHome(got[i], env.Home); ok {
				got[i] = "~" + filepath.ToSlash(rest)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s on %s with %v and %v: %v, want %v", tt.client, tt.goos, tt.env, tt.there, got, tt.want)
		}
		if len(tt.there) > 0 && !c.Found(env) {
			t.Errorf("%s is not found, though %v are there", tt.client, tt.there)
		}
	}
}

// TestRepositoryFile checks that of the two names that opencode's file may have in a repository, the one that is there counts.
func TestRepositoryFile(t *testing.T) {
	for _, there := range []string{"opencode.json", "opencode.jsonc"} {
		env := testEnv(t)
		file := filepath.Join(env.Dir, there)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := files(client(t, "opencode").Targets(env, true)); !slices.Equal(got, []string{file}) {
			t.Errorf("with %s: %v", there, got)
		}
	}
}

func cutHome(file, home string) (string, bool) {
	if len(file) > len(home) && file[:len(home)] == home {
		return file[len(home):], true
	}
	return file, false
}

// TestKeys checks what each client finds where it looks, as its own documentation has it: under which key, and with which members.
func TestKeys(t *testing.T) {
	const (
		standard = `{"command": "/bin/atlassian-mcp", "args": ["v2"], "env": {"NO_PROXY": "localhost"}}`
		stdio    = `{"type": "stdio", "command": "/bin/atlassian-mcp", "args": ["v2"], "env": {"NO_PROXY": "localhost"}}`
	)
	for name, want := range map[string]string{
		"claude-desktop":  `{"mcpServers": {"work": ` + standard + `}}`,
		"claude-code":     `{"mcpServers": {"work": ` + stdio + `}}`,
		"cursor":          `{"mcpServers": {"work": ` + standard + `}}`,
		"vscode":          `{"servers": {"work": ` + stdio + `}}`,
		"vscode-insiders": `{"servers": {"work": ` + stdio + `}}`,
		"windsurf":        `{"mcpServers": {"work": ` + standard + `}}`,
		"gemini":          `{"mcpServers": {"work": ` + standard + `}}`,
		"codex":           `{"mcp_servers": {"work": ` + standard + `}}`,
		"copilot": `{"mcpServers": {"work": {"type": "local", "command": "/bin/atlassian-mcp", "args": ["v2"], "tools": ["*"],
			"env": {"NO_PROXY": "localhost"}}}}`,
		"zed":   `{"context_servers": {"work": ` + standard + `}}`,
		"cline": `{"mcpServers": {"work": ` + stdio + `}}`,
		"opencode": `{"mcp": {"work": {"type": "local", "command": ["/bin/atlassian-mcp", "v2"], "enabled": true,
			"environment": {"NO_PROXY": "localhost"}}}}`,
		"lm-studio": `{"mcpServers": {"work": ` + standard + `}}`,
		"goose": `{"extensions": {"work": {"type": "stdio", "name": "work", "enabled": true, "cmd": "/bin/atlassian-mcp", "args": ["v2"],
			"envs": {"NO_PROXY": "localhost"}, "timeout": 300}}}`,
		"kiro": `{"mcpServers": {"work": ` + standard + `}}`,
	} {
		for _, project := range []bool{false, true} {
			targets := client(t, name).Targets(testEnv(t), project)
			if len(targets) == 0 {
				continue // has no file in a repository
			}
			c, err := targets[0].Install(Entry{
				Name: "work", Command: "/bin/atlassian-mcp", Args: []string{"v2"}, Env: map[string]string{"NO_PROXY": "localhost"},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got, wanted any
			switch name {
			case "codex":
				var table map[string]any
				err = toml.Unmarshal(c.After, &table)
				got = table
			case "goose":
				got, err = decodeYAML(c.Manual)
			default:
				err = json.Unmarshal(c.After, &got)
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := json.Unmarshal([]byte(want), &wanted); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, wanted) {
				t.Errorf("%s finds %v, not %v", name, got, wanted)
			}
		}
	}
}

// decodeYAML decodes YAML of objects that are indented by two spaces a level, and whose other values are JSON or bare words.
func decodeYAML(text string) (any, error) {
	root := map[string]any{}
	objects := []map[string]any{root}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if !ok || depth >= len(objects) {
			return nil, fmt.Errorf("%q is no member", line)
		}
		objects = objects[:depth+1]
		if value = strings.TrimSpace(value); value == "" {
			inner := map[string]any{}
			objects[depth][key] = inner
			objects = append(objects, inner)
			continue
		}
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		objects[depth][key] = v
	}
	return root, nil
}

// TestFoundByCommand checks that a client that has not made a file yet is found by its command.
func TestFoundByCommand(t *testing.T) {
	commands := map[string]string{
		"claude-code": "claude", "vscode": "code", "vscode-insiders": "code-insiders", "gemini": "gemini", "codex": "codex", "copilot": "copilot",
		"zed": "zed", "cline": "cline", "opencode": "opencode", "lm-studio": "lms", "goose": "goose", "kiro": "kiro",
	}
	for name, command := range commands {
		env := testEnv(t)
		env.LookPath = func(name string) (string, error) {
			if name == command {
				return "/usr/bin/" + name, nil
			}
			return "", os.ErrNotExist
		}
		for _, c := range Clients() {
			if c.Found(env) != (c.Name == name) {
				t.Errorf("with %s on PATH, %s is found: %v", command, c.Name, c.Found(env))
			}
		}
	}
}

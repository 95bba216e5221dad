package ide

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
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

func cutHome(file, home string) (string, bool) {
	if len(file) > len(home) && file[:len(home)] == home {
		return file[len(home):], true
	}
	return file, false
}

// TestFoundByCommand checks that a client that has not made a file yet is found by its command.
func TestFoundByCommand(t *testing.T) {
	env := testEnv(t)
	env.LookPath = func(name string) (string, error) {
		if name == "codex" {
			return "/usr/bin/codex", nil
		}
		return "", os.ErrNotExist
	}
	for _, c := range Clients() {
		if c.Found(env) != (c.Name == "codex") {
			t.Errorf("%s: %v", c.Name, c.Found(env))
		}
	}
}

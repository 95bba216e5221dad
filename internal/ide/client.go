package ide

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Client is an MCP client whose configuration we know.
type Client struct {
	Name  string // on the command line
	Title string // as its makers write it
	After string // what the person has to do before it sees a change, "" if nothing

	program string            // its command, "" if it has none
	user    func(Env) []place // where its configuration may be, the most likely first
	all     bool              // whether it looks in all of these places
	repo    string            // its file in a repository, "" if there is none
	path    []string          // the object in the file that has the servers in it
	local   string            // the one that has such objects for single directories, "" if there is none
	shape   func(Entry) []member
	syntax  syntax // nil if we can't edit it
	owned   bool   // by a program that writes the file while it runs, and so is told instead
}

// A place is a file in a directory that the client makes when it is installed.
type place struct{ dir, file string }

// Clients returns the clients that we know.
func Clients() []Client {
	servers := []string{"mcpServers"}
	return []Client{
		{
			Name: "claude-desktop", Title: "Claude Desktop", After: "quit Claude Desktop and start it again",
			user: func(e Env) []place {
				return []place{{filepath.Join(e.appConfig(), "Claude"), "claude_desktop_config.json"}}
			},
			path: servers, shape: standard, syntax: jsonSyntax{},
		},
		{
			Name: "claude-code", Title: "Claude Code", program: "claude", owned: true,
			user: func(e Env) []place {
				if dir := e.Getenv("CLAUDE_CONFIG_DIR"); dir != "" {
					return []place{{dir, ".claude.json"}}
				}
				return []place{{filepath.Join(e.Home, ".claude"), "../.claude.json"}}
			},
			repo: ".mcp.json", path: servers, local: "projects", shape: typed("stdio"), syntax: jsonSyntax{},
		},
		{
			Name: "cursor", Title: "Cursor",
			user: func(e Env) []place { return []place{{filepath.Join(e.Home, ".cursor"), "mcp.json"}} },
			repo: ".cursor/mcp.json", path: servers, shape: standard, syntax: jsonSyntax{},
		},
		{
			Name: "vscode", Title: "VS Code", program: "code",
			user: func(e Env) []place { return []place{{e.vscode("Code"), "mcp.json"}} },
			repo: ".vscode/mcp.json", path: []string{"servers"}, shape: typed("stdio"), syntax: jsonSyntax{},
		},
		{
			Name: "vscode-insiders", Title: "VS Code Insiders", program: "code-insiders",
			user: func(e Env) []place { return []place{{e.vscode("Code - Insiders"), "mcp.json"}} },
			repo: ".vscode/mcp.json", path: []string{"servers"}, shape: typed("stdio"), syntax: jsonSyntax{},
		},
		{
			Name: "windsurf", Title: "Windsurf", After: "refresh the list of MCP servers in Windsurf",
			user: func(e Env) []place {
				return []place{{filepath.Join(e.Home, ".codeium", "windsurf"), "mcp_config.json"}}
			},
			path: servers, shape: standard, syntax: jsonSyntax{},
		},
		{
			Name: "gemini", Title: "Gemini CLI", program: "gemini",
			user: func(e Env) []place { return []place{{filepath.Join(e.Home, ".gemini"), "settings.json"}} },
			repo: ".gemini/settings.json", path: servers, shape: standard, syntax: jsonSyntax{},
		},
		{
			Name: "codex", Title: "Codex", program: "codex",
			user: func(e Env) []place {
				return []place{{cmp.Or(e.Getenv("CODEX_HOME"), filepath.Join(e.Home, ".codex")), "config.toml"}}
			},
			repo: ".codex/config.toml", path: []string{"mcp_servers"}, shape: standard, syntax: tomlSyntax{},
		},
		{
			Name: "copilot", Title: "Copilot CLI", program: "copilot",
			user: func(e Env) []place {
				return []place{{cmp.Or(e.Getenv("COPILOT_HOME"), filepath.Join(e.Home, ".copilot")), "mcp-config.json"}}
			},
			repo: ".github/mcp.json", path: servers, shape: copilot, syntax: jsonSyntax{},
		},
		{
			Name: "zed", Title: "Zed", program: "zed",
			user: func(e Env) []place {
				switch e.GOOS {
				case "windows":
					return []place{{filepath.Join(e.appConfig(), "Zed"), "settings.json"}}
				case "darwin": // whatever XDG_CONFIG_HOME says
					return []place{{filepath.Join(e.Home, ".config", "zed"), "settings.json"}}
				}
				return []place{{filepath.Join(e.xdgConfig(), "zed"), "settings.json"}}
			},
			repo: ".zed/settings.json", path: []string{"context_servers"}, shape: standard, syntax: jsonSyntax{},
		},
		{
			Name: "cline", Title: "Cline", program: "cline", all: true,
			user: func(e Env) []place {
				const file = "settings/cline_mcp_settings.json"
				return []place{
					{filepath.Join(e.vscode("Code"), "globalStorage", "saoudrizwan.claude-dev"), file},
					{cmp.Or(e.Getenv("CLINE_DIR"), filepath.Join(e.Home, ".cline")), "data/" + file},
				}
			},
			path: servers, shape: typed("stdio"), syntax: jsonSyntax{},
		},
		{
			Name: "opencode", Title: "opencode", program: "opencode",
			user: func(e Env) []place {
				dir := filepath.Join(e.xdgConfig(), "opencode")
				places := []place{{dir, "opencode.json"}, {dir, "opencode.jsonc"}}
				if e.GOOS == "windows" { // where it was reported to be as well
					places = append(places, place{filepath.Join(e.appConfig(), "opencode"), "opencode.json"})
				}
				return places
			},
			repo: "opencode.json", path: []string{"mcp"}, shape: opencode, syntax: jsonSyntax{},
		},
		{
			Name: "lm-studio", Title: "LM Studio", program: "lms",
			user: func(e Env) []place {
				return []place{{filepath.Join(e.Home, ".lmstudio"), "mcp.json"}, {filepath.Join(e.Home, ".cache", "lm-studio"), "mcp.json"}}
			},
			path: servers, shape: standard, syntax: jsonSyntax{},
		},
		{
			Name: "goose", Title: "Goose", program: "goose",
			user: func(e Env) []place {
				if e.GOOS == "windows" {
					return []place{{filepath.Join(e.appConfig(), "Block", "goose"), "config/config.yaml"}}
				}
				return []place{{filepath.Join(e.xdgConfig(), "goose"), "config.yaml"}}
			},
			path: []string{"extensions"},
		},
		{
			Name: "kiro", Title: "Kiro", program: "kiro",
			user: func(e Env) []place { return []place{{filepath.Join(e.Home, ".kiro"), "settings/mcp.json"}} },
			repo: ".kiro/settings/mcp.json", path: servers, shape: standard, syntax: jsonSyntax{},
		},
	}
}

// appConfig returns where applications with a window keep their configuration.
func (e Env) appConfig() string {
	switch e.GOOS {
	case "windows":
		return cmp.Or(e.Getenv("APPDATA"), filepath.Join(e.Home, "AppData", "Roaming"))
	case "darwin":
		return filepath.Join(e.Home, "Library", "Application Support")
	}
	return e.xdgConfig()
}

// xdgConfig returns where programs of the terminal keep their configuration, on macOS and Windows too.
func (e Env) xdgConfig() string {
	if dir := e.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(e.Home, ".config")
}

func (e Env) vscode(product string) string { return filepath.Join(e.appConfig(), product, "User") }

// Found reports whether the client seems to be on the machine: its directory, its file or its command is there.
func (c Client) Found(env Env) bool {
	for _, p := range c.user(env) {
		if exists(p.dir) || exists(filepath.Join(p.dir, p.file)) {
			return true
		}
	}
	if c.program == "" {
		return false
	}
	_, err := env.LookPath(c.program)
	return err == nil
}

// Manual reports whether people have to edit the configuration of the client themselves.
func (c Client) Manual() bool { return c.syntax == nil }

// Targets returns the files that the client reads, or would if they were there: those of the person or, if project is set, that of
// the repository in env.Dir, if the client knows such a file.
func (c Client) Targets(env Env, project bool) []Target {
	if project {
		if c.repo == "" {
			return nil
		}
		file := filepath.Join(env.Dir, filepath.FromSlash(c.repo))
		if c.Name == "opencode" && !exists(file) && exists(file+"c") {
			file += "c"
		}
		return []Target{{Client: c, File: file, project: true, env: env}}
	}
	var present, files []string
	places := c.user(env)
	for _, p := range places {
		file := filepath.Join(p.dir, filepath.FromSlash(p.file))
		if exists(file) {
			present = append(present, file)
		} else if exists(p.dir) {
			files = append(files, file)
		}
	}
	files = slices.Concat(present, files, []string{filepath.Join(places[0].dir, filepath.FromSlash(places[0].file))})
	if !c.all {
		files = files[:1]
	} else if len(files) > 1 {
		files = files[:len(files)-1]
	}
	var targets []Target
	for _, file := range files {
		targets = append(targets, Target{Client: c, File: file, env: env})
	}
	return targets
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// owner returns the program that has to be told instead of changing t.File, "" if there is none. Batch files, as npm makes them on
// Windows, can't be given JSON as an argument.
func (t Target) owner() string {
	if !t.owned || t.project {
		return ""
	}
	program, err := t.env.LookPath(t.program)
	if ext := strings.ToLower(filepath.Ext(program)); err != nil || ext == ".cmd" || ext == ".bat" || ext == ".ps1" {
		return ""
	}
	return program
}

// standard returns the entry that most clients agree on.
func standard(e Entry) []member {
	args := e.Args
	if args == nil {
		args = []string{} // some want it in any case
	}
	members := []member{{name: "command", value: e.Command}, {name: "args", value: args}}
	if env := variables(e); len(env) > 0 {
		members = append(members, member{name: "env", value: env})
	}
	return members
}

func variables(e Entry) (members []member) {
	for name, value := range e.Env {
		members = append(members, member{name: name, value: value})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return members
}

// typed returns standard with a type before the rest.
func typed(name string) func(Entry) []member {
	return func(e Entry) []member {
		return append([]member{{name: "type", value: name}}, standard(e)...)
	}
}

// copilot returns the entry of Copilot CLI, which wants to be told which tools it may use.
func copilot(e Entry) []member {
	return append(typed("local")(e), member{name: "tools", value: []string{"*"}, keep: true})
}

// opencode returns the entry of opencode 1.
func opencode(e Entry) []member {
	members := []member{{name: "type", value: "local"}, {name: "command", value: append([]string{e.Command}, e.Args...)}}
	if env := variables(e); len(env) > 0 {
		members = append(members, member{name: "environment", value: env})
	}
	return append(members, member{name: "enabled", value: true, keep: true})
}

// envMember returns the name of the member that has the variables.
func (c Client) envMember() string {
	if c.Name == "opencode" {
		return "environment"
	}
	return "env"
}

// compact writes members as JSON in one line.
func compact(members map[string]any) string {
	data, _ := json.Marshal(members) // was JSON
	return string(data)
}

// manual returns Goose's entry, in YAML, which we don't edit: nothing keeps its comments and anchors as they are.
func (t Target) manual(e Entry) string {
	var b strings.Builder
	line := func(indent int, text string) { b.WriteString(strings.Repeat("  ", indent) + text + "\n") }
	line(0, t.path[0]+":")
	line(1, e.Name+":")
	line(2, "type: stdio")
	line(2, "name: "+quote(e.Name))
	line(2, "enabled: true")
	line(2, "cmd: "+quote(e.Command))
	line(2, "args: "+jsonStyle{comma: ", "}.format(e.Args, "", false))
	if len(e.Env) == 0 {
		line(2, "envs: {}")
	} else {
		line(2, "envs:")
		for _, v := range variables(e) {
			line(3, v.name+": "+quote(v.value.(string)))
		}
	}
	line(2, "timeout: 300")
	return b.String()
}

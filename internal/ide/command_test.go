package ide

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestCommand checks which path is written for a program, by how it was installed.
func TestCommand(t *testing.T) {
	for _, tt := range []struct {
		how     string
		program string
		links   map[string]string // to what there are links; all in one directory
		onPath  string
		want    string // "" if it is temporary
	}{
		{how: "go install", program: "go/bin/atlassian-mcp", want: "go/bin/atlassian-mcp"},
		{how: "go install, on PATH", program: "go/bin/atlassian-mcp", onPath: "go/bin/atlassian-mcp", want: "go/bin/atlassian-mcp"},
		{
			how: "Homebrew", program: "brew/Cellar/atlassian-mcp/1.2.3/bin/atlassian-mcp",
			links: map[string]string{"brew/bin/atlassian-mcp": "../Cellar/atlassian-mcp/1.2.3/bin/atlassian-mcp"},
			want:  "brew/bin/atlassian-mcp",
		},
		{
			how: "Homebrew's cask, with its Caskroom on PATH", program: "brew/Caskroom/atlassian-mcp/1.2.3/atlassian-mcp",
			links:  map[string]string{"brew/bin/atlassian-mcp": "../Caskroom/atlassian-mcp/1.2.3/atlassian-mcp"},
			onPath: "brew/Caskroom/atlassian-mcp/1.2.3/atlassian-mcp",
			want:   "brew/bin/atlassian-mcp",
		},
		{
			how: "Homebrew, unlinked", program: "brew/Cellar/atlassian-mcp/1.2.3/bin/atlassian-mcp",
			links: map[string]string{"brew/opt/atlassian-mcp": "../Cellar/atlassian-mcp/1.2.3"},
			want:  "brew/opt/atlassian-mcp/bin/atlassian-mcp",
		},
		{
			how: "Homebrew, with its Cellar on PATH", program: "brew/Cellar/atlassian-mcp/1.2.3/bin/atlassian-mcp",
			links:  map[string]string{"brew/bin/atlassian-mcp": "../Cellar/atlassian-mcp/1.2.3/bin/atlassian-mcp"},
			onPath: "brew/Cellar/atlassian-mcp/1.2.3/bin/atlassian-mcp",
			want:   "brew/bin/atlassian-mcp",
		},
		{
			how: "npm", program: "usr/lib/node_modules/atlassian-mcp/bin/atlassian-mcp",
			links: map[string]string{"usr/bin/atlassian-mcp": "../lib/node_modules/atlassian-mcp/bin/atlassian-mcp"},
			want:  "usr/bin/atlassian-mcp",
		},
		{
			how: "Nix", program: "nix/store/abc-atlassian-mcp-1.2.3/bin/atlassian-mcp", onPath: "profile/bin/atlassian-mcp",
			links: map[string]string{"profile/bin/atlassian-mcp": "../../nix/store/abc-atlassian-mcp-1.2.3/bin/atlassian-mcp"},
			want:  "profile/bin/atlassian-mcp",
		},
		{
			how: "Scoop", program: "scoop/apps/atlassian-mcp/1.2.3/atlassian-mcp.exe",
			links: map[string]string{"scoop/apps/atlassian-mcp/current": "1.2.3"},
			want:  "scoop/apps/atlassian-mcp/current/atlassian-mcp.exe",
		},
		{
			how: "another version on PATH", program: "one/atlassian-mcp", onPath: "two/atlassian-mcp",
			links: map[string]string{"two/atlassian-mcp": "three"}, want: "one/atlassian-mcp",
		},
		{how: "go run", program: "go-build123/b001/exe/atlassian-mcp"},
		{how: "go run, cached", program: ".cache/go-build/ab/abcd-d/atlassian-mcp"},
		{how: "npx", program: ".npm/_npx/1234/node_modules/atlassian-mcp/bin/atlassian-mcp"},
	} {
		t.Run(tt.how, func(t *testing.T) {
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(root, tt.program)
			if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(program, nil, 0o755); err != nil {
				t.Fatal(err)
			}
			for link, to := range tt.links {
				link = filepath.Join(root, link)
				if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(to, link); err != nil {
					if runtime.GOOS == "windows" { // wants a privilege for that
						return
					}
					t.Fatal(err)
				}
			}
			env := testEnv(t)
			if tt.onPath != "" {
				env.LookPath = func(name string) (string, error) {
					if name != "atlassian-mcp" {
						t.Errorf("looked for %q", name)
					}
					return filepath.Join(root, tt.onPath), nil
				}
			}
			got, err := env.Command(program)
			if tt.want == "" {
				if _, ok := errors.AsType[*TemporaryError](err); !ok {
					t.Errorf("%q, error %v", got, err)
				}
			} else if want := filepath.Join(root, tt.want); got != want || err != nil {
				t.Errorf("%q, error %v; want %q", got, err, want)
			}
		})
	}
}

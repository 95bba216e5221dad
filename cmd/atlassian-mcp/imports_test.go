package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/atlassian-mcp/atlassian-mcp/"

// imports is the tree of packages: which of ours each may import. A package that is not
// listed has no place in the house.
var imports = map[string][]string{
	"cmd/atlassian-mcp": {
		"internal/atlassian", "internal/audit", "internal/auth", "internal/era", "internal/ide", "internal/jsonrpc",
		"internal/keychain", "internal/policy", "internal/relay", "internal/remote", "internal/sandbox", "internal/sandbox/issuer",
	},
	"internal/jsonrpc":        {},
	"internal/remote":         {"internal/jsonrpc"},
	"internal/era":            {"internal/jsonrpc", "internal/remote"},
	"internal/policy":         {"internal/jsonrpc", "internal/atlassian"},
	"internal/audit":          {"internal/jsonrpc"},
	"internal/relay":          {"internal/jsonrpc", "internal/remote", "internal/era", "internal/policy", "internal/audit"},
	"internal/auth":           {"internal/keychain"},
	"internal/keychain":       {},
	"internal/atlassian":      {},
	"internal/memnet":         {}, // for tests
	"internal/ide":            {},
	"internal/sandbox":        {"internal/sandbox/issuer", "internal/sandbox/rovo"},
	"internal/sandbox/issuer": {},
	"internal/sandbox/rovo":   {},
	"scripts/bench":           {},
	"scripts/bench/bare":      {}, // or it would measure itself
	"scripts/record":          {},
	"scripts/bench/server":    {},
	"scripts/storm":           {"internal/sandbox", "internal/sandbox/issuer"},
}

// doors says who may import what others have written: one dependency, one door. The longest
// prefix of an import path counts.
var doors = map[string][]string{
	"github.com/spf13/cobra":          {"cmd/atlassian-mcp"},
	"github.com/spf13/pflag":          {"cmd/atlassian-mcp"},
	"github.com/pkg/browser":          {"cmd/atlassian-mcp"},
	"golang.org/x/term":               {"cmd/atlassian-mcp"},
	"golang.org/x/sys":                {"cmd/atlassian-mcp", "internal/auth", "internal/keychain"},
	"golang.org/x/oauth2":             {"internal/auth"},
	"github.com/zalando/go-keyring":   {"internal/keychain"},
	"github.com/godbus/dbus":          {"internal/keychain"},
	"github.com/gofrs/flock":          {"internal/keychain", "internal/sandbox/rovo"},
	"github.com/mark3labs/mcp-go":     {}, // tests only; see TestLinked
	"github.com/mark3labs/mcp-go/mcp": {"cmd/atlassian-mcp", "internal/remote", "internal/era", "internal/sandbox"},
	"github.com/rogpeppe/go-internal": {}, // tests only
	"github.com/tailscale/hujson":     {"internal/ide"},
	"github.com/pelletier/go-toml":    {"internal/ide"},
	"maragu.dev/gomponents":           {"internal/auth", "internal/sandbox", "internal/sandbox/issuer"}, // who shows pages
}

// unlinked has no place in the program, by whatever way it would come. Mcp-go's client and server validate JSON schemas with
// santhosh-tekuri/jsonschema, whose init function compiles the metaschemas of five drafts: 4 to 8 ms and 4 MiB for every process,
// beside the 6 ms and 9 MiB that a relay takes to start.
var unlinked = []string{
	"github.com/santhosh-tekuri",
	"github.com/mark3labs/mcp-go/client",
	"github.com/mark3labs/mcp-go/server",
}

// TestLinked checks what becomes part of the program, with all that its dependencies depend on.
func TestLinked(t *testing.T) {
	for _, p := range listPackages(t, "linux", "-deps", ".") {
		for _, path := range unlinked {
			if p.ImportPath == path || strings.HasPrefix(p.ImportPath, path+"/") {
				t.Errorf("the program has %s in it", p.ImportPath)
			}
		}
	}
}

// TestReflection checks that nothing in the program calls methods by name, as text/template does for html/template, and for cobra when it is
// given a template. The linker can't know then which methods those are, and keeps all exported ones of all types, which costs 1.5
// of the 14 MB that an idle relay has. It says so in lines such as "text/template.(*state).evalFieldChain -> … <ReflectMethod>".
func TestReflection(t *testing.T) {
	out, err := exec.Command("go", "build", "-ldflags=-dumpdep", "-o", os.DevNull, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out[max(0, len(out)-4096):])
	}
	graph := string(out)
	if !strings.Contains(graph, "\nmain.main -> ") || !strings.Contains(graph, " <UsedInIface>\n") {
		t.Errorf("the linker tells something else: %.4096s", graph)
	}
	for line := range strings.Lines(graph) {
		if strings.HasSuffix(line, " <ReflectMethod>\n") {
			t.Errorf("a method may be called by name: %s", line)
		}
	}
}

// TestImports checks what each package imports, tests aside, on each system that the
// program is built for.
func TestImports(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			for _, p := range listPackages(t, goos, "../../...") {
				name := strings.TrimPrefix(p.ImportPath, module)
				allowed, ok := imports[name]
				if !ok {
					t.Errorf("package %s has no place in the tree", name)
				}
				for _, path := range p.Imports {
					if ours, ok := strings.CutPrefix(path, module); ok {
						if !slices.Contains(allowed, ours) {
							t.Errorf("%s imports %s", name, ours)
						}
					} else if isThirdParty(path) && !slices.Contains(doors[door(path)], name) {
						t.Errorf("%s imports %s, which is not its door to open", name, path)
					}
				}
			}
		})
	}
}

// isThirdParty reports whether path is outside of the standard library: its first element
// has a dot.
func isThirdParty(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	return strings.Contains(host, ".")
}

// door returns the longest key of doors that is path or one of its parents.
func door(path string) string {
	for {
		if _, ok := doors[path]; ok {
			return path
		}
		i := strings.LastIndex(path, "/")
		if i < 0 {
			return ""
		}
		path = path[:i]
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages returns the packages that go list finds for args, as they are built for goos.
func listPackages(t *testing.T, goos string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(out); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Error("go list found no packages")
	}
	return packages
}

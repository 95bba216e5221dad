package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestRelease builds the program with the linker flags of .goreleaser.yaml, and asks it for its version. It also checks that the manual
// pages that are listed there, which Homebrew wants by name, are those that there are.
func TestRelease(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	release := string(data)
	ldflags := regexp.MustCompile(`(?m)^ +ldflags:\n +- (.*)$`).FindStringSubmatch(release)
	if ldflags == nil {
		t.Fatal(".goreleaser.yaml has no ldflags")
	}
	program := filepath.Join(t.TempDir(), "atlassian-mcp.exe") // Windows wants .exe; no other system minds
	flags := strings.ReplaceAll(ldflags[1], "{{ .Version }}", "1.2.3")
	if out, err := exec.Command("go", "build", "-ldflags", flags, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "atlassian-mcp v1.2.3 (") {
		t.Errorf("version: %v, %s", err, out)
	}

	root := newRootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	pages := make(map[string]bool)
	eachPage(root, func(cmd *cobra.Command) { pages["share/man/man1/"+pageName(cmd)+".1"] = true })
	for _, page := range regexp.MustCompile(`share/man/\S+`).FindAllString(release, -1) {
		if !pages[page] {
			t.Errorf(".goreleaser.yaml has %s, and there is none", page)
		}
		delete(pages, page)
	}
	for page := range pages {
		t.Errorf(".goreleaser.yaml does not have %s", page)
	}
}

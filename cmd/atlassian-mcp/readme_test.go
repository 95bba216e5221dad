package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/ide"
)

// readReadme returns README.md.
func readReadme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadmeDemo checks that the first command in README is the one that needs nothing but Go.
func TestReadmeDemo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile("```sh\n(.*?)( +#.*)?\n").FindSubmatch(text)
	if first == nil || string(first[1]) != "go run ./cmd/atlassian-mcp demo" {
		t.Errorf("the first command is %q", first)
	}
}

// TestReadmeLinks checks the links that set up a client: each has an entry for a local server in it, the same as in the text.
func TestReadmeLinks(t *testing.T) {
	links := regexp.MustCompile(`https://[^)\s]+/(?:install-mcp|mcp/install)\?[^)\s]+`).FindAllString(readReadme(t), -1)
	if len(links) != 3 {
		t.Fatalf("%d links, not 3: %q", len(links), links)
	}
	for _, link := range links {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		config := []byte(u.Query().Get("config"))
		if u.Host == "cursor.com" {
			if config, err = base64.StdEncoding.DecodeString(string(config)); err != nil {
				t.Errorf("%s: %v", link, err)
			}
		}
		var entry map[string]any
		if err := json.Unmarshal(config, &entry); err != nil || len(entry) != 1 || entry["command"] != "atlassian-mcp" || u.Query().Get("name") != "atlassian" {
			t.Errorf("%s sets up %s, %v", link, config, err)
		}
	}
}

// TestReadmeClients checks that README says how to set up each client that install knows.
func TestReadmeClients(t *testing.T) {
	named := regexp.MustCompile(`[a-z-]+`)
	var names []string
	for _, line := range regexp.MustCompile("(?m)^atlassian-mcp install .*$").FindAllString(readReadme(t), -1) {
		names = append(names, named.FindAllString(line, -1)...)
	}
	for _, c := range ide.Clients() {
		if !slices.Contains(names, c.Name) {
			t.Errorf("README does not say how to set up %s", c.Name)
		}
	}
}

// TestReadmeCommands checks that the program knows every command, flag and number of arguments that README has, in blocks and in the text.
func TestReadmeCommands(t *testing.T) {
	readme := readReadme(t)
	lines := regexp.MustCompile("(?m)^atlassian-mcp .*$").FindAllString(readme, -1)
	for _, span := range regexp.MustCompile("`(atlassian-mcp\\s[^`]+)`").FindAllStringSubmatch(readme, -1) {
		lines = append(lines, span[1])
	}
	if len(lines) < 40 {
		t.Fatalf("only %d commands: %q", len(lines), lines)
	}
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`)
	for _, line := range lines {
		command, _, _ := strings.Cut(line, " #")
		command, _, _ = strings.Cut(command, " <") // is the shell's
		var args []string
		for _, w := range word.FindAllString(command, -1)[1:] {
			if strings.HasSuffix(w, "=") || len(args) == 0 || !strings.HasSuffix(args[len(args)-1], "=") {
				args = append(args, w)
			} else {
				args[len(args)-1] += w // NAME='what is quoted'
			}
		}
		root := newRootCommand()
		root.InitDefaultHelpCmd()
		root.InitDefaultCompletionCmd()
		cmd, rest, err := root.Find(args)
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		switch words := cmd.Flags().Args(); {
		case err != nil:
		case cmd == root:
			_, err = serverArg(cmd, words)
		case cmd.Name() != "help":
			err = cmd.ValidateArgs(words)
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		// What follows -- is for the relay.
		if at := slices.Index(args, "--"); at >= 0 {
			if err := newRootCommand().ParseFlags(args[at+1:]); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// TestReadmeSymptoms checks that what README quotes as a symptom is said by this program, by Atlassian as far as we know, or by these others.
func TestReadmeSymptoms(t *testing.T) {
	others := []string{"command not found", "ENOENT", "spawn", "unknown flag"} // of clients, and of cobra
	var said strings.Builder
	for _, pattern := range []string{"*.go", "../../internal/auth/*.go", "../../internal/keychain/*.go", "../../internal/remote/*.go", "../../internal/relay/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files %s, %v", len(files), pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || file == "doc.go" {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(text)
		}
	}
	_, table, _ := strings.Cut(readReadme(t), "| Symptom |")
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := regexp.MustCompile(`(?m)"([^"|]{6,})"`)
	symptoms := 0
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, q := range quoted.FindAllStringSubmatch(cells[1], -1) {
			symptoms++
			_, atlassians := atlassian.Explain("https://mcp.atlassian.com/v1/mcp", http.StatusForbidden, q[1])
			parts := strings.Split(q[1], "...")
			ours := !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(said.String(), strings.TrimSpace(part)) })
			if !slices.Contains(others, q[1]) && !atlassians && !ours {
				t.Errorf("nobody says %q", q[1])
			}
		}
	}
	if symptoms < 30 {
		t.Errorf("only %d symptoms", symptoms)
	}
}

// TestMap checks that CONTRIBUTING has each package once, the ones that import above those that are imported.
func TestMap(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".github", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	var mapped []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:cmd|internal)/[^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		mapped = append(mapped, row[1])
	}
	for i, name := range mapped {
		for _, imported := range imports[name] {
			if at := slices.Index(mapped, imported); 0 <= at && at < i {
				t.Errorf("%s is below %s, which it imports", name, imported)
			}
		}
		if slices.Index(mapped, name) < i {
			t.Errorf("%s is there twice", name)
		}
	}
	packages, err := filepath.Glob("../../internal/*")
	if err != nil || len(packages) == 0 {
		t.Fatal(err)
	}
	for _, dir := range packages {
		if name := "internal/" + filepath.Base(dir); !slices.Contains(mapped, name) {
			t.Errorf("%s is not on the map", name)
		}
	}
}

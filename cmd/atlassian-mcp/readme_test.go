package main

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/ide"
)

// TestReadmeLinks checks the links that set up a client: each has an entry for a local server in it, the same as in the text.
func TestReadmeLinks(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`https://[^)\s]+/(?:install-mcp|mcp/install)\?[^)\s]+`).FindAllString(string(text), -1)
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
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`[a-z-]+`)
	var names []string
	for _, line := range regexp.MustCompile("(?m)^atlassian-mcp install .*$").FindAllString(string(text), -1) {
		names = append(names, named.FindAllString(line, -1)...)
	}
	for _, c := range ide.Clients() {
		if !slices.Contains(names, c.Name) {
			t.Errorf("README does not say how to set up %s", c.Name)
		}
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

// TestSandboxCommand starts a sandbox, looks at its page, and ends it as Ctrl-C does.
func TestSandboxCommand(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	in, out := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- run(ctx, []string{"sandbox", "--port", "0", "--user", "ben"}, strings.NewReader(""), out, &stderr)
		out.Close()
	}()

	var said []string
	for lines := bufio.NewScanner(in); lines.Scan(); {
		said = append(said, lines.Text())
		if lines.Text() == "Ctrl-C ends it." {
			break
		}
	}
	text := strings.Join(said, "\n")
	_, url, _ := strings.Cut(text, "See and change what goes on:\n  ")
	url, _, _ = strings.Cut(url, "\n")
	answer, err := http.Get(url)
	if err != nil {
		t.Fatalf("%v; it said %s %s", err, text, &stderr)
	}
	page, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		t.Fatal(err)
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	entry := `"command": ` + strconv.Quote(self)
	if !strings.Contains(text, entry) {
		t.Errorf("no %s in what it said: %s", entry, text)
	}
	if !strings.Contains(string(page), strings.ReplaceAll(entry, `"`, "&#34;")) {
		t.Errorf("no %s on its page: %s", entry, page)
	}
	// The sign-in page asks nobody who they are: it is Ben.
	var client struct {
		ID string `json:"client_id"`
	}
	redirect := url + "callback" // which shows nothing
	resp, err := http.Post(url+"v1/register", "application/json", strings.NewReader(`{"redirect_uris":["`+redirect+`"]}`))
	if err != nil {
		t.Fatal(err)
	}
	err = json.NewDecoder(resp.Body).Decode(&client)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	signIn := url + "v1/authorize?response_type=code&client_id=" + client.ID + "&redirect_uri=" + redirect
	if _, err := issuer.Accept(t.Context(), nil, signIn, issuer.Choice{Email: "ada@acme.example"}); err == nil {
		t.Error("Ada can sign in")
	}
	if _, err := issuer.Accept(t.Context(), nil, signIn, issuer.Choice{Email: "ben@acme.example"}); err != nil {
		t.Errorf("Ben can't sign in: %v", err)
	}
	interrupt()
	if got := <-code; got != 0 {
		t.Errorf("exit status %d: %s", got, &stderr)
	}
}

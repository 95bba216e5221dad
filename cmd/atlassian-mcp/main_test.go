package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestMain(m *testing.M) {
	// A program that is built with -race would otherwise wait for a second before it exits.
	os.Setenv(raceOptions[0], raceOptions[1])
	if _, ok := os.LookupEnv(tokenStoreEnv); !ok {
		os.Setenv(tokenStoreEnv, "file") // the keychain of whoever runs the tests is none of their business
	}
	testscript.Main(m, map[string]func(){
		"atlassian-mcp": main,
		"ide":           playIDE,
		"follow":        follow,
	})
}

var raceOptions = [2]string{"GORACE", "atexit_sleep_ms=0"}

// TestScript runs testdata/script: the program from outside. See the README there.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":     startServer,
			"sign-in":    signIn,
			"mcp-remote": mcpRemote,
			"counted":    counted,
			"exits":      exits,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv(raceOptions[0], raceOptions[1])
			return setUpSignIn(env)
		},
		RequireExplicitExec: true,
	})
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"ide","version":"1"}}}`

// playIDE is a command for the scripts: it starts the program that its arguments name as an MCP
// client would, sends it initialize and then asks for the tools, prints what it answers, and closes
// its standard input only then. It says on standard error how the program ended.
func playIDE() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	check(err)
	stdout, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())

	fmt.Fprintln(stdin, initialize)
	answers := bufio.NewReader(stdout)
	answer, _ := answers.ReadString('\n')
	fmt.Print(answer)
	if strings.Contains(answer, `"result":`) {
		fmt.Fprintln(stdin, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		fmt.Fprintln(stdin, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		for answer != "" && !strings.Contains(answer, `"id":2`) {
			answer, _ = answers.ReadString('\n')
			fmt.Print(answer)
		}
	}
	stdin.Close()
	io.Copy(os.Stdout, answers)
	cmd.Wait()
	fmt.Fprintln(os.Stderr, "ide:", cmd.ProcessState)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ide:", err)
		os.Exit(1)
	}
}

// startServer is "server mcp|tls|html|STATUS" in a script: it starts a server on loopback and
// puts its address into $URL. The certificate of tls is in ca.pem.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: server mcp|tls|html|STATUS")
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(fakeMCP))
	srv.Config.ErrorLog = discardLog // refused handshakes are what some scripts want
	switch kind := args[0]; kind {
	case "mcp":
		srv.Start()
	case "tls":
		srv.StartTLS()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o600))
	case "html":
		srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, "<!doctype html><title>Log in</title>")
		})
		srv.Start()
	default:
		var status int
		_, err := fmt.Sscan(kind, &status)
		ts.Check(err)
		srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "refused", status)
		})
		srv.Start()
	}
	ts.Defer(srv.Close)
	ts.Setenv("URL", srv.URL+"/mcp")
}

var update = flag.Bool("update", false, "rewrite the files in testdata/help")

// TestHelp compares the help of each command with testdata/help, so that a change of it
// shows up in review.
func TestHelp(t *testing.T) {
	root := newRootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		t.Run(cmd.CommandPath(), func(t *testing.T) { testHelp(t, cmd) })
		for _, c := range cmd.Commands() {
			if (c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand()) && c.Parent().Name() != "completion" { // those are cobra's own words
				visit(c)
			}
		}
	}
	visit(root)
}

func testHelp(t *testing.T, cmd *cobra.Command) {
	words := strings.Fields(cmd.CommandPath())
	var got, stderr bytes.Buffer
	code := run(t.Context(), append(words[1:], "--help"), strings.NewReader(""), &got, &stderr)
	if code != exitOK || stderr.Len() > 0 {
		t.Errorf("exit status %d, standard error %q", code, &stderr)
	}
	file := filepath.Join("testdata", "help", strings.Join(words, "-")+".txt")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run go test with -update", err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the help is not that in %s; run go test with -update if it should be\n%s", file, &got)
	}
	for line := range strings.Lines(got.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 92 {
			t.Errorf("%d characters are too wide for a terminal: %s", n, line)
		}
	}
}

// TestManual checks that each flag and each environment variable is in the manual, and in README what the help shows.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range append(newRootCommand().Commands(), newRootCommand()) {
		if cmd.Hidden {
			continue
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			name := regexp.MustCompile(`--` + f.Name + `\b[^-]`)
			if !name.Match(manual) {
				t.Errorf("doc.go does not have --%s of %s", f.Name, cmd.CommandPath())
			}
			if !f.Hidden && !cmd.HasParent() && f.Name != "help" && f.Name != "version" && !name.Match(readme) {
				t.Errorf("README.md does not have --%s", f.Name)
			}
		})
	}
	for _, name := range append([]string{emailEnv, apiTokenEnv, clientSecretEnv, tokenStoreEnv}, certFileEnv...) {
		if !bytes.Contains(manual, []byte("\t"+name)) && !bytes.Contains(manual, []byte(", "+name+"\n")) {
			t.Errorf("doc.go does not have %s", name)
		}
	}
}

// TestUsageError checks that nothing but the message is printed for a wrong command line,
// and in particular no usage text.
func TestUsageError(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"demo", "--quickly"}, strings.NewReader(initialize+"\n"), &stdout, &stderr)
	if code != exitUsage {
		t.Errorf("exit status %d, want %d", code, exitUsage)
	}
	if got := stdout.String(); got != "" { // only the bare command speaks JSON-RPC
		t.Errorf("standard output %q", got)
	}
	want := "atlassian-mcp: error: unknown flag: --quickly\n" +
		"atlassian-mcp: hint: run 'atlassian-mcp demo --help' for the flags\n"
	if got := stderr.String(); got != want {
		t.Errorf("standard error %q, want %q", got, want)
	}
}

// TestBareCommand checks that the commands are there for whoever may want one, and for no relay that an IDE starts as it usually does.
func TestBareCommand(t *testing.T) {
	words := []string{"help", "completion", "__complete", "__completeNoDesc", "-h", "--help", "doctr"}
	for _, cmd := range newRootCommand().Commands() {
		words = append(append(words, cmd.Name()), cmd.Aliases...)
	}
	for _, word := range words {
		if args := []string{"--debug", word}; !newCommand(args).HasSubCommands() {
			t.Errorf("no commands for %q", args)
		}
	}
	for _, args := range [][]string{
		nil,
		{"v1"},
		{"https://mcp.atlassian.com/v1/mcp"},
		{"https://mcp.atlassian.com/v1/sse", "3334", "--transport=http-only"},
		{"--header", "Authorization: Bearer x"},
	} {
		if newCommand(args).HasSubCommands() {
			t.Errorf("commands for %q", args)
		}
	}
}

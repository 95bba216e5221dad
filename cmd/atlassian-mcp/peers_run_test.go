package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// peerDrivers returns a directory with the drivers of testdata/peers in which node
// finds the packages that they import.
func peerDrivers(t *testing.T) string {
	t.Helper()
	modules := peerModules(t, "peers")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../testdata/peers")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// peerModules returns the directory in which scripts/peers has installed the packages of
// testdata/NAME.
func peerModules(t *testing.T, name string) string {
	t.Helper()
	source, installed := filepath.Join("../../testdata", name), filepath.Join("../../.cache", name)
	want, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(installed, "package-lock.json")); !bytes.Equal(got, want) {
		missingPeer(t, "the npm packages of testdata/"+name+" are not installed: run scripts/peers")
	}
	modules, err := filepath.Abs(filepath.Join(installed, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// missingPeer skips the test, unless ATLASSIAN_MCP_PEERS is "required".
func missingPeer(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ATLASSIAN_MCP_PEERS") == "required" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// peerProgram builds the program, with the race detector if the test has it, and
// returns its path. A data race then shows in its exit status.
func peerProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "atlassian-mcp.exe") // Windows wants .exe; no other system minds
	args := []string{"build", "-o", program}
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// peerEnviron is as bare as the environment that most clients hand on.
func peerEnviron(t *testing.T) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
}

// startEverything starts server-everything in one of its modes and returns its
// origin.
func startEverything(t *testing.T, drivers, mode string) *url.URL {
	t.Helper()
	// Left to choose a port it doesn't tell which. Another program may be faster to
	// take the one chosen here.
	var err error
	for range 3 {
		port := strconv.Itoa(freePort(t))
		cmd := exec.Command("node", "node_modules/@modelcontextprotocol/server-everything/dist/index.js", mode)
		cmd.Dir = drivers
		cmd.Env = append(peerEnviron(t), "PORT="+port)
		if err = startAndAwait(t, cmd, "on port "+port); err == nil {
			return &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", port)}
		}
	}
	t.Fatalf("server-everything %s: %v", mode, err)
	return nil
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startAndAwait starts a server that lives until the test ends, and returns when a
// line of its standard error ends in ready.
func startAndAwait(t *testing.T, cmd *exec.Cmd, ready string) error {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := bufio.NewReader(stderr)
	var said strings.Builder
	for {
		line, err := r.ReadString('\n')
		said.WriteString(line)
		if strings.HasSuffix(line, ready+"\n") {
			break
		}
		if err != nil {
			cmd.Wait()
			return fmt.Errorf("it ended, and said %q", said.String())
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, r) // it would block on a full pipe
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-drained
		cmd.Wait()
	})
	return nil
}

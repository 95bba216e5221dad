package keychain

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOthers checks that a process knows those that live, not itself, and sweeps up after those that don't.
func TestOthers(t *testing.T) {
	dir := t.TempDir()
	here := &Store{Dir: dir, Kind: File}
	leave, err := here.Join(Process{Server: "https://example.com/mcp"})
	if err != nil {
		t.Fatal(err)
	}
	if others, err := here.Others(); err != nil || len(others) != 0 {
		t.Errorf("a process finds itself: %v, %v", others, err)
	}
	dead := filepath.Join(dir, "running.99999999.json")
	if err := os.WriteFile(dead, []byte(`{"pid":99999999,"server":"https://example.com/mcp"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if others, err := here.Others(); err != nil || len(others) != 0 {
		t.Errorf("a dead process is found: %v, %v", others, err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("what a dead process has left is still there")
	}

	p := program{dir: dir, kind: File}
	first, stopFirst := p.start(t, "join", "https://example.com/first")
	second, stopSecond := p.start(t, "join", "https://example.com/second")
	others, err := here.Others()
	if err != nil || len(others) != 2 {
		t.Fatalf("others %+v, %v", others, err)
	}
	for _, o := range others {
		if o.Since.IsZero() || !(o.PID == first.Process.Pid && o.Server == "https://example.com/first" ||
			o.PID == second.Process.Pid && o.Server == "https://example.com/second") {
			t.Errorf("%+v", o)
		}
	}
	first.Process.Kill()
	stopFirst()
	stopSecond()
	if others, err := here.Others(); err != nil || len(others) != 0 {
		t.Errorf("after their end: %v, %v", others, err)
	}
	leave()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

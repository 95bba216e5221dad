//go:build !windows

package keychain

import (
	"os/user"
	"path/filepath"
	"runtime"
	"testing"
)

func TestStateDir(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	place := ".local/state/atlassian-mcp"
	if runtime.GOOS == "darwin" {
		place = "Library/Application Support/atlassian-mcp"
	}
	t.Setenv("XDG_STATE_HOME", "/elsewhere")
	t.Setenv("XDG_CONFIG_HOME", "/elsewhere")
	for home, want := range map[string]string{"/some/home": "/some/home", "": u.HomeDir, "relative": u.HomeDir} {
		t.Setenv("HOME", home)
		if got, err := StateDir(); err != nil || got != filepath.Join(want, place) {
			t.Errorf("with HOME=%q: %q, %v; want it in %q", home, got, err, want)
		}
	}
}

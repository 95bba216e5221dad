//go:build !windows

package keychain

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
)

// StateDir returns the one directory for everything that we keep of a user: ~/.local/state/atlassian-mcp,
// on macOS ~/Library/Application Support/atlassian-mcp, on Windows %LocalAppData%\atlassian-mcp. It does
// not create it.
//
// XDG_STATE_HOME is ignored on purpose: a shell and an IDE that set it differently must still meet.
func StateDir() (string, error) {
	home := os.Getenv("HOME")
	if !filepath.IsAbs(home) { // unset, as under env -i
		u, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("finding the home directory, as HOME is not set: %v", err)
		}
		home = u.HomeDir
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "atlassian-mcp"), nil
	}
	return filepath.Join(home, ".local", "state", "atlassian-mcp"), nil
}

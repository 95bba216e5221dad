package keychain

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// StateDir returns the one directory for everything that we keep of a user:
// %LocalAppData%\atlassian-mcp. It does not create it.
func StateDir() (string, error) {
	local := os.Getenv("LocalAppData")
	if !filepath.IsAbs(local) { // unset: some hosts pass a handful of variables only
		var err error
		local, err = windows.KnownFolderPath(windows.FOLDERID_LocalAppData, windows.KF_FLAG_DEFAULT)
		if err != nil {
			return "", fmt.Errorf("finding the local application data directory: %v", err)
		}
	}
	return filepath.Join(local, "atlassian-mcp"), nil
}

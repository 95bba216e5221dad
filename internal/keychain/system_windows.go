package keychain

import (
	"context"
	"errors"

	"golang.org/x/sys/windows"
)

const systemName = "Windows Credential Manager"

// probe says nothing: there is always a Credential Manager, and it asks nobody.
func probe(context.Context) (locked string, err error) { return "", nil }

// isLocked tells that Credential Manager serves this user but not this session, as over SSH with a key.
func isLocked(err error) bool { return errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION) }

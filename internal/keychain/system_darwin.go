package keychain

import (
	"context"
	"errors"
	"os/exec"
	"slices"
)

const systemName = "macOS Keychain"

// probe says nothing: there is always a keychain, and to ask whether it is locked may show a prompt.
func probe(context.Context) (locked string, err error) { return "", nil }

// isLocked tells by the exit status of /usr/bin/security, all that go-keyring leaves of its errors: the low
// byte of an OSStatus.
func isLocked(err error) bool {
	e, ok := errors.AsType[*exec.ExitError](err)
	return ok && slices.Contains([]int{
		36,  // errSecInteractionNotAllowed, -25308: locked, and no desktop to ask on, as over SSH
		51,  // errSecAuthFailed, -25293: wrong password
		128, // errSecUserCanceled, -128
	}, e.ExitCode())
}

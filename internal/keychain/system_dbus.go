//go:build linux || netbsd || openbsd || (dragonfly && cgo) || (freebsd && cgo)

package keychain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// This file asks the session bus about the Secret Service before go-keyring talks to it, over the
// connection that go-keyring will use. See https://specifications.freedesktop.org/secret-service.

const (
	systemName = "Secret Service"

	busVariable = "DBUS_SESSION_BUS_ADDRESS"

	secretsName      = "org.freedesktop.secrets"
	secretsPath      = "/org/freedesktop/secrets"
	secretsInterface = "org.freedesktop.Secret"
	loginCollection  = dbus.ObjectPath(secretsPath + "/collection/login")
)

// runDir holds the runtime directory of each user, by uid.
var runDir = "/run/user" // a variable for tests

// watched is the connection on which go-keyring hears when the Secret Service goes away. Only probe uses
// it, and only one call is in progress at a time.
var watched *dbus.Conn

// probe finds out whether there is a Secret Service, and why the collection that go-keyring would use is locked.
func probe(ctx context.Context) (locked string, err error) {
	address := busAddress(os.Getenv(busVariable), filepath.Join(runDir, strconv.Itoa(os.Getuid())))
	if address == "" {
		return "", &NoServiceError{"there is no D-Bus session bus"}
	}
	// Without an address godbus would run dbus-launch, which starts a bus that outlives us and that
	// nobody else finds.
	if err := os.Setenv(busVariable, address); err != nil {
		return "", err
	}
	conn, err := dbus.SessionBus()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return "", &NoServiceError{"there is no D-Bus session bus at " + address}
	case err != nil:
		return "", fmt.Errorf("connecting to the D-Bus session bus: %v", err)
	}

	if conn != watched {
		// Go-keyring waits for ever for the answer to a prompt, but takes any signal for one. So let
		// it have a signal when the service that shows the prompt goes away.
		if err := conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, secretsName)); err != nil {
			return "", fmt.Errorf("watching the Secret Service on the D-Bus session bus: %v", err)
		}
		watched = conn
	}

	bus := conn.BusObject()
	var running bool
	if err := bus.CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, secretsName).Store(&running); err != nil {
		return "", fmt.Errorf("asking the D-Bus session bus for a Secret Service: %v", err)
	}
	if !running {
		var startable []string
		if err := bus.CallWithContext(ctx, "org.freedesktop.DBus.ListActivatableNames", 0).Store(&startable); err != nil {
			return "", fmt.Errorf("asking the D-Bus session bus for a Secret Service: %v", err)
		}
		if !slices.Contains(startable, secretsName) {
			return "", &NoServiceError{"there is no Secret Service, such as GNOME Keyring or KWallet, on the D-Bus session bus"}
		}
	}

	return lockReason(ctx, conn), ctx.Err() // a service that hangs is no answer
}

// lockReason tells why the collection that go-keyring will use is locked, "" if it is not or does not say.
func lockReason(ctx context.Context, conn *dbus.Conn) string {
	property := func(object dbus.ObjectPath, iface, name string, value any) error {
		var v dbus.Variant
		err := conn.Object(secretsName, object).
			CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, name).Store(&v)
		if err != nil {
			return err
		}
		return v.Store(value)
	}

	collection := loginCollection
	var collections []dbus.ObjectPath
	if property(secretsPath, secretsInterface+".Service", "Collections", &collections) != nil ||
		!slices.Contains(collections, collection) {
		err := conn.Object(secretsName, secretsPath).
			CallWithContext(ctx, secretsInterface+".Service.ReadAlias", 0, "default").Store(&collection)
		if err != nil {
			return ""
		}
		if collection == "/" {
			return "it has no default keyring"
		}
	}
	var locked bool
	if err := property(collection, secretsInterface+".Collection", "Locked", &locked); err != nil || !locked {
		return ""
	}
	return "nobody unlocked it"
}

// busAddress returns the address of the session bus, "" if there is none: given, the value of
// DBUS_SESSION_BUS_ADDRESS, or else the socket in the user's runtime directory.
func busAddress(given, runtimeDir string) string {
	if given != "" && given != "autolaunch:" {
		for address := range strings.SplitSeq(given, ";") {
			// What else people write, such as /dev/null and disabled:, means that there is none.
			switch transport, _, _ := strings.Cut(address, ":"); transport {
			case "unix", "tcp", "nonce-tcp":
				return given
			}
		}
		return ""
	}
	socket := filepath.Join(runtimeDir, "bus")
	if _, err := os.Stat(socket); err != nil {
		return ""
	}
	return "unix:path=" + dbus.EscapeBusAddressValue(socket)
}

func isLocked(err error) bool {
	e, ok := errors.AsType[dbus.Error](err)
	return ok && e.Name == secretsInterface+".Error.IsLocked"
}

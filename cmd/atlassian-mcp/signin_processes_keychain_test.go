//go:build linux

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// TestSignInKeychain is what of TestSignInProcesses depends on the store, with a real Secret Service: GNOME Keyring.
//
// It is skipped where that is not installed, unless ATLASSIAN_MCP_PEERS is "required".
func TestSignInKeychain(t *testing.T) {
	for _, name := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(name); err != nil {
			missing := t.Skip
			if os.Getenv("ATLASSIAN_MCP_PEERS") == "required" {
				missing = t.Fatal
			}
			missing("there is no real Secret Service: apt-get install dbus gnome-keyring")
		}
	}
	program := peerProgram(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *world, *desktop)
	}{
		{"processes share a sign-in", func(t *testing.T, w *world, _ *desktop) { testProcessesShareSignIn(t, w) }},
		{"processes share a renewal", func(t *testing.T, w *world, _ *desktop) { testProcessesShareRenewal(t, w) }},
		{"sign-in of a killed process", func(t *testing.T, w *world, _ *desktop) { testSignInOfKilledProcess(t, w) }},
		{"keychain locked", testKeychainLocked},
		{"doctor finds the keychain locked", testDoctorLocked},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, program)
			test.run(t, w, startDesktop(t, w))
		})
	}
}

// testKeychainLocked locks the keychain: that is not to be signed out, and not a reason to use files.
func testKeychainLocked(t *testing.T, w *world, d *desktop) {
	w.signIn()
	d.startKeyring(false)
	s := w.start()
	s.initialize()
	s.wantError(s.call(), "locked", "unlock")
	w.want("tab=0", "metadata=0")
	d.unlock()
	s.mustCall() // the same process tries again
	s.end()
	w.want("tab=0", "refresh=0")
}

// A desktop has a session bus and a keyring on it.
type desktop struct {
	t       *testing.T
	home    string
	address string
	bus     *dbus.Conn
	keyring *exec.Cmd
}

// startDesktop puts the user of w in front of a desktop, whose keyring is open.
func startDesktop(t *testing.T, w *world) *desktop {
	t.Helper()
	home, err := os.MkdirTemp("", "desktop") // short, since it is to hold sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	d := &desktop{t: t, home: home}
	bus := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address=unix:path="+filepath.Join(home, "bus"))
	stdout, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.start(bus)
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	d.address = strings.TrimSpace(address)
	if d.bus, err = dbus.Connect(d.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.bus.Close() })
	d.startKeyring(true)
	w.env = append(slices.DeleteFunc(w.env, func(e string) bool { return strings.HasPrefix(e, tokenStoreEnv+"=") }),
		"DBUS_SESSION_BUS_ADDRESS="+d.address)
	w.noFiles = true
	return d
}

// start starts a program that lives until the end of the test.
func (d *desktop) start(cmd *exec.Cmd) {
	d.t.Helper()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "XDG_RUNTIME_DIR=" + d.home, "DBUS_SESSION_BUS_ADDRESS=" + d.address}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// unlock unlocks the keyring that is running, as its window for the password does.
func (d *desktop) unlock() {
	d.t.Helper()
	secrets := d.bus.Object("org.freedesktop.secrets", "/org/freedesktop/secrets")
	var none dbus.Variant
	secret := struct {
		Session           dbus.ObjectPath
		Parameters, Value []byte
		ContentType       string
	}{Value: []byte("password"), ContentType: "text/plain"}
	err := secrets.Call("org.freedesktop.Secret.Service.OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&none, &secret.Session)
	if err == nil {
		const unlock = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface.UnlockWithMasterPassword"
		err = secrets.Call(unlock, 0, dbus.ObjectPath("/org/freedesktop/secrets/collection/login"), secret).Err
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// startKeyring starts the keyring, in place of an earlier one, unlocked or with nobody to unlock it.
func (d *desktop) startKeyring(unlocked bool) {
	d.t.Helper()
	if d.keyring != nil {
		d.keyring.Process.Kill()
		d.keyring.Wait()
	}
	const service = "org.freedesktop.secrets"
	owners := make(chan *dbus.Signal, 16)
	d.bus.Signal(owners)
	defer d.bus.RemoveSignal(owners)
	if err := d.bus.AddMatchSignal(dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)); err != nil {
		d.t.Fatal(err)
	}
	d.keyring = exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets")
	if unlocked {
		d.keyring.Args = append(d.keyring.Args, "--unlock")
		d.keyring.Stdin = strings.NewReader("password")
	}
	d.start(d.keyring)
	for owner := range owners {
		if owner.Name == "org.freedesktop.DBus.NameOwnerChanged" && owner.Body[2] != "" {
			return
		}
	}
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// testDoctorLocked has doctor find the keychain locked: who signed in still is, and nothing is to be done but to unlock it.
func testDoctorLocked(t *testing.T, w *world, d *desktop) {
	w.signIn()
	d.startKeyring(false)
	out, _ := w.run("doctor", "--json", w.URL+"/mcp") // its status is 1
	var found diagnosed
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&found); err != nil { // what follows is standard error
		t.Fatalf("%v in %q", err, out)
	}
	if f := found.found(t, "keychain"); f.Mark != markFailed || !strings.Contains(f.Text, "locked") || !strings.Contains(f.Advice, "unlock the keychain") {
		t.Errorf("found %+v", f)
	}
	for _, check := range []string{"registration", "sign-in"} {
		if f := found.found(t, check); f.Mark != markSkipped {
			t.Errorf("found %+v", f)
		}
	}
	w.want("tab=0", "register=0")
}

// TestDoctorNoKeychain asks for a keychain where there is none.
func TestDoctorNoKeychain(t *testing.T) {
	s, u := startSandbox(t), newShell(t)
	u.env = append(u.env, "DBUS_SESSION_BUS_ADDRESS=unix:path=/no/such/bus")
	d, status := u.doctor(s.Endpoint("/v1/mcp"), "--token-store", "keychain")
	if f := d.found(t, "keychain"); status != exitFailure || f.Mark != markFailed || !strings.Contains(f.Advice, "--token-store file") {
		t.Errorf("status %d, found %+v", status, f)
	}
	d, _ = u.doctor(s.Endpoint("/v1/mcp"), "--token-store", "auto")
	if f := d.found(t, "keychain"); f.Mark != markWarned || !strings.Contains(f.Text, "there is no keychain") {
		t.Errorf("found %+v", f)
	}
}

package auth

import (
	"errors"
	"testing"
	"time"
)

// A request waits for the user no longer than Patience, while the page goes on waiting, and what follows uses what comes of it.
func TestPatience(t *testing.T) {
	w, b := newWorld(t), &browser{away: true}
	cfg := w.config(t.TempDir(), b)
	cfg.Patience = time.Millisecond
	changes := make(chan struct{}, 100)
	cfg.Changed = func() { changes <- struct{}{} }
	c := newClient(t, cfg)
	if c.Needed() {
		t.Error("the user is needed for nothing")
	}
	for range 2 {
		_, _, err := call(Interactive(t.Context()), c, "x")
		if e, ok := errors.AsType[*SignInError](err); !ok || e.URL == "" || e.URL != c.Page() {
			t.Fatalf("got %v", err)
		}
		if !c.Needed() {
			t.Error("the user is not needed")
		}
	}
	go b.visit(c.Page())
	for c.Needed() {
		<-changes
	}
	mustCall(t, c, "y")
	w.wantCounts("authorize=1", "register=1", "token:authorization_code=1")
}

// Somebody who is needed here may sign in with another program.
func TestLook(t *testing.T) {
	w, b := newWorld(t), &browser{}
	dir := t.TempDir()
	here, there := newClient(t, w.config(dir, b)), newClient(t, w.config(dir, b))
	if _, _, err := call(t.Context(), here, "x"); err == nil || !here.Needed() {
		t.Fatalf("got %v, needed %t", err, here.Needed())
	}
	if err := here.Look(t.Context()); err != nil || !here.Needed() {
		t.Fatalf("got %v, needed %t", err, here.Needed())
	}
	mustCall(t, there, "sign in")
	if err := here.Look(t.Context()); err != nil || here.Needed() {
		t.Errorf("got %v, needed %t", err, here.Needed())
	}
	if status, _, err := call(t.Context(), here, "x"); err != nil || status != 200 {
		t.Errorf("got %d, %v", status, err)
	}
	w.wantCounts("authorize=1")
}

// What the user has signed in as has a name as long as that lasts, renewals included.
func TestAccount(t *testing.T) {
	w, b := newWorld(t), &browser{}
	c := newClient(t, w.config(t.TempDir(), b))
	account := func() string {
		name, err := c.Account(t.Context())
		if err != nil {
			t.Error(err)
		}
		return name
	}
	if name := account(); name != "" {
		t.Errorf("nobody is %q", name)
	}
	mustCall(t, c, "sign in")
	first := account()
	w.refuseAll()
	mustCall(t, c, "renew")
	if name := account(); name == "" || name != first {
		t.Errorf("%q is now %q", first, name)
	}
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name := account(); name == "" || name == first {
		t.Errorf("%q is still %q", first, name)
	}
	w.wantCounts("token:refresh_token=1", "token:authorization_code=2")
}

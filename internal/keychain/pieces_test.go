package keychain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/zalando/go-keyring"
)

// A memory is a keychain whose faults are ours to choose.
type memory struct {
	mu    sync.Mutex
	items map[string]string
	fault func(op, name string) error // called before each access, without mu; nil means none
}

// errSilent makes a memory do nothing and call it a success.
var errSilent = errors.New("silent")

// store returns a Store on m, as another process would have it.
func (m *memory) store(dir string) *Store {
	return &Store{Service: "test", Dir: dir, Kind: Keychain, system: &system{
		name: "memory",
		get: func(service, name string) (value string, err error) {
			err = m.access("get", service, name, func(id string) (err error) {
				var ok bool
				if value, ok = m.items[id]; !ok {
					return keyring.ErrNotFound
				}
				return nil
			})
			return value, err
		},
		set: func(service, name, value string) error {
			if len(value) > 2560 {
				return keyring.ErrSetDataTooBig
			}
			return m.access("set", service, name, func(id string) error {
				if m.items == nil {
					m.items = make(map[string]string)
				}
				m.items[id] = value
				return nil
			})
		},
		delete: func(service, name string) error {
			return m.access("delete", service, name, func(id string) error {
				if _, ok := m.items[id]; !ok {
					return keyring.ErrNotFound
				}
				delete(m.items, id)
				return nil
			})
		},
		probe: func(context.Context) (string, error) { return "", nil },
		turn:  make(chan struct{}, 1),
	}}
}

func (m *memory) access(op, service, name string, f func(id string) error) error {
	if m.fault != nil {
		if err := m.fault(op, name); err == errSilent {
			return nil
		} else if err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(service + " " + name)
}

// secret returns n bytes that are text in no encoding.
func secret(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func TestSizes(t *testing.T) {
	const perPiece = pieceSize * 3 / 4 // base64
	for _, test := range []struct{ size, pieces int }{
		{0, 0}, {1, 1}, {perPiece - 1, 1}, {perPiece, 1}, {perPiece + 1, 2}, {5000, 3}, {100_000, 56}, {1 << 20, 583},
	} {
		t.Run(fmt.Sprint(test.size), func(t *testing.T) {
			var m memory
			s := m.store(t.TempDir())
			want := secret(test.size)
			for range 2 { // the second time over the first
				if err := s.Set(t.Context(), "key", want); err != nil {
					t.Fatal(err)
				}
				if got, err := s.Get(t.Context(), "key"); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("Get = %d bytes, %v; want the %d that were set", len(got), err, len(want))
				}
				if got := len(m.items); got != test.pieces+1 {
					t.Errorf("%d items in the keychain; want %d pieces and a manifest", got, test.pieces)
				}
				for name, value := range m.items {
					if len(value) > pieceSize {
						t.Errorf("item %q has %d bytes", name, len(value))
					}
				}
			}
			if err := s.Delete(t.Context(), "key"); err != nil {
				t.Fatal(err)
			}
			if len(m.items) != 0 {
				t.Errorf("%d items left after Delete", len(m.items))
			}
			if _, err := s.Get(t.Context(), "key"); err != ErrNotFound {
				t.Errorf("Get after Delete: %v; want ErrNotFound", err)
			}
			if err := s.Delete(t.Context(), "key"); err != nil {
				t.Errorf("Delete of nothing: %v", err)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	var m memory
	s := m.store(t.TempDir())
	if err := s.Set(t.Context(), "key", make([]byte, 10<<20)); err == nil || len(m.items) != 0 {
		t.Errorf("Set of 10 MiB = %v with %d items; want an error and none", err, len(m.items))
	}
}

// TestKeys uses keys that keychains, their command lines and file systems might misread.
func TestKeys(t *testing.T) {
	keys := []string{
		"", "plain", "a b", "it's", `"quoted"`, `back\slash`, "new\nline", "nul\x00", "é", "../up", "key#1.0",
		"https://mcp.example.com/v1/mcp?x=1#f", strings.Repeat("long", 1000),
	}
	for _, kind := range []Kind{Keychain, File} {
		t.Run(kind.String(), func(t *testing.T) {
			var m memory
			s := m.store(t.TempDir())
			s.Kind = kind
			for _, key := range keys {
				if err := s.Set(t.Context(), key, []byte("secret of "+key)); err != nil {
					t.Fatalf("Set(%q): %v", key, err)
				}
			}
			for _, key := range keys {
				if got, err := s.Get(t.Context(), key); err != nil || string(got) != "secret of "+key {
					t.Errorf("Get(%q) = %q, %v", key, got, err)
				}
			}
			for name := range m.items {
				if strings.ContainsAny(name, "'\"\\\n\x00é") || len(name) > 500 {
					t.Errorf("item name %q", name)
				}
			}
			list, err := s.List(t.Context())
			if err != nil || len(list) != len(keys) {
				t.Errorf("List = %q, %v; want %d keys", list, err, len(keys))
			}
			for _, key := range list {
				if err := s.Delete(t.Context(), key); err != nil {
					t.Errorf("Delete(%q): %v", key, err)
				}
			}
			if list, err := s.List(t.Context()); err != nil || len(list) != 0 || len(m.items) != 0 {
				t.Errorf("after Delete: List = %q, %v; %d items", list, err, len(m.items))
			}
		})
	}
}

func TestServicesAreApart(t *testing.T) {
	for _, kind := range []Kind{Keychain, File} {
		var m memory
		dir := t.TempDir()
		ours, theirs := m.store(dir), m.store(dir)
		ours.Kind, theirs.Kind, theirs.Service = kind, kind, "theirs"
		if err := ours.Set(t.Context(), "key", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.Get(t.Context(), "key"); err != ErrNotFound {
			t.Errorf("%v: Get in another service: %v; want ErrNotFound", kind, err)
		}
		if keys, err := theirs.List(t.Context()); err != nil || len(keys) != 0 {
			t.Errorf("%v: List of another service = %q, %v", kind, keys, err)
		}
	}
}

// TestCrash stops Set after each of its accesses to the keychain, and looks at what a new process finds.
func TestCrash(t *testing.T) {
	old, new := secret(5000), secret(9000)
	crash := errors.New("process killed")
	for steps := 0; ; steps++ {
		m, dir := &memory{}, t.TempDir()
		if err := m.store(dir).Set(t.Context(), "key", old); err != nil {
			t.Fatal(err)
		}
		left := steps
		m.fault = func(string, string) error {
			if left--; left < 0 {
				return crash
			}
			return nil
		}
		err := m.store(dir).Set(t.Context(), "key", new)
		finished := left >= 0
		m.fault = nil

		s := m.store(dir)
		switch got, getErr := s.Get(t.Context(), "key"); {
		case getErr != nil:
			t.Fatalf("after %d steps: Get: %v", steps, getErr)
		case !bytes.Equal(got, old) && !bytes.Equal(got, new):
			t.Fatalf("after %d steps: Get = %d bytes, neither the old secret nor the new one", steps, len(got))
		case err == nil && !bytes.Equal(got, new):
			t.Fatalf("after %d steps: Set succeeded but Get returns the old secret", steps)
		}
		// Whatever the crash left, the next Set clears it up; and so does Delete.
		if steps%2 == 0 {
			if err := s.Set(t.Context(), "key", old); err != nil {
				t.Fatal(err)
			}
			if len(m.items) != 4 {
				t.Fatalf("after %d steps and Set: %d items; want 4", steps, len(m.items))
			}
		}
		if err := s.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
		if len(m.items) != 0 {
			t.Fatalf("after %d steps and Delete: %d items are left", steps, len(m.items))
		}
		if finished {
			if steps < 5+1+3 { // what it writes and deletes
				t.Fatalf("Set took %d steps only", steps)
			}
			return
		}
	}
}

// TestFaults fails single accesses, in each way that a keychain has: with an error, and silently, as
// go-keyring does when the prompt of a Secret Service is dismissed.
func TestFaults(t *testing.T) {
	old, new := secret(3000), secret(4000)
	for _, fault := range []error{errors.New("exit status 1"), errSilent} {
		for _, op := range []string{"set", "delete"} {
			for nth := 0; ; nth++ {
				m, dir := &memory{}, t.TempDir()
				if err := m.store(dir).Set(t.Context(), "key", old); err != nil {
					t.Fatal(err)
				}
				left, hit := nth, false
				m.fault = func(o, _ string) error {
					if o != op {
						return nil
					}
					if left--; left == -1 {
						hit = true
						return fault
					}
					return nil
				}
				err := m.store(dir).Set(t.Context(), "key", new)
				m.fault = nil
				if !hit {
					break
				}
				want := old
				if err == nil {
					want = new
				}
				if got, getErr := m.store(dir).Get(t.Context(), "key"); getErr != nil || !bytes.Equal(got, want) {
					t.Errorf("%s number %d: %v: Set = %v, then Get = %d bytes, %v; want %d", op, nth, fault, err, len(got), getErr, len(want))
				}
				if op == "set" && fault == errSilent && class(err) != "locked" {
					t.Errorf("set number %d did nothing: Set = %v; want a LockedError", nth, err)
				}
			}
		}
	}
}

func TestDeleteDismissed(t *testing.T) {
	m, dir := &memory{}, t.TempDir()
	if err := m.store(dir).Set(t.Context(), "key", []byte("x")); err != nil {
		t.Fatal(err)
	}
	m.fault = func(op, _ string) error {
		if op == "delete" {
			return errSilent
		}
		return nil
	}
	if err := m.store(dir).Delete(t.Context(), "key"); class(err) != "locked" {
		t.Errorf("Delete = %v; want a LockedError", err)
	}
}

func TestDamage(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(items map[string]string, manifest, piece string)
	}{
		{"piece missing", func(items map[string]string, _, piece string) { delete(items, piece) }},
		{"piece short", func(items map[string]string, _, piece string) { items[piece] = items[piece][:100] }},
		{"piece empty", func(items map[string]string, _, piece string) { items[piece] = "" }},
		{"piece changed", func(items map[string]string, _, piece string) { items[piece] = "AAAA" + items[piece][4:] }},
		{"piece not base64", func(items map[string]string, _, piece string) { items[piece] = "?" + items[piece][1:] }},
		{"manifest empty", func(items map[string]string, manifest, _ string) { items[manifest] = "" }},
		{"manifest cut", func(items map[string]string, manifest, _ string) { items[manifest] = items[manifest][:20] }},
		{"manifest foreign", func(items map[string]string, manifest, _ string) { items[manifest] = "hunter2" }},
		{"manifest null", func(items map[string]string, manifest, _ string) { items[manifest] = "null" }},
		{"manifest negative", func(items map[string]string, manifest, _ string) {
			items[manifest] = `{"v":1,"gen":"x","n":-1,"sha256":""}`
		}},
		{"manifest huge", func(items map[string]string, manifest, _ string) {
			items[manifest] = `{"v":1,"gen":"x","n":1000000000000,"sha256":""}`
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m memory
			var log bytes.Buffer
			s := m.store(t.TempDir())
			s.Log = slog.New(slog.NewTextHandler(&log, nil))
			if err := s.Set(t.Context(), "key", secret(5000)); err != nil {
				t.Fatal(err)
			}
			var piece string
			for name := range m.items {
				if strings.HasSuffix(name, ".1") {
					piece = name
				}
			}
			test.damage(m.items, "test key", piece)

			got, err := s.Get(t.Context(), "key")
			if got != nil || !errors.Is(err, ErrNotFound) || class(err) != "corrupt" {
				t.Errorf("Get = %d bytes, %v; want a CorruptError that is ErrNotFound", len(got), err)
			}
			if !strings.Contains(log.String(), "damaged") {
				t.Errorf("not reported: log is %q", log.String())
			}
			want := secret(3000)
			if err := s.Set(t.Context(), "key", want); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Get(t.Context(), "key"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("after Set: Get = %d bytes, %v", len(got), err)
			}
			if len(m.items) != 3 {
				t.Errorf("after Set: %d items; want 3", len(m.items))
			}
		})
	}
}

// TestNewerFormat keeps what a newer version stored: neither damaged nor absent, so nobody overwrites it.
func TestNewerFormat(t *testing.T) {
	var m memory
	s := m.store(t.TempDir())
	m.items = map[string]string{"test key": `{"v":2,"parts":["a"]}`}
	if _, err := s.Get(t.Context(), "key"); class(err) != "other" {
		t.Errorf("Get = %v; want an error of no class", err)
	}
	if err := s.Set(t.Context(), "key", []byte("x")); err == nil {
		t.Error("Set overwrote it")
	}
}

// TestLostRecords loses the files next to the locks, which costs List its answer but no secret.
func TestLostRecords(t *testing.T) {
	var m memory
	if err := m.store(t.TempDir()).Set(t.Context(), "key", secret(5000)); err != nil {
		t.Fatal(err)
	}
	s := m.store(t.TempDir())
	if got, err := s.Get(t.Context(), "key"); err != nil || len(got) != 5000 {
		t.Errorf("Get = %d bytes, %v", len(got), err)
	}
	if err := s.Set(t.Context(), "key", secret(100)); err != nil {
		t.Fatal(err)
	}
	if len(m.items) != 2 {
		t.Errorf("%d items after Set; want 2", len(m.items))
	}
	if keys, err := s.List(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("List = %q, %v; want the key that was set again", keys, err)
	}
}

// TestReadWhileWriting reads without a lock while another process replaces the secret.
func TestReadWhileWriting(t *testing.T) {
	m, dir := &memory{}, t.TempDir()
	if err := m.store(dir).Set(t.Context(), "key", whole(1)); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if err := m.store(dir).Set(context.Background(), "key", whole(i)); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	s := m.store(dir)
	for range 300 {
		if got, err := s.Get(t.Context(), "key"); err != nil || !isWhole(got) {
			t.Errorf("Get = %d bytes, %v", len(got), err)
			break
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

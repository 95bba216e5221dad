package keychain

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hang makes every access to m wait until the returned function is called, and counts them.
func (m *memory) hang() (count *atomic.Int32, answer func()) {
	count, gate := new(atomic.Int32), make(chan struct{})
	m.fault = func(string, string) error {
		count.Add(1)
		<-gate
		return nil
	}
	return count, func() { close(gate) }
}

func TestHangingKeychain(t *testing.T) {
	for _, test := range []struct {
		name    string
		locked  string // what the probe says
		timeout time.Duration
		ctx     time.Duration // the caller's limit; 0 means none
		want    time.Duration
		class   string
	}{
		{name: "default limit", want: 30 * time.Second, class: "timeout"},
		{name: "own limit", timeout: time.Second, want: time.Second, class: "timeout"},
		{name: "locked", locked: "nobody unlocked it", want: 30 * time.Second, class: "locked"},
		{name: "caller gives up", ctx: time.Second, want: time.Second, class: "other"},
		{name: "locked and caller gives up", locked: "nobody unlocked it", ctx: time.Second, want: time.Second, class: "locked"},
	} {
		for name, call := range map[string]func(context.Context, *Store) error{
			"Get":    func(ctx context.Context, s *Store) error { _, err := s.Get(ctx, "key"); return err },
			"Set":    func(ctx context.Context, s *Store) error { return s.Set(ctx, "key", []byte("x")) },
			"Delete": func(ctx context.Context, s *Store) error { return s.Delete(ctx, "key") },
		} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					var m memory
					count, answer := m.hang()
					s := m.store(dir)
					s.Kind = Auto
					s.Timeout = test.timeout
					s.system.probe = func(context.Context) (string, error) { return test.locked, nil }

					ctx := t.Context()
					if test.ctx != 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, test.ctx)
						defer cancel()
					}
					start := time.Now()
					err := call(ctx, s)
					if took := time.Since(start); took != test.want {
						t.Errorf("took %v; want %v", took, test.want)
					}
					if class(err) != test.class {
						t.Errorf("error is %v; want class %q", err, test.class)
					}
					if (test.ctx != 0) != errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error is %v; want it to be DeadlineExceeded if the caller gave up", err)
					}

					// No second call beside the first, which is still out: the next waits its time too.
					start = time.Now()
					s.Timeout = time.Second
					if err := call(t.Context(), s); class(err) == "other" || err == nil {
						t.Errorf("the next call: %v", err)
					}
					if took := time.Since(start); took != time.Second {
						t.Errorf("the next call took %v; want its limit of 1s", took)
					}
					if n := count.Load(); n != 1 {
						t.Errorf("%d calls to the keychain; want 1", n)
					}

					// Somebody answers: the first call stops where it was, and all is well again.
					answer()
					synctest.Wait()
					if n := count.Load(); n != 1 {
						t.Errorf("the abandoned call went on to call %d of the keychain", n)
					}
					if err := s.Set(t.Context(), "key", []byte("y")); err != nil {
						t.Errorf("Set after the answer: %v", err)
					}
				})
			})
		}
	}
}

// TestLockOutlivesTimeout lets a Set hang under a lock that its caller then unlocks.
func TestLockOutlivesTimeout(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var m memory
		_, answer := m.hang()
		s := m.store(dir)
		unlock, err := s.Lock(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Set(t.Context(), "key", []byte("old")); class(err) != "timeout" {
			t.Fatalf("Set = %v; want a TimeoutError", err)
		}
		unlock()

		lock := func(s *Store, key string) error {
			ctx, cancel := context.WithTimeout(t.Context(), 4*lockPoll) // before a lost file is collected
			defer cancel()
			unlock, err := s.Lock(ctx, key)
			if err == nil {
				unlock()
			}
			return err
		}
		another := (&memory{}).store(dir)
		for name, s := range map[string]*Store{"the same Store": s, "another": another} {
			if err := lock(s, "key"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock by %s: %v; want it to wait for the abandoned Set", name, err)
			}
		}
		if err := another.Set(t.Context(), "key", []byte("new")); class(err) != "timeout" {
			t.Errorf("Set by another Store: %v; want a TimeoutError", err)
		}
		if err := s.Set(t.Context(), "other key", []byte("new")); class(err) != "timeout" {
			t.Errorf("Set of another key, while the abandoned Set has the turn: %v; want a TimeoutError", err)
		}
		if err := lock(another, "other key"); err != nil {
			t.Errorf("Lock of another key: %v", err)
		}

		answer()
		synctest.Wait()
		if err := lock(another, "key"); err != nil {
			t.Errorf("Lock after the abandoned Set has returned: %v", err)
		}
		if len(m.items) > 1 {
			t.Errorf("the abandoned Set went on to store %d items", len(m.items))
		}
	})
}

// TestReaderLeavesNoLock lets a Get hang under a lock: it can't overwrite anything, so it keeps nobody out.
func TestReaderLeavesNoLock(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var m memory
		_, answer := m.hang()
		defer answer()
		s := m.store(dir)
		unlock, err := s.Lock(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), "key"); class(err) != "timeout" {
			t.Errorf("Get = %v; want a TimeoutError", err)
		}
		unlock()
		unlock, err = s.Lock(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	})
}

func TestAuto(t *testing.T) {
	none := &NoServiceError{"there is no D-Bus session bus"}
	failing := errors.New("connecting to the D-Bus session bus: EOF")
	for _, test := range []struct {
		name    string
		kind    Kind
		probes  []probeResult // the last one is repeated
		backend Kind
		class   string // of Backend
		set     string // class of Set
	}{
		{"keychain", Auto, []probeResult{{}}, Keychain, "", ""},
		{"locked", Auto, []probeResult{{locked: "nobody unlocked it"}}, Keychain, "locked", ""},
		{"none", Auto, []probeResult{{err: none}}, File, "", ""},
		{"failing", Auto, []probeResult{{err: failing}}, Auto, "other", "other"},
		{"failing once", Auto, []probeResult{{err: failing}, {}}, Auto, "other", ""},
		{"gone", Auto, []probeResult{{}, {err: none}}, Keychain, "", "no service"},
		{"come later", Auto, []probeResult{{err: none}, {}}, File, "", ""},
		{"wanted but none", Keychain, []probeResult{{err: none}}, Auto, "no service", "no service"},
		{"file wanted", File, []probeResult{{}}, File, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m memory
			s := m.store(t.TempDir())
			s.Kind = test.kind
			probes := test.probes
			s.system.probe = func(context.Context) (string, error) {
				p := probes[0]
				if len(probes) > 1 {
					probes = probes[1:]
				}
				return p.locked, p.err
			}

			b, err := s.Backend(t.Context())
			if b.Kind != test.backend || class(err) != test.class && err != nil || (err == nil) != (test.class == "") {
				t.Errorf("Backend = %+v, %v; want %v, class %q", b, err, test.backend, test.class)
			}
			if wantReason := test.kind == Auto && test.backend == File; (b.Reason != "") != wantReason {
				t.Errorf("Backend's reason is %q", b.Reason)
			}
			err = s.Set(t.Context(), "key", []byte("x"))
			if (err == nil) != (test.set == "") || err != nil && class(err) != test.set {
				t.Errorf("Set = %v; want class %q", err, test.set)
			}
			if files, err := keysIn(s.Dir, sealedSuffix, "test", s.log()); err != nil || (len(files) == 1) != (b.Kind == File) {
				t.Errorf("%d files, %v, with Backend %v", len(files), err, b.Kind)
			}
		})
	}
}

type probeResult struct {
	locked string
	err    error
}

// TestPanic survives what go-keyring does when the session bus goes away while it waits for a prompt.
func TestPanic(t *testing.T) {
	var m memory
	s := m.store(t.TempDir())
	m.fault = func(string, string) error {
		var signal *struct{ name string }
		return errors.New(signal.name)
	}
	if err := s.Set(t.Context(), "key", []byte("x")); err == nil || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("Set = %v; want the panic", err)
	}
	m.fault = nil
	if err := s.Set(t.Context(), "key", []byte("x")); err != nil {
		t.Errorf("Set = %v", err)
	}
}

func TestKindText(t *testing.T) {
	for _, kind := range []Kind{Auto, Keychain, File} {
		var got Kind
		text, err := kind.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := got.UnmarshalText(text); err != nil || got != kind {
			t.Errorf("%v reads as %v, %v", kind, got, err)
		}
	}
	var k Kind
	if err := k.UnmarshalText([]byte("plaintext")); err == nil {
		t.Error("plaintext is no Kind")
	}
}

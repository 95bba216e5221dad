package keychain

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestIncrement(t *testing.T) {
	const processes, times = 8, "50"
	p := program{dir: t.TempDir(), kind: File, timeout: 5 * time.Minute}
	results := make([]result, processes)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = p.do(t, nil, "increment", "counter", times) })
	}
	wg.Wait()
	for _, r := range results {
		if r.Err != "" {
			t.Error(r.Err)
		}
	}
	if got := p.do(t, nil, "get", "counter"); string(got.Value) != "400" {
		t.Errorf("counter is %q, %s; want 400", got.Value, got.Err)
	}
}

// TestIncrementGoroutines does the same with the goroutines of one process, and pieces.
func TestIncrementGoroutines(t *testing.T) {
	m, dir := &memory{}, t.TempDir()
	shared := m.store(dir)
	var wg sync.WaitGroup
	for i := range 8 {
		s := shared
		if i%2 == 0 {
			s = m.store(dir)
		}
		wg.Go(func() {
			for range 10 {
				if err := increment(context.Background(), s, "counter"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := shared.Get(t.Context(), "counter"); err != nil || string(got) != "80" {
		t.Errorf("counter is %q, %v; want 80", got, err)
	}
}

func TestLockIsExclusive(t *testing.T) {
	p := program{dir: t.TempDir(), kind: File}
	s := &Store{Dir: p.dir, Kind: File, Timeout: 50 * time.Millisecond}
	tryLock := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		unlock, err := s.Lock(ctx, "key")
		if err == nil {
			unlock()
		}
		return err
	}

	_, stop := p.start(t, "hold", "key")
	if err := tryLock(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock of a key that another process holds: %v; want DeadlineExceeded", err)
	}
	if err := s.Set(t.Context(), "key", nil); class(err) != "timeout" {
		t.Errorf("Set of a key that another process holds: %v; want a TimeoutError", err)
	}
	if _, err := s.Get(t.Context(), "key"); err != ErrNotFound {
		t.Errorf("Get of a key that another process holds: %v; want ErrNotFound at once", err)
	}
	if err := s.Set(t.Context(), "other", nil); err != nil {
		t.Errorf("Set of another key: %v", err)
	}
	stop()
	if err := tryLock(); err != nil {
		t.Errorf("Lock after unlock: %v", err)
	}

	// The lock ends with its process, however that ends.
	holder, stop := p.start(t, "hold", "key")
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := tryLock(); err != nil {
		t.Errorf("Lock after its holder was killed: %v", err)
	}

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lock(canceled, "key"); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock with a canceled context: %v", err)
	}
}

func TestUnlockTwice(t *testing.T) {
	s := &Store{Dir: t.TempDir(), Kind: File}
	first, err := s.Lock(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	first()
	second, err := s.Lock(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer second()
	first()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "key"); err == nil {
		t.Error("a second call of unlock released somebody else's lock")
	}
}

// TestChildrenDontInherit kills a process that holds a lock and has a child, which lives on.
func TestChildrenDontInherit(t *testing.T) {
	p := program{dir: t.TempDir(), kind: File}
	holder, stop := p.start(t, "hold-and-spawn", "key", "another key")
	defer stop() // ends the grandchild
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Process.Wait()

	s := &Store{Dir: p.dir, Kind: File}
	for key, want := range map[string]error{"key": nil, "another key": context.DeadlineExceeded} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		unlock, err := s.Lock(ctx, key)
		if !errors.Is(err, want) {
			t.Errorf("Lock(%q) = %v; want %v, as the child lives and holds only its own lock", key, err, want)
		}
		if err == nil {
			unlock()
		}
	}
}

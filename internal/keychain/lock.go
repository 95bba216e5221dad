package keychain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a waiting process looks whether a lock is free: the system can wait for a file
// lock, but not until a context ends.
const lockPoll = 25 * time.Millisecond

// A lock is a file that this process has locked. The caller of Lock and each Set and Delete in progress
// use it, and the last one to release it unlocks the file. The file stays, since removing it would give
// the same lock to one process by the old file and to another by the new one.
type lock struct {
	store *Store
	file  *flock.Flock
	users int // guarded by store.mu
}

// Lock waits until no other process, and no other caller in this one, holds the lock of key. Until unlock
// is called, Set and Delete of key wait everywhere but in this Store; Get never waits. There need not be
// a secret under key.
//
// A lock is never broken, but it ends with the process. If a Set or Delete of this Store has timed out,
// unlock leaves the lock to it until its call to the keychain returns, so that an old value can't
// overwrite a newer one. Children don't inherit the lock.
//
// Lock waits as long as ctx lets it: others may hold the lock while a person signs in.
func (s *Store) Lock(ctx context.Context, key string) (unlock func(), err error) {
	l, err := s.acquire(ctx, key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[string]*lock)
	}
	s.held[l.file.Path()] = l
	return sync.OnceFunc(func() {
		s.mu.Lock()
		delete(s.held, l.file.Path())
		s.mu.Unlock()
		l.release()
	}), nil
}

// share returns the lock of key that this Store holds, or else takes it.
func (s *Store) share(ctx context.Context, key string) (*lock, error) {
	path, err := s.lockPath(key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if l := s.held[path]; l != nil {
		l.users++
		s.mu.Unlock()
		return l, nil
	}
	s.mu.Unlock()
	return s.acquire(ctx, key)
}

func (s *Store) acquire(ctx context.Context, key string) (*lock, error) {
	path, err := s.lockPath(key)
	if err != nil {
		return nil, err
	}
	if err := makePrivate(filepath.Dir(path)); err != nil {
		return nil, err
	}
	l := &lock{store: s, file: flock.New(path), users: 1}
	switch _, err := l.file.TryLockContext(ctx, lockPoll); {
	case ctx.Err() != nil && err != nil:
		return nil, fmt.Errorf("waiting for another process: %w", context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("locking %q: %v", path, err)
	}
	return l, nil
}

// release ends one use of l, which may be nil.
func (l *lock) release() {
	if l == nil {
		return
	}
	l.store.mu.Lock()
	l.users--
	last := l.users == 0
	l.store.mu.Unlock()
	if last {
		if err := l.file.Unlock(); err != nil {
			l.store.log().Warn("cannot unlock", "path", l.file.Path(), "err", err)
		}
	}
}

func (s *Store) lockPath(key string) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, fileName(s.service(), key)+".lock"), nil
}

// makePrivate makes dir a directory that only the user can enter.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(dir, 0o700)
}

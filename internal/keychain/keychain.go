// Package keychain keeps opaque secrets between runs, whatever their size, for one process at a time.
//
//	Store.Get ─────────────┐
//	Store.Set ── lock.go ──┤ call.go: one call at a time, at most Timeout
//	Store.Delete ── ″ ─────┘   ├─ pieces.go ─▶ go-keyring ─▶ the keychain of the operating system
//	Store.Lock ─── ″           └─ file.go ───▶ one file per key, mode 0600
//
// # Sizes
//
// Keychains hold small values: 2,560 bytes on Windows, about 3,000 on macOS. A secret is therefore cut into
// pieces on every system, committed by a manifest that is written last (pieces.go).
//
// # Waiting
//
// A keychain may ask a person to unlock it, and wait for ever. No method waits longer than [Store].Timeout.
// Go-keyring can't be interrupted, so a call that took too long goes on alone; there is at most one such call
// in a process, since the next waits for it, and what it may still write is covered by the lock of its
// key, which is not released before the call returns or the process ends (lock.go).
//
// # Which store
//
// [Auto] means the keychain, and files only where there is no keychain service at all. A keychain that is
// locked, or does not answer, is an error ([LockedError], [TimeoutError]) and never a reason to use files.
package keychain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A Store is a namespace of secrets. Its zero value is ready to use. Its methods may be called by several
// goroutines.
type Store struct {
	Service string        // groups the secrets in the keychain; "" means atlassian-mcp
	Dir     string        // lock files, records of what is in the keychain, files; "" means StateDir()
	Kind    Kind          // where secrets are kept
	Timeout time.Duration // limit of each method but Lock; 0 means 30 s
	Log     *slog.Logger  // damaged secrets and unfinished cleaning; nil means discard

	system *system // nil means the operating system's; tests of faults bring their own

	mu   sync.Mutex       // guards auto and held
	auto *Backend         // what Auto came to, once that is known
	held map[string]*lock // taken by Lock and not yet unlocked, by lock file
}

// A Kind says where a Store keeps secrets. It reads and prints as auto, keychain or file, and works with
// [flag.TextVar].
type Kind int

const (
	Auto     Kind = iota // Keychain, or File where there is no keychain service at all
	Keychain             // the keychain of the operating system
	File                 // files that only the user can read, not encrypted
)

var kindNames = [...]string{"auto", "keychain", "file"}

func (k Kind) String() string { return kindNames[k] }

// MarshalText implements [encoding.TextMarshaler].
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if string(text) == name {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("%q is none of auto, keychain and file", text)
}

// A Backend tells people where secrets are kept.
type Backend struct {
	Kind   Kind   `json:"kind"`             // Keychain or File
	Name   string `json:"name"`             // such as Secret Service; the directory of File
	Reason string `json:"reason,omitempty"` // why Auto came to File: what is missing
}

// ErrNotFound says that there is no secret under this key.
var ErrNotFound = errors.New("secret not found")

// A NoServiceError says that this system, or this session, has no keychain service. It is what makes Auto
// use files; Keychain reports it.
type NoServiceError struct {
	Reason string // what is missing
}

func (e *NoServiceError) Error() string { return "no keychain: " + e.Reason }

// A LockedError says that the keychain is there but closed to us: it is locked and nobody unlocked it,
// somebody dismissed its prompt, or this session may not open it. A person can help.
type LockedError struct {
	Name   string // of the keychain
	Reason string
	Err    error // what the keychain said, or the end of the context; may be nil
}

func (e *LockedError) Error() string {
	text := "keychain (" + e.Name + ") is locked: " + e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns e.Err, which is the context's error when the caller gave up.
func (e *LockedError) Unwrap() error { return e.Err }

// A TimeoutError says that a keychain, a disk or another process that holds the lock took too long.
type TimeoutError struct {
	Doing string
	Limit time.Duration
}

func (e *TimeoutError) Error() string { return fmt.Sprintf("%s took longer than %v", e.Doing, e.Limit) }

// A CorruptError says that a secret is there but damaged. In the keychain that is as good as none: the
// error is also ErrNotFound. A damaged file is left alone, since somebody may be able to repair it.
type CorruptError struct {
	Path   string // the damaged file; "" in the keychain
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Path == "" {
		return "damaged secret in keychain: " + e.Reason
	}
	return fmt.Sprintf("damaged secret file %q: %s", e.Path, e.Reason)
}

// Is reports that a secret damaged in the keychain is not found.
func (e *CorruptError) Is(target error) bool { return target == ErrNotFound && e.Path == "" }

// A vault holds whole secrets: pieces in a keychain, or files.
type vault interface {
	get(ctx context.Context, key string) ([]byte, error)
	set(ctx context.Context, key string, secret []byte) error
	delete(ctx context.Context, key string) error
	keys() ([]string, error)
}

// Get returns the secret kept under key. Its errors are ErrNotFound, *CorruptError, *LockedError,
// *NoServiceError, *TimeoutError, the context's, and what else the keychain or the disk may say.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := s.limit(ctx, "reading a secret")
	defer cancel()
	var secret []byte
	err := s.do(ctx, nil, func(v vault) (err error) {
		secret, err = v.get(ctx, key)
		return err
	})
	if err != nil {
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			s.log().Warn("secret is damaged", "reason", corrupt.Reason, "path", corrupt.Path)
		}
		return nil, err // and not secret, which an abandoned call may yet write
	}
	return secret, nil
}

// Set keeps secret under key. It takes the lock of key unless this Store holds it. After an error, or a
// crash, Get returns the old secret or the new one; after nil the new one has been read back. The errors
// are those of Get but for ErrNotFound.
func (s *Store) Set(ctx context.Context, key string, secret []byte) error {
	secret = bytes.Clone(secret) // the caller's again when an abandoned call still needs it
	return s.change(ctx, "storing a secret", key, func(ctx context.Context, v vault) error {
		return v.set(ctx, key, secret)
	})
}

// Delete forgets the secret kept under key; that there is none is no error. It takes the lock of key
// unless this Store holds it. The errors are those of Set.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.change(ctx, "deleting a secret", key, func(ctx context.Context, v vault) error {
		return v.delete(ctx, key)
	})
}

func (s *Store) change(ctx context.Context, doing, key string, f func(context.Context, vault) error) error {
	ctx, cancel := s.limit(ctx, doing)
	defer cancel()
	l, err := s.share(ctx, key)
	if err != nil {
		return err
	}
	return s.do(ctx, l, func(v vault) error { return f(ctx, v) })
}

// List returns the keys under which this Store, or another with its Service and Dir, keeps secrets, in
// order. Keychains cannot be enumerated on every system, so it reads our own records in Dir; a secret
// that somebody removed from the keychain by hand is still listed until it is deleted or set.
func (s *Store) List(ctx context.Context) ([]string, error) {
	ctx, cancel := s.limit(ctx, "listing secrets")
	defer cancel()
	var keys []string
	err := s.do(ctx, nil, func(v vault) (err error) {
		keys, err = v.keys()
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// Backend tells which store is in use and why. It asks nobody to unlock anything. The error says why the
// store can't be used now; with a *LockedError the Backend is valid.
func (s *Store) Backend(ctx context.Context) (Backend, error) {
	ctx, cancel := s.limit(ctx, "looking for a keychain")
	defer cancel()
	var b Backend
	var locked string
	err := s.sys().run(ctx, nil, func() (err error) {
		b, locked, err = s.choose(ctx)
		return err
	})
	if err != nil {
		return Backend{}, err
	}
	if locked != "" {
		return b, &LockedError{Name: b.Name, Reason: locked}
	}
	return b, nil
}

// do calls f with the vault in use, holding l if that is not nil, and gives up on f when ctx ends.
func (s *Store) do(ctx context.Context, l *lock, f func(vault) error) error {
	return s.sys().run(ctx, l, func() error {
		b, _, err := s.choose(ctx)
		if err != nil {
			return err
		}
		dir, err := s.dir()
		if err != nil {
			return err
		}
		if b.Kind == File {
			return f(files{dir, s.service(), s.log()})
		}
		return f(pieces{system: s.sys(), dir: dir, service: s.service(), log: s.log()})
	})
}

// choose returns the store in use, and the reason why it is locked if it is. What Auto comes to is settled
// once in the life of a Store: a session bus that goes away in between must not split the user's secrets.
func (s *Store) choose(ctx context.Context) (b Backend, locked string, err error) {
	s.mu.Lock()
	auto := s.auto
	s.mu.Unlock()
	switch {
	case s.Kind == File:
		dir, err := s.dir()
		return Backend{Kind: File, Name: dir}, "", err
	case auto != nil && auto.Kind == File:
		return *auto, "", nil
	}

	b = Backend{Kind: Keychain, Name: s.sys().name}
	locked, err = s.sys().look(ctx)
	if none, ok := errors.AsType[*NoServiceError](err); ok && s.Kind == Auto && auto == nil {
		dir, err := s.dir()
		if err != nil {
			return Backend{}, "", err
		}
		b, locked = Backend{Kind: File, Name: dir, Reason: none.Reason}, ""
	} else if err != nil {
		return Backend{}, "", err
	}
	s.mu.Lock()
	s.auto = &b
	s.mu.Unlock()
	return b, locked, nil
}

// limit returns ctx with the Store's limit, whose cause is a *TimeoutError.
func (s *Store) limit(ctx context.Context, doing string) (context.Context, context.CancelFunc) {
	limit := s.Timeout
	if limit == 0 {
		limit = 30 * time.Second // for a person to find and answer the keychain's prompt
	}
	return context.WithTimeoutCause(ctx, limit, &TimeoutError{doing, limit})
}

func (s *Store) service() string {
	if s.Service == "" {
		return "atlassian-mcp"
	}
	return s.Service
}

func (s *Store) dir() (string, error) {
	if s.Dir != "" {
		return s.Dir, nil
	}
	return StateDir()
}

func (s *Store) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func (s *Store) sys() *system {
	if s.system == nil {
		return &osKeychain
	}
	return s.system
}

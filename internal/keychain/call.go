package keychain

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/zalando/go-keyring"
)

// A system is a keychain as operating systems offer it: small values by service and name, in calls that
// cannot be interrupted. The functions are go-keyring's, but in tests of faults that can't be had for real.
type system struct {
	name   string
	get    func(service, name string) (string, error)
	set    func(service, name, value string) error
	delete func(service, name string) error

	// probe tells without asking a person why the keychain is locked, "" if it is not. Its error is a
	// *NoServiceError if there is none.
	probe func(context.Context) (locked string, err error)

	// turn holds a token while a call is in progress. Go-keyring takes the next signal on its D-Bus
	// connection for the answer to its prompt, so that two calls at once would mix up two prompts.
	turn chan struct{}

	locked atomic.Pointer[string] // what probe said to the call in progress; nil if that is not known
}

var osKeychain = system{
	name:   systemName,
	get:    keyring.Get,
	set:    keyring.Set,
	delete: keyring.Delete,
	probe:  probe,
	turn:   make(chan struct{}, 1),
}

// run waits for its turn, calls f and releases l. When ctx ends first it returns the reason. An f in
// progress is then left alone with l until it returns, which it does at its next look at ctx: it is the
// one goroutine of this package that nobody waits for.
func (s *system) run(ctx context.Context, l *lock, f func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		l.release()
		return s.gaveUp(ctx)
	}
	done := make(chan error, 1)
	go func() {
		err := f()
		if err != nil && ctx.Err() != nil {
			err = s.gaveUp(ctx) // whatever f called, it ended because ctx did
		}
		s.locked.Store(nil)
		l.release()
		<-s.turn
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	default:
		return s.gaveUp(ctx)
	}
}

// gaveUp returns the error of a call whose ctx has ended.
func (s *system) gaveUp(ctx context.Context) error {
	if locked := s.locked.Load(); locked != nil && *locked != "" {
		return &LockedError{s.name, *locked, context.Cause(ctx)}
	}
	return context.Cause(ctx)
}

// look is probe, whose answer it keeps to explain what happens to the call in progress.
func (s *system) look(ctx context.Context) (locked string, err error) {
	locked, err = s.probe(ctx)
	s.locked.Store(&locked)
	return locked, err
}

// read returns the value of an item, or ErrNotFound.
func (s *system) read(ctx context.Context, service, name string) (string, error) {
	if ctx.Err() != nil {
		return "", s.gaveUp(ctx)
	}
	var value string
	err := s.call(func() (err error) {
		value, err = s.get(service, name)
		return err
	})
	return value, err
}

// write stores an item and reads it back: a Secret Service whose prompt is dismissed stores nothing, and
// go-keyring calls that a success.
func (s *system) write(ctx context.Context, service, name, value string) error {
	if ctx.Err() != nil {
		return s.gaveUp(ctx)
	}
	if err := s.call(func() error { return s.set(service, name, value) }); err != nil {
		return err
	}
	switch kept, err := s.read(ctx, service, name); {
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	case err != nil || kept != value:
		return &LockedError{Name: s.name, Reason: "it did not keep what it was given, as if its prompt was dismissed"}
	}
	return nil
}

// remove deletes an item and makes sure that it is gone. That there is none is no error.
func (s *system) remove(ctx context.Context, service, name string) error {
	if ctx.Err() != nil {
		return s.gaveUp(ctx)
	}
	if err := s.call(func() error { return s.delete(service, name) }); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	switch _, err := s.read(ctx, service, name); {
	case err == nil:
		return &LockedError{Name: s.name, Reason: "it did not delete what it was asked to, as if its prompt was dismissed"}
	case !errors.Is(err, ErrNotFound):
		return err
	}
	return nil
}

// call calls go-keyring and returns our error for its.
func (s *system) call(f func() error) (err error) {
	// Go-keyring asserts the types of what a Secret Service answers, and dereferences nil when the bus
	// goes away while it waits for a prompt.
	defer func() {
		if r := recover(); r != nil {
			err = s.explain(fmt.Errorf("go-keyring: %v", r))
		}
	}()
	return s.explain(f())
}

// explain returns our error for one of go-keyring's.
func (s *system) explain(err error) error {
	switch locked := s.locked.Load(); {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNotFound
	case isLocked(err):
		return &LockedError{s.name, "it would not open", err}
	case locked != nil && *locked != "":
		return &LockedError{s.name, *locked, err}
	default:
		return fmt.Errorf("keychain (%s): %v", s.name, err)
	}
}

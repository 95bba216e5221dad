package keychain

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// secretFile returns the one secret file in dir.
func secretFile(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+sealedSuffix))
	if err != nil || len(paths) != 1 {
		t.Fatalf("secret files: %q, %v; want one", paths, err)
	}
	return paths[0]
}

func TestFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // which has other means
	}
	for _, kind := range []Kind{Keychain, File} {
		for _, mode := range []fs.FileMode{0, 0o755, 0o700} { // of the directory before; 0 means there is none
			var m memory
			dir := filepath.Join(t.TempDir(), "a", "b")
			if mode != 0 {
				if err := os.MkdirAll(dir, mode); err != nil {
					t.Fatal(err)
				}
			}
			s := m.store(dir)
			s.Kind = kind
			if err := s.Set(t.Context(), "https://key.example", []byte("hunter2")); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(dir)
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%v: directory is %v, %v; want 0700", kind, info.Mode(), err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 2 {
				t.Errorf("%v: %d files, %v; want a lock and a record or secret", kind, len(entries), err)
			}
			for _, entry := range entries {
				if info, err := entry.Info(); err != nil || info.Mode() != 0o600 {
					t.Errorf("%v: %s is %v, %v; want 0600", kind, entry.Name(), info.Mode(), err)
				}
				if strings.Contains(entry.Name(), "key") {
					t.Errorf("%v: the name of %s tells the key", kind, entry.Name())
				}
			}
		}
	}
}

func TestDamagedFile(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"null", func([]byte) []byte { return []byte("null") }},
		{"more", func(b []byte) []byte { return append(b, '}') }},
		{"secret changed", func(b []byte) []byte {
			i := bytes.Index(b, []byte(`"secret":"`)) + len(`"secret":"`)
			b[i] ^= 1
			return b
		}},
		{"another key's", func(b []byte) []byte { return bytes.Replace(b, []byte(`"key":"key"`), []byte(`"key":"yek"`), 1) }},
		{"newer", func(b []byte) []byte { return bytes.Replace(b, []byte(`"v":1`), []byte(`"v":2`), 1) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &Store{Dir: t.TempDir(), Kind: File}
			if err := s.Set(t.Context(), "key", []byte("a secret of some length")); err != nil {
				t.Fatal(err)
			}
			path := secretFile(t, s.Dir)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := test.damage(data)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}

			got, err := s.Get(t.Context(), "key")
			if got != nil || class(err) != "corrupt" || errors.Is(err, ErrNotFound) {
				t.Errorf("Get = %q, %v; want a CorruptError that is not ErrNotFound", got, err)
			} else if !strings.Contains(err.Error(), path) {
				t.Errorf("Get: %v; want the path %s", err, path)
			}
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, damaged) {
				t.Errorf("Get changed the file: %q, %v", left, err)
			}
			if err := s.Set(t.Context(), "key", []byte("new")); err != nil {
				t.Errorf("Set: %v", err)
			}
			if got, err := s.Get(t.Context(), "key"); err != nil || string(got) != "new" {
				t.Errorf("Get after Set = %q, %v", got, err)
			}
		})
	}
}

// TestUnreadable must not say that there is no secret when it can't know.
func TestUnreadable(t *testing.T) {
	s := &Store{Dir: t.TempDir(), Kind: File}
	if err := s.Set(t.Context(), "key", []byte("x")); err != nil {
		t.Fatal(err)
	}
	path := secretFile(t, s.Dir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // not even root can read this as a file
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "key"); err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), path) {
		t.Errorf("Get = %v; want an error with the path that is not ErrNotFound", err)
	}
}

// TestKilled kills processes that do nothing but Set.
func TestKilled(t *testing.T) {
	p := program{dir: t.TempDir(), kind: File}
	s := &Store{Dir: p.dir, Kind: File}
	for range 10 {
		cmd, stop := p.start(t, "overwrite", "key")
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		stop()
		if got, err := s.Get(context.Background(), "key"); err != nil || !isWhole(got) {
			t.Fatalf("Get = %d bytes, %v", len(got), err)
		}
	}
	if err := s.Set(t.Context(), "key", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(p.dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want the lock and the secret, and nothing left behind", entries, err)
	}
}

func TestZeroStore(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("LocalAppData", home)
	s := &Store{Kind: File}
	if err := s.Set(t.Context(), "key", []byte("x")); err != nil {
		t.Fatal(err)
	}
	dir, err := StateDir()
	if err != nil || !strings.HasPrefix(dir, home) {
		t.Fatalf("StateDir = %q, %v", dir, err)
	}
	secretFile(t, dir)
}

package keychain

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"testing"
)

// FuzzSealed reads secrets from files that may hold anything. Only what has been stored whole is one.
func FuzzSealed(f *testing.F) {
	store := files{f.TempDir(), "s", slog.New(slog.DiscardHandler)}
	const key = "k"
	if err := store.set(f.Context(), key, []byte("canary")); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(store.path(key))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		store := store
		store.dir = t.TempDir()
		if err := os.WriteFile(store.path(key), data, 0o600); err != nil {
			t.Fatal(err)
		}
		secret, err := store.get(t.Context(), key)
		if corrupt := (*CorruptError)(nil); err != nil && !errors.As(err, &corrupt) {
			t.Errorf("%v", err)
		}
		keys, listed := store.keys()
		if listed != nil || err == nil && (len(keys) != 1 || keys[0] != key) {
			t.Errorf("keys %q, %v", keys, listed)
		}
		if err != nil {
			return
		}
		if err := store.set(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
		if again, err := store.get(t.Context(), key); err != nil || !bytes.Equal(again, secret) {
			t.Errorf("%q became %q, %v", secret, again, err)
		}
	})
}

// FuzzManifest reads manifests and records. No number in them may have us ask the keychain for ever.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"v":1,"gen":"G","n":2,"sha256":"00"}`))
	f.Add([]byte(`{"v":1,"n":1001}`))
	f.Add([]byte(`{"v":2,"n":-1}`))
	f.Add([]byte(`{"service":"s","key":"k","generations":{"G":2}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseManifest(string(data)); err == nil && (m.V != manifestVersion || m.N < 0 || m.N > maxPieces) {
			t.Errorf("%s is taken for %+v", data, m)
		}
		p := pieces{dir: t.TempDir(), service: "s", log: slog.New(slog.DiscardHandler)}
		if err := os.WriteFile(p.recordPath("k"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		generations := p.recorded("k")
		p.record("k", with(generations, "new", 1))
		again := p.recorded("k")
		if again["new"] != 1 || len(again) > len(generations)+1 {
			t.Errorf("%v became %v", generations, again)
		}
	})
}

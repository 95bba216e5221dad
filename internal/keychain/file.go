package keychain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// This file implements secrets in files that only the user can read, one per key, replaced as a whole.

type files struct {
	dir     string
	service string
	log     *slog.Logger
}

// A sealed is what a file holds: the secret, whose it is, and how to know that it is whole.
type sealed struct {
	V       int    `json:"v"` // sealedVersion
	Service string `json:"service"`
	Key     string `json:"key"`
	SHA256  string `json:"sha256"`
	Secret  []byte `json:"secret"`
}

const (
	sealedVersion = 1
	sealedSuffix  = ".secret"
)

func (f files) path(key string) string {
	return filepath.Join(f.dir, fileName(f.service, key)+sealedSuffix)
}

func (f files) get(_ context.Context, key string) ([]byte, error) {
	path := f.path(key)
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var s sealed
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, &CorruptError{path, err.Error()}
	}
	switch sum := sha256.Sum256(s.Secret); {
	case s.V > sealedVersion:
		return nil, &CorruptError{path, "it was written by a newer version of this program"}
	case s.V != sealedVersion || s.Service != f.service || s.Key != key:
		return nil, &CorruptError{path, "it is not the secret that its name says"}
	case hex.EncodeToString(sum[:]) != s.SHA256:
		return nil, &CorruptError{path, "its hash is wrong"}
	}
	return s.Secret, nil
}

func (f files) set(_ context.Context, key string, secret []byte) error {
	sum := sha256.Sum256(secret)
	data, err := json.Marshal(sealed{sealedVersion, f.service, key, hex.EncodeToString(sum[:]), secret})
	if err != nil {
		return err
	}
	path := f.path(key)
	if err := replaceFile(path, data); err != nil {
		return err
	}
	// Read back, like the pieces in a keychain.
	switch kept, err := readFile(path); {
	case err != nil:
		return err
	case !bytes.Equal(kept, data):
		return &CorruptError{path, "it does not hold what was just written"}
	}
	return nil
}

func (f files) delete(_ context.Context, key string) error {
	return removeFile(f.path(key))
}

func (f files) keys() ([]string, error) {
	return keysIn(f.dir, sealedSuffix, f.service, f.log)
}

// fileName returns what the files of key are called, but for the suffix. Keys may hold addresses and
// names that are nobody's business, and characters that no file name may have.
func fileName(service, key string) string {
	sum := sha256.Sum256([]byte(service + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// keysIn returns, in order, the keys in the records or sealed secrets of service. It skips what it can't read.
func keysIn(dir, suffix, service string, log *slog.Logger) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), suffix) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		var owner struct{ Service, Key string }
		data, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err == nil {
			err = json.Unmarshal(data, &owner)
		}
		if err != nil {
			log.Warn("cannot tell whose secret this is", "path", path, "err", err)
			continue
		}
		if owner.Service == service {
			keys = append(keys, owner.Key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// replaceFile makes data the content of path, readable by the user alone. A crash or an error leaves the
// old content. The caller holds the lock of path's key: the temporary file always has the same name, so
// that one left by a crash is overwritten rather than forgotten.
func replaceFile(path string, data []byte) (err error) {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := patiently(func() error { return os.Rename(temp, path) }); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in dir survive a power failure. Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems can't sync directories; they rename as durably as they know how.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

func readFile(path string) (data []byte, err error) {
	err = patiently(func() error {
		data, err = os.ReadFile(path)
		return err
	})
	return data, err
}

func removeFile(path string) error {
	err := patiently(func() error { return os.Remove(path) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// patiently calls f, on Windows for up to a second as long as it fails because another process has the
// file open: there a file can't be opened, replaced or removed at the moment when another process does so.
func patiently(f func() error) error {
	const sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
	err := f()
	for i := 0; i < 50 && runtime.GOOS == "windows" &&
		(errors.Is(err, sharingViolation) || errors.Is(err, fs.ErrPermission)); i++ {
		time.Sleep(20 * time.Millisecond)
		err = f()
	}
	return err
}

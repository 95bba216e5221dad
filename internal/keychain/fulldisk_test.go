//go:build unix

package keychain

import (
	"bytes"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// limitVariable makes a child's files end at a size, as a full disk does.
const limitVariable = "KEYCHAIN_TEST_FILE_LIMIT"

func init() {
	if os.Getenv(limitVariable) == "" {
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // the write fails with EFBIG instead
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		panic(err)
	}
}

func TestFullDisk(t *testing.T) {
	p := program{dir: t.TempDir(), kind: File}
	old := secret(1000)
	if r := p.do(t, old, "set", "key"); r.Err != "" {
		t.Fatal(r.Err)
	}
	full := p
	full.env = append(os.Environ(), limitVariable+"=1")
	if r := full.do(t, secret(100_000), "set", "key"); r.Class != "other" {
		t.Errorf("Set on a full disk: %q, %s; want an error", r.Class, r.Err)
	}
	if r := full.do(t, nil, "get", "key"); !bytes.Equal(r.Value, old) {
		t.Errorf("after that: Get = %d bytes, %s; want the old %d", len(r.Value), r.Err, len(old))
	}
	if entries, err := os.ReadDir(p.dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v; want the lock and the secret", entries, err)
	}
	if r := full.do(t, []byte("small"), "set", "key"); r.Err != "" {
		t.Errorf("Set of less: %s", r.Err)
	}
}

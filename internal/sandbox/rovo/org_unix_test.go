//go:build unix

package rovo

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDataFileLinked changes an organization whose file is somewhere else, and there for others to read.
func TestDataFileLinked(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "acme.json"), filepath.Join(dir, "link.json")
	if _, err := Open(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	o, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	addComponent(t, o, "mailer")
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	again, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if !hasComponent(t, again, "mailer") {
		t.Error("the file was not written")
	}
}

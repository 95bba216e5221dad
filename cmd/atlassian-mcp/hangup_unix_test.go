//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWatchHangup(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	gone := make(chan struct{})
	stop := watchHangup(w, func() { close(gone) })
	if _, err := w.WriteString("not yet read"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Error("hang-up of a pipe whose reader is there")
	default:
	}
	r.Close()
	<-gone
	stop()
}

// TestStopWatch checks that stop ends a watch of which nothing has come.
func TestStopWatch(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, f := range []*os.File{w, file} {
		stop := watchHangup(f, func() { t.Errorf("hang-up of %s", f.Name()) })
		stop()
	}
}

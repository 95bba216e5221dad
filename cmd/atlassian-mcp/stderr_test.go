package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatientWriter has what is written arrive whole and in order, close included.
func TestPatientWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got, want bytes.Buffer
		w, closeWriter := newPatientWriter(&got)
		for i := range 1000 {
			line := fmt.Sprintln("line", i)
			want.WriteString(line)
			if n, err := io.WriteString(w, line); n != len(line) || err != nil {
				t.Fatalf("wrote %d of %d bytes, %v", n, len(line), err)
			}
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		closeWriter()
		if got.String() != want.String() {
			t.Errorf("%d bytes arrived, want the %d that were written", got.Len(), want.Len())
		}
	})
}

// TestPatientWriterUnread has nobody read for a while, or ever.
func TestPatientWriterUnread(t *testing.T) {
	for name, test := range map[string]struct{ read bool }{"later": {true}, "never": {false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, out := io.Pipe()
				w, closeWriter := newPatientWriter(out)
				began := time.Now()
				line := strings.Repeat("x", 99) + "\n"
				for range 3 * maxUnread / len(line) {
					if n, err := io.WriteString(w, line); n != len(line) || err != nil {
						t.Fatalf("wrote %d bytes, %v", n, err)
					}
					synctest.Wait() // the first line is on its way to the reader
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("writing took %v", took)
				}
				got := make(chan []byte, 1)
				if test.read {
					go func() {
						all, _ := io.ReadAll(r)
						got <- all
					}()
					synctest.Wait()
					io.WriteString(w, "after\n") // there is room again
				}
				began = time.Now()
				closeWriter()
				if took := time.Since(began); took > unreadGrace || test.read && took != 0 {
					t.Errorf("close took %v", took)
				}
				r.Close() // ends the write that is under way, as the end of the program does
				out.Close()
				if !test.read {
					return
				}
				text := string(<-got)
				lines := strings.TrimSuffix(text, "after\n")
				if n := len(lines); lines == text || n < maxUnread-len(line) || n > maxUnread+len(line) || strings.Trim(lines, "x\n") != "" || n%len(line) != 0 {
					t.Errorf("%d bytes arrived, want whole lines, %d bytes at most, and what was written after them", n, maxUnread)
				}
			})
		})
	}
}

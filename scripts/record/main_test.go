//go:build !windows

package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPicture records the demo, and compares it with the picture in README, but for the times.
func TestPicture(t *testing.T) {
	lines, err := record()
	if err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	if err := draw(&picture, lines); err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile(filepath.Join("..", "..", ".github", "demo.svg"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := shown(t, picture.Bytes()), shown(t, committed)
	if !slices.Equal(got, want) {
		t.Errorf("the demo has changed; run go run ./scripts/record > .github/demo.svg\n%s\n\nit was\n\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := got[len(got)-1]; len(got) < 10 || !strings.HasPrefix(last, "registrations: 1,") {
		t.Errorf("%d lines, the last is %q", len(got), last)
	}
}

// shown returns the lines of a picture, without what differs from run to run.
func shown(t *testing.T, picture []byte) (lines []string) {
	t.Helper()
	times := regexp.MustCompile(` *[0-9.]+ ms`)
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "text" {
			var line string
			if err := d.DecodeElement(&line, &start); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, times.ReplaceAllString(line, " … ms"))
		}
	}
}

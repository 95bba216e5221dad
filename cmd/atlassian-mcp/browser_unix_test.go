//go:build unix && !darwin

package main

import (
	"os"
	"testing"
)

// TestFindDisplay has an environment of nothing, as some MCP clients give: the launchers of browsers are scripts, and found by PATH.
func TestFindDisplay(t *testing.T) {
	for _, name := range []string{"PATH", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, "")
	}
	findDisplay()
	if os.Getenv("PATH") == "" {
		t.Error("PATH is still empty")
	}
	t.Setenv("PATH", "/mine")
	t.Setenv("DISPLAY", ":mine")
	findDisplay()
	for name, want := range map[string]string{"PATH": "/mine", "DISPLAY": ":mine"} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
}

//go:build unix && !darwin

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findDisplay makes up for an environment without a display, which is what many MCP clients give to what they start: it finds the display by the
// sockets at their standard places, and sets what a browser's launcher reads.
func findDisplay() {
	runtime := os.Getenv("XDG_RUNTIME_DIR")
	if runtime == "" {
		if dir := filepath.Join("/run/user", strconv.Itoa(os.Getuid())); isDir(dir) {
			runtime = dir
			os.Setenv("XDG_RUNTIME_DIR", dir)
		}
	}
	if os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" {
		return
	}
	if sockets, _ := filepath.Glob(filepath.Join(runtime, "wayland-[0-9]")); runtime != "" && len(sockets) > 0 {
		os.Setenv("WAYLAND_DISPLAY", filepath.Base(sockets[0]))
	}
	if sockets, _ := filepath.Glob("/tmp/.X11-unix/X[0-9]*"); len(sockets) > 0 {
		os.Setenv("DISPLAY", ":"+strings.TrimPrefix(filepath.Base(sockets[0]), "X"))
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

//go:build unix && !darwin

package main

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// openURL shows the person a page. A browser that was not running yet becomes a child of ours, and some MCP clients end the whole process
// group of a server; so it is started in a session of its own, by a process that does nothing else.
func openURL(url string) error {
	self, err := os.Executable()
	if err != nil {
		return browse(url)
	}
	cmd := exec.Command(self, "browse", url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text, _, _ := strings.Cut(string(said), "\n")
	return errors.New(cmp.Or(strings.TrimPrefix(text, errorPrefix), err.Error()))
}

// findDisplay makes up for an environment without a display, which is what many MCP clients give to what they start: it finds the display by the
// sockets at their standard places, and sets what a browser's launcher reads.
func findDisplay() {
	if os.Getenv("PATH") == "" {
		os.Setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
	}
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

// hasDisplay reports whether a browser would be seen by the person at the terminal.
func hasDisplay() bool {
	findDisplay()
	return os.Getenv("SSH_CONNECTION") == "" && (os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "")
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

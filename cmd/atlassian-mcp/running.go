package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// join makes this relay known to the status and doctor of the same user, which no start waits for or fails by. The function that it returns
// ends that.
func (f *relayFlags) join(store *keychain.Store, cfg relay.Config) (leave func()) {
	joined := make(chan func(), 1)
	go func() {
		p := keychain.Process{Server: redactURL(cfg.Remote.URL), Profile: f.profile, Site: f.site.name, Parent: parentName()}
		if f.logFile != "" {
			p.Log = cmp.Or(absolute(f.logFile), f.logFile)
		}
		leave, err := store.Join(p)
		if err != nil {
			cfg.Log.Debug("other processes won't know of this one", "err", err)
			leave = func() {}
		}
		joined <- leave
	}()
	return func() {
		select {
		case leave := <-joined:
			leave()
		case <-time.After(closeGrace): // a file system that does not answer is left to itself
		}
	}
}

// absolute returns the full path of file, "" if there is no telling.
func absolute(file string) string {
	path, _ := filepath.Abs(file)
	return path
}

// parentName returns what the process that started this one is called, "" where that can't be found out with a file that is there anyway.
func parentName() string {
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(os.Getppid()), "comm"))
	if err != nil {
		return ""
	}
	return plain(strings.TrimSpace(string(name)))
}

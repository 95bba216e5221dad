package keychain

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// This file lets the processes of a user know of each other. Each keeps a file that says what it is, and a lock beside it for as long as it
// lives: what nobody locks has been left by one that was killed. They are two files because what is locked can't be read on Windows.

// A Process is one of the user's that has said what it is.
type Process struct {
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Server  string    `json:"server"` // that it is for, without what may be secret
	Profile string    `json:"profile,omitempty"`
	Site    string    `json:"site,omitempty"`   // host of the one that it works at; "" if it may work at any
	Parent  string    `json:"parent,omitempty"` // name of the program that started it; "" if that is not known
	Log     string    `json:"log,omitempty"`    // path of its log
}

const (
	runningPrefix = "running."
	runningSuffix = ".json"
)

// Join makes p, which stands for this process, known to [Store.Others] until leave is called or the process ends.
func (s *Store) Join(p Process) (leave func(), err error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	p.PID, p.Since = os.Getpid(), time.Now()
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, runningPrefix+strconv.Itoa(p.PID)+runningSuffix)
	alive := flock.New(path + ".lock")
	if ok, err := alive.TryLock(); !ok {
		return nil, fmt.Errorf("locking %q: %v", alive.Path(), err)
	}
	leave = func() {
		os.Remove(path)
		os.Remove(alive.Path()) // on Windows this can only be done later, by Others
		alive.Unlock()
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// Others returns the other processes that have joined and are alive.
func (s *Store) Others() ([]Process, error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var others []Process
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), runningPrefix) || !strings.HasSuffix(e.Name(), runningSuffix) {
			continue
		}
		var p Process
		path := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(text, &p) != nil || p.PID == os.Getpid() {
			continue // it ends, or begins, just now
		}
		alive := flock.New(path + ".lock")
		free, err := alive.TryLock()
		if err != nil {
			continue // there is no telling
		}
		if free {
			os.Remove(path)
			alive.Unlock()
			os.Remove(alive.Path())
			continue
		}
		others = append(others, p)
	}
	return others, nil
}

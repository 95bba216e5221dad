//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This file is the end: how hosts stop relays, and what is left after that.

// endings are the ways in which hosts stop a server.
var endings = []struct {
	name string
	do   func(*relay)
}{
	{"end of input", func(r *relay) { r.stdin.Close() }},
	{"SIGINT", func(r *relay) { r.cmd.Process.Signal(syscall.SIGINT) }},
	{"SIGTERM", func(r *relay) { r.cmd.Process.Signal(syscall.SIGTERM) }},
	{"end of input, SIGTERM and SIGKILL", func(r *relay) {
		r.stdin.Close()
		r.cmd.Process.Signal(syscall.SIGTERM)
		time.Sleep(5 * time.Millisecond)
		r.cmd.Process.Kill()
	}},
}

const (
	endOfInput = 0 // index in endings of the one that a relay answers everything before
	killed     = 3 // and of the one that nobody can do anything after

	// endLimit is how long a process may take to end: 2 s, and what a loaded machine adds.
	endLimit = 3 * time.Second

	// renewLimit is how long the process of a renewal may outlive the relay that has begun it.
	renewLimit = 36 * time.Second
)

// end lets the relays answer what they still have to, ends them, looks at what is left, and judges.
func (s *storm) end() (*report, error) {
	relays := s.living()
	if err := s.settle(settleLimit); err != nil {
		s.problem("after all faults %v", err)
	}
	s.log.printf("calm")
	for _, r := range relays {
		r.stop()
	}
	for _, r := range relays {
		r.slots.Wait()
	}
	if ports := s.ports(); len(ports) > 0 {
		s.problem("relays at rest listen on %s", strings.Join(ports, ", "))
	}

	// Each way once at rest, and once with a renewal under way and a call in flight.
	if err := s.server.expireTokens(); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	for i, r := range relays {
		wg.Go(func() { s.stop(r, i%len(endings), i/len(endings)%2 == 1) })
	}
	wg.Wait()
	s.processesLeft()
	for _, endpoint := range s.endpoints() {
		if err := s.fresh(endpoint); err != nil {
			return nil, err
		}
	}
	s.processesLeft()
	s.sessionsLeft()
	s.secretsLeft()
	return s.judge(), nil
}

// replace ends a relay in one of the ways, whatever it is at, and starts another in its place.
func (s *storm) replace(i, way int) error {
	s.awake.Lock()
	defer s.awake.Unlock()
	old := s.living()[i]
	old.stop()
	s.stop(old, way, false)
	r, err := s.newRelay(i, fmt.Sprintf("relay-%d.%d", i, old.generation+1), old.endpoint)
	if err != nil {
		return err
	}
	r.generation = old.generation + 1
	s.mu.Lock()
	s.relays[i] = r
	s.mu.Unlock()
	r.work(s.cfg.slots)
	return nil
}

// stop ends a relay in one of the ways.
func (s *storm) stop(r *relay, way int, busy bool) {
	if busy {
		for i := range 3 {
			mark := fmt.Sprintf("%s-end-%d", r.name, i)
			r.ask("tools/call", fmt.Sprintf(`{"name":"atlassianUserInfo","arguments":{},"_meta":{"sandbox/mark":%q}}`, mark), mark, "")
		}
		time.Sleep(r.some(100 * time.Millisecond)) // a renewal takes some of that
	}
	if way == killed {
		s.mu.Lock()
		s.killed = append(s.killed, "storm-"+r.name)
		s.mu.Unlock()
	}
	from := time.Now()
	endings[way].do(r)
	select {
	case <-r.ended:
	case <-time.After(4 * endLimit):
		s.problem("%s lives %v after %s", r.name, 4*endLimit, endings[way].name)
		r.cmd.Process.Kill()
		<-r.ended
	}
	took := time.Since(from)
	s.log.printf("%s has ended by %s in %v: %v", r.name, endings[way].name, took, r.cmd.ProcessState)
	if took > endLimit {
		s.problem("%s took %v to end by %s", r.name, took, endings[way].name)
	}
	if way != killed && !r.cmd.ProcessState.Success() {
		s.problem("%s ended by %s with %v", r.name, endings[way].name, r.cmd.ProcessState)
	}
	r.stdin.Close()
	r.slots.Wait()
	if way != endOfInput {
		r.abandon()
	}
	s.count.mu.Lock()
	s.count.ends = append(s.count.ends, took)
	s.count.mu.Unlock()
}

// processesLeft looks for processes that relays have left behind.
func (s *storm) processesLeft() {
	// A renewal that has begun may go on.
	deadline := time.Now().Add(renewLimit)
	pids := s.processes()
	for len(pids) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
		pids = s.processes()
	}
	for _, pid := range pids {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		s.problem("process %d is left: %q", pid, text)
		syscall.Kill(pid, syscall.SIGKILL)
	}
	s.count.orphans += len(pids)
}

// sessionsLeft looks for sessions that they have not ended, though they knew of them and could.
func (s *storm) sessionsLeft() {
	var sessions []struct{ ID, Client, Since string }
	if err := s.server.control("GET", "sessions", nil, &sessions); err != nil {
		s.problem("%v", err)
	}
	for _, sess := range sessions {
		name, _, _ := strings.Cut(sess.Client, " ")
		if !slices.Contains(s.killed, name) && s.proxy.owed(sess.ID) {
			s.count.sessions++
			s.problem("session %s of %s, opened %s, is left at the server", sess.ID, sess.Client, sess.Since)
		}
	}
}

// secretsLeft looks for tokens where none may be, and for what the race detector has to say.
func (s *storm) secretsLeft() {
	for _, pattern := range []string{"*.log", "*.stderr"} {
		files, _ := filepath.Glob(filepath.Join(s.dir, pattern))
		for _, file := range files {
			if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "canary-") {
				s.problem("%s has a secret in it: %v", file, err)
			}
		}
	}
	if files, _ := filepath.Glob(filepath.Join(s.dir, "*.race.*")); len(files) > 0 {
		s.problem("the race detector has found something: %s", strings.Join(files, " "))
	}
}

// fresh starts one more relay, which must find a store that is whole: it works, and no tab opens. Its access token has expired, so that the refresh
// token has to be the right one too.
func (s *storm) fresh(endpoint string) error {
	if err := s.server.expireTokens(); err != nil {
		return err
	}
	tabs := s.person.opened()
	r, err := s.newRelay(s.cfg.relays, "fresh"+strings.ReplaceAll(endpoint, "/", "-"), endpoint)
	if err != nil {
		return err
	}
	from := time.Now()
	works := false
	if r.greeted() {
		for time.Since(from) < settleLimit && !works {
			f := r.await(r.ask("tools/list", "", "", `"name":"editJiraIssue"`))
			works = f != nil && f.failure() == ""
			pause(context.Background(), 50*time.Millisecond)
		}
	}
	if !works {
		s.problem("a fresh relay of %s does not work with what is in the store", endpoint)
	}
	if opened := s.person.opened() - tabs; opened != 0 {
		s.problem("a fresh relay of %s opens %d tabs", endpoint, opened)
	}
	s.stop(r, endOfInput, false)
	return nil
}

// ports returns the addresses on which the user's processes listen.
func (s *storm) ports() (addresses []string) {
	listening := map[string]string{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
				listening["socket:["+f[9]+"]"] = f[1]
			}
		}
	}
	for _, pid := range s.processes() {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			to, _ := os.Readlink(fd)
			if at := listening[to]; at != "" {
				addresses = append(addresses, fmt.Sprintf("process %d: %s", pid, at))
			}
		}
	}
	return addresses
}

// killAll leaves nothing behind if a storm can't go on.
func (s *storm) killAll() {
	relays := s.living()
	for _, r := range relays {
		r.stop()
		r.cmd.Process.Kill()
		<-r.ended
	}
	for _, pid := range s.processes() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, r := range relays {
		r.slots.Wait()
	}
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// This file is what each fault does.

const (
	// settleLimit is how long relays may take to work again after the last fault: they may be in the middle of a pause between attempts, which new
	// requests cut short, or be waiting for a renewal or for a person.
	settleLimit = 60 * time.Second

	// halfOpenFor is how long half-open connections stay so after the fault.
	halfOpenFor = 5 * time.Second

	// lockFrom is from which length on a storm has a stopped lock holder in the middle.
	lockFrom = time.Minute

	// longSleep is more than relays take for a late timer.
	longSleep = 17 * time.Second
)

// rage has everything happen that is on the schedule.
func (s *storm) rage(ctx context.Context) {
	bursts := schedule(s.cfg.seed, s.cfg.length, s.cfg.relays)
	start := time.Now()
	var shift time.Duration // by what is not on the schedule
	special := s.cfg.length >= lockFrom
	for _, b := range bursts {
		if special && b.end > s.cfg.length/2 {
			special = false
			before := time.Now()
			s.lockHolder(ctx)
			s.sleep(ctx, longSleep)
			s.over("long sleep")
			pause(ctx, 3*time.Second)
			shift += time.Since(before)
		}
		var names []string
		var wg sync.WaitGroup
		for _, h := range b.happenings {
			pause(ctx, time.Until(start.Add(shift+h.at)))
			names = append(names, h.fault)
			s.log.printf("%s for %v (scheduled at %v)", h.fault, h.length, h.at)
			wg.Go(func() {
				s.happen(ctx, h)
				s.log.printf("%s is over", h.fault)
			})
		}
		wg.Wait()
		slices.Sort(names)
		s.over(strings.Join(slices.Compact(names), " + "))
		s.count.faults += len(names)
		// A fault may have taken longer than it was to. The calm after it must not be shorter for that.
		if late := time.Since(start.Add(shift + b.end)); late > 0 {
			shift += late
		}
	}
	pause(ctx, time.Second)
}

// over has the time of recovery taken.
func (s *storm) over(fault string) {
	now := time.Now()
	for _, r := range s.living() {
		r.recover(fault, now)
	}
}

// settle waits until every relay has had a result since now.
func (s *storm) settle(limit time.Duration) error {
	s.over("the end of the faults before")
	deadline := time.Now().Add(limit)
	for _, r := range s.living() {
		for !r.recovered() {
			if time.Now().After(deadline) {
				return fmt.Errorf("%s has no result within %v", r.name, limit)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// happen has a fault happen and returns when it is over.
func (s *storm) happen(ctx context.Context, h happening) {
	var err error
	switch h.fault {
	case "kill":
		err = s.server.restart(h.length)
	case "expire tokens":
		err = s.server.expireTokens()
	case "expire sessions":
		err = s.server.control("POST", "sessions/kill", nil, nil)
	case "revoke":
		err = s.server.revokeTokens()
	case "slow":
		fault := map[string]any{"name": "slow", "arg": "1500ms", "on": true}
		err = s.server.control("POST", "faults", fault, nil)
		pause(ctx, h.length)
		fault["on"] = false
		delete(fault, "arg")
		err = errors.Join(err, s.server.control("POST", "faults", fault, nil))
	case "sleep":
		s.sleep(ctx, h.length, h.relay)
	case "sleep of all":
		s.sleep(ctx, h.length)
	case "restart":
		err = s.replace(h.relay, h.way)
	default:
		s.proxy.begin(h.fault)
		pause(ctx, h.length)
		s.proxy.end(h.fault)
		if h.fault == "half-open" {
			pause(ctx, halfOpenFor)
			s.proxy.release()
		}
	}
	if err != nil {
		s.problem("%s: %v", h.fault, err)
	}
}

// sleep stops the relay in a place, or all, as a laptop's sleep does. When all relays sleep, those that renew tokens do, too.
func (s *storm) sleep(ctx context.Context, length time.Duration, place ...int) {
	s.awake.RLock()
	defer s.awake.RUnlock()
	relays := s.living() // now that none is being replaced
	var pids []int
	if len(place) == 0 {
		pids = s.processes()
	} else {
		relays = relays[place[0] : place[0]+1]
		pids = append(pids, relays[0].cmd.Process.Pid)
	}
	from := time.Now()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	pause(ctx, length)
	for _, r := range relays {
		r.mu.Lock()
		r.woke = time.Now()
		r.asleep += r.woke.Sub(from)
		r.mu.Unlock()
	}
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGCONT)
	}
}

const (
	// lockStopFor is how long the holder of the lock is stopped: longer than others wait for it.
	lockStopFor = 42 * time.Second

	// lockLimit is how long requests of others may take meanwhile: 35 s, and what a loaded machine adds.
	lockLimit = 38 * time.Second
)

// lockHolder stops the processes that renew tokens while they hold the locks, one for each sign-in. The others must not break these, but say what
// they wait for.
func (s *storm) lockHolder(ctx context.Context) {
	if err := s.settle(settleLimit); err != nil {
		s.problem("before the lock: %v", err)
	}
	s.log.printf("the holders of the locks are stopped")
	signIns := len(s.endpoints())
	s.proxy.hold()
	renewals := s.server.event("refresh")
	if err := s.server.expireTokens(); err != nil {
		s.problem("lock holder: %v", err)
	}
	for range 500 {
		if s.proxy.waiting() >= signIns {
			break
		}
		pause(ctx, 20*time.Millisecond)
	}
	holders := s.lockedBy()
	if len(holders) != signIns {
		s.problem("lock holder: %d tokens are being renewed, and there are %d locks", signIns, len(holders))
		s.proxy.letGo()
		return
	}
	for _, pid := range holders {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	from := time.Now()
	pause(ctx, lockStopFor)
	if got := s.lockedBy(); !maps.Equal(got, holders) {
		s.problem("lock holder: the locks of processes %v were broken by %v", holders, got)
	}
	if got := s.server.event("refresh"); got != renewals {
		s.problem("lock holder: %d renewals past the lock", got-renewals)
	}
	s.lockWaits(from)
	if n := s.proxy.letGo(); n != signIns {
		s.problem("lock holder: %d processes asked for a token, though %d hold the locks", n, signIns)
	}
	for _, pid := range holders {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	s.over("stopped lock holder")
	s.log.printf("the holders of the locks go on")
	pause(ctx, 5*time.Second)
}

// lockWaits looks at what has become of calls since then, while the locks were held.
func (s *storm) lockWaits(since time.Time) {
	waited := map[string]bool{} // for a renewal, by relay
	c := &s.count
	c.mu.Lock()
	c.lockStopped = true
	for _, req := range c.everything {
		if req.answered.After(since) && strings.Contains(req.failed, "renew") { // which takes too long, here or in another process
			waited[req.relay] = true
		}
		if req.sent.Before(since) || !req.cancelled.IsZero() {
			continue
		}
		took := req.answered.Sub(req.sent)
		if req.answered.IsZero() {
			took = time.Since(req.sent)
		}
		c.lockWorst = max(c.lockWorst, took)
		if req.mark != "" && req.succeeded {
			c.problems = append(c.problems, "lock holder: an answer past the lock: "+req.frame)
		}
	}
	c.mu.Unlock()
	for _, r := range s.living() {
		if !waited[r.name] {
			s.problem("lock holder: %s says of no call that it waits for a renewal", r.name)
		}
	}
}

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2), for which package syscall has no name.
const prSetChildSubreaper = 36

// adopt makes this process the parent of all that its children leave behind.
func adopt() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return fmt.Errorf("prctl: %v", errno)
	}
	return nil
}

// processes returns the processes of the user: the relays, what they have started, and what they have left behind under whatever name.
func (s *storm) processes() (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err == nil && strings.Contains("\x00"+string(env), "\x00HOME="+s.home+"\x00") || s.isAdopted(dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isAdopted reports whether the process with this directory below /proc is alive and our child, but not the server.
func (s *storm) isAdopted(dir string) bool {
	stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
	_, rest, _ := strings.Cut(string(stat), ") ") // proc(5): state and parent follow the name
	fields := strings.Fields(rest)
	if len(fields) < 2 || fields[0] == "Z" || fields[1] != strconv.Itoa(os.Getpid()) {
		return false
	}
	exe, err := os.Readlink(filepath.Join(dir, "exe"))
	return err == nil && exe != s.self
}

// lockedBy returns the processes of the user that hold locks of the store, by the lock. What a process says of itself has a lock too, that is
// not meant.
func (s *storm) lockedBy() map[string]int {
	holders := map[string]int{}
	ours := s.processes()
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		s.problem("%v", err)
	}
	for line := range strings.Lines(string(locks)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" {
			continue
		}
		holder, err := strconv.Atoi(fields[4])
		_, inode, _ := strings.Cut(fields[5][strings.Index(fields[5], ":")+1:], ":")
		if err == nil && slices.Contains(ours, holder) && s.isStoreLock(inode) {
			holders[inode] = holder
		}
	}
	return holders
}

// isStoreLock reports whether an inode is that of a lock of the store.
func (s *storm) isStoreLock(inode string) bool {
	found := false
	filepath.WalkDir(s.home, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".lock") || strings.HasPrefix(d.Name(), "running.") {
			return nil
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && strconv.FormatUint(st.Ino, 10) == inode {
				found = true
			}
		}
		return nil
	})
	return found
}

// problem notes a broken promise.
func (s *storm) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.log.printf("PROBLEM %s", text)
	s.count.mu.Lock()
	defer s.count.mu.Unlock()
	s.count.problems = append(s.count.problems, text)
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// handshakeLimit is how long a host may wait for the answer to initialize. Relays promise less, but share the processors with a storm.
const handshakeLimit = 3 * time.Second

// A report is what a storm has shown.
type report struct {
	rows   [][2]string
	errors map[string]int
	slow   []string
	broken []string
	dir    string
}

// judge compares both sides' counts.
func (s *storm) judge() *report {
	c := &s.count
	c.mu.Lock()
	defer c.mu.Unlock()
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	rep := &report{errors: c.errors, dir: s.dir, broken: c.problems}
	row := func(name, format string, args ...any) {
		rep.rows = append(rep.rows, [2]string{name, fmt.Sprintf(format, args...)})
	}
	none := func(name string, list []string) {
		row(name, "%d", len(list))
		for _, what := range list[:min(len(list), 10)] {
			rep.broken = append(rep.broken, name+": "+what)
		}
	}
	atMost := func(name string, got, most int) {
		row(name, "%d of at most %d", got, most)
		if got > most {
			rep.broken = append(rep.broken, fmt.Sprintf("%s: %d, at most %d", name, got, most))
		}
	}
	var failed int
	for _, n := range c.errors {
		failed += n
	}
	row("faults", "%d, by --seed %d", c.faults, s.cfg.seed)
	row("requests sent", "%d", len(c.everything))
	row("answered once", "%d: %d results, %d errors, %d after a cancellation", c.results+failed+c.raced, c.results, failed, c.raced)
	row("cancelled, and not answered", "%d", c.cancelled-c.raced)
	var unanswered []string
	abandoned := 0
	for _, req := range c.everything {
		switch took := time.Since(req.sent); {
		case !req.cancelled.IsZero(), !req.answered.IsZero() && req.answered.Sub(req.sent) < answerLimit:
		case req.abandoned:
			abandoned++
		default:
			unanswered = append(unanswered, fmt.Sprintf("%s: sent %s, %v ago: %s", req.relay, req.sent.Format(clock), took.Round(time.Second), req.frame))
		}
	}
	row("in flight when the host ended the relay", "%d", abandoned)
	none("unanswered", unanswered)
	none("answered twice", c.twice)
	none("answered late after cancellation", c.late)
	none("answered with something else", c.wrong)
	none("lines that answer nothing", c.strange)

	var twice, unknown, unmade []string
	carriedOut := 0
	for mark, n := range s.server.marks {
		carriedOut += n
		switch req := c.calls[mark]; {
		case req == nil:
			unknown = append(unknown, mark)
		case n > 1:
			twice = append(twice, fmt.Sprintf("%s: %d times: sent %s: %s", req.relay, n, req.sent.Format(clock), req.frame))
		}
	}
	for mark, req := range c.calls {
		if req.succeeded && s.server.marks[mark] == 0 {
			unmade = append(unmade, req.relay+": "+req.frame)
		}
	}
	row("tools/calls carried out", "%d of %d", carriedOut, len(c.calls))
	none("tools/calls carried out twice", twice)
	none("tools/calls nobody has made", unknown)
	none("tools/calls answered, not carried out", unmade)

	atMost("refresh grants", s.server.events["refresh"], s.proxy.met)
	signIns := len(s.endpoints()) + s.server.revoked
	atMost("browser tabs", s.person.opened(), signIns)
	row("sign-ins", "%d", s.server.events["grant"])
	atMost("tokens lost", max(0, s.server.events["grant"]-signIns), 0)
	atMost("refresh tokens used twice", s.server.events["reuse"], 0)
	row("registrations", "%d", s.server.events["registration"])
	atMost("orphans: processes", c.orphans, 0)
	atMost("orphans: sessions", c.sessions, 0)
	if c.lockStopped {
		row("slowest answer past a stopped lock", "%v", c.lockWorst.Round(time.Millisecond))
		if c.lockWorst > lockLimit {
			rep.broken = append(rep.broken, fmt.Sprintf("an answer past a stopped lock took %v", c.lockWorst))
		}
	}
	var times []time.Duration
	for fault, list := range c.recoveries {
		times = append(times, list...)
		if worst := slices.Max(list); worst > 3*time.Second {
			rep.slow = append(rep.slow, fmt.Sprintf("%v after %s", worst.Round(time.Millisecond), fault))
		}
	}
	if len(times) > 0 {
		slices.Sort(times)
		row("time to recover", "median %v, worst %v", times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
	}
	row("slowest answer", "%v", c.slowest.Round(time.Millisecond))
	row("slowest handshake, from the start", "%v", c.handshake.Round(time.Millisecond))
	if c.handshake > handshakeLimit {
		rep.broken = append(rep.broken, fmt.Sprintf("a handshake took %v", c.handshake))
	}
	if len(c.ends) > 0 {
		row("slowest end", "%v", slices.Max(c.ends).Round(time.Millisecond))
	}
	row("progress notifications", "%d", c.progress)
	return rep
}

// print prints the table, and what is broken.
func (rep *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rep.rows {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	w.Flush()
	fmt.Fprintln(out, "errors, by what they say:")
	for _, what := range slices.SortedFunc(maps.Keys(rep.errors), func(a, b string) int { return rep.errors[b] - rep.errors[a] }) {
		fmt.Fprintf(out, "%6d  %s\n", rep.errors[what], what)
	}
	for _, what := range rep.slow {
		fmt.Fprintln(out, "slow:", what)
	}
	for _, what := range rep.broken {
		fmt.Fprintln(out, "BROKEN:", what)
	}
	if len(rep.broken) > 0 {
		fmt.Fprintln(out, "logs are in", rep.dir)
	}
}

// clock is how times are written.
const clock = "15:04:05.000"

// A journal is what has happened when.
type journal struct {
	mu   sync.Mutex // guards file
	file *os.File
}

func newJournal(path string) (*journal, error) {
	f, err := os.Create(path)
	return &journal{file: f}, err
}

func (j *journal) printf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.file, time.Now().Format(clock)+" "+format+"\n", args...)
}

func (j *journal) close() { j.file.Close() }

// pause waits for some time, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

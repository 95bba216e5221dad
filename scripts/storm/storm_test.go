//go:build linux

package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The test binary plays the same parts as the program.
func TestMain(m *testing.M) {
	if role(os.Args) {
		return
	}
	os.Exit(m.Run())
}

// TestStorm is a storm of ten seconds.
func TestStorm(t *testing.T) {
	seed := uint64(time.Now().UnixNano()%1e6) + 1
	t.Logf("scripts/chaos --minutes %.6f --seed %d", (10 * time.Second).Minutes(), seed)
	rep, err := run(t.Context(), config{length: 10 * time.Second, seed: seed, relays: 8, slots: 8})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	rep.print(&table)
	t.Logf("\n%s", table.String())
	if again := fmt.Sprintf("by --seed %d\n", seed); !strings.Contains(table.String(), again) {
		t.Errorf("the table does not have %q", again)
	}
	for _, what := range rep.broken {
		t.Error(what)
	}
}

// TestSchedule checks that a seed gives the same faults each time, all kinds of them, and calm between.
func TestSchedule(t *testing.T) {
	const length = 3 * time.Minute
	got := schedule(7, length, 8)
	if !reflect.DeepEqual(got, schedule(7, length, 8)) {
		t.Error("the same seed gives different schedules")
	}
	if reflect.DeepEqual(got, schedule(8, length, 8)) {
		t.Error("different seeds give the same schedule")
	}
	seen := map[string]bool{}
	end := time.Duration(0)
	for _, b := range got {
		for _, h := range b.happenings {
			seen[h.fault] = true
			if h.at < end {
				t.Errorf("%s at %v, before %v", h.fault, h.at, end)
			}
			if h.at+h.length > b.end || b.end > length {
				t.Errorf("%s ends at %v, after %v", h.fault, h.at+h.length, b.end)
			}
		}
		end = b.end + time.Second
	}
	for _, k := range kinds() {
		if !seen[k.fault] {
			t.Errorf("no %s in %v", k.fault, length)
		}
	}
}

// TestJudge shows each broken promise to the judge.
func TestJudge(t *testing.T) {
	answer := &frame{Result: []byte(`{}`), raw: `{"id":1,"result":{}}`}
	for name, breakIt := range map[string]func(*storm, *request){
		"unanswered": func(_ *storm, req *request) { req.abandoned = false },
		"answered twice": func(s *storm, req *request) {
			s.count.take(time.Time{}, req, answer)
			s.count.take(time.Time{}, req, answer)
		},
		"answered late after cancellation": func(s *storm, req *request) {
			req.cancelled = time.Now().Add(-time.Minute)
			s.count.take(time.Time{}, req, answer)
		},
		"answered with something else": func(s *storm, req *request) {
			req.wants = "ALPHA-1"
			s.count.take(time.Time{}, req, answer)
		},
		"tools/calls carried out twice":         func(s *storm, _ *request) { s.server.marks["mark"] = 2 },
		"tools/calls nobody has made":           func(s *storm, _ *request) { s.server.marks[""] = 1 },
		"tools/calls answered, not carried out": func(s *storm, req *request) { s.count.take(time.Time{}, req, answer) },
		"refresh grants":                        func(s *storm, _ *request) { s.server.events["refresh"] = 1 },
		"browser tabs":                          func(s *storm, _ *request) { s.person.tabs = 3 },
		"tokens lost":                           func(s *storm, _ *request) { s.server.events["grant"] = 3 },
		"refresh tokens used twice":             func(s *storm, _ *request) { s.server.events["reuse"] = 1 },
		"orphans: processes":                    func(s *storm, _ *request) { s.count.orphans = 1 },
		"orphans: sessions":                     func(s *storm, _ *request) { s.count.sessions = 1 },
		"an answer past a stopped lock":         func(s *storm, _ *request) { s.count.lockStopped, s.count.lockWorst = true, time.Minute },
		"a handshake":                           func(s *storm, _ *request) { s.count.handshake = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStorm()
			req := &request{mark: "mark", frame: "{}", sent: time.Now(), abandoned: true}
			s.count.everything, s.count.calls["mark"] = []*request{req}, req
			if rep := s.judge(); len(rep.broken) > 0 {
				t.Fatalf("broken from the beginning: %q", rep.broken)
			}
			breakIt(s, req)
			if rep := s.judge(); len(rep.broken) == 0 || !strings.HasPrefix(rep.broken[0], name) {
				t.Errorf("the judge says %q", rep.broken)
			}
		})
	}
}

// newTestStorm returns a storm in which nothing has happened yet.
func newTestStorm() *storm {
	return &storm{
		cfg:    config{relays: 8},
		log:    &journal{},
		count:  counts{errors: map[string]int{}, calls: map[string]*request{}, recoveries: map[string][]time.Duration{}},
		server: &server{marks: map[string]int{}, events: map[string]int{}}, proxy: &proxy{}, person: &person{},
	}
}

// TestHear has an agent ask for something, and a relay say this or that.
func TestHear(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  string // what is broken, "" for nothing
	}{
		{"result", []string{`{"jsonrpc":"2.0","id":"a","result":{"content":[],"key":"ALPHA-1"}}`}, ""},
		{"error", []string{`{"jsonrpc":"2.0","id":"a","error":{"code":-31000,"message":"connection broke"}}`}, ""},
		{"silence", nil, "unanswered: "},
		{"another's result", []string{`{"jsonrpc":"2.0","id":"a","result":{"content":[],"key":"ALPHA-2"}}`}, "answered with something else: "},
		{"result and error", []string{
			`{"jsonrpc":"2.0","id":"a","result":{"key":"ALPHA-1"}}`, `{"jsonrpc":"2.0","id":"a","error":{"code":-31000,"message":"connection broke"}}`,
		}, "answered twice: "},
		{"another ID", []string{`{"jsonrpc":"2.0","id":"a","result":{"key":"ALPHA-1"}}`, `{"jsonrpc":"2.0","id":"b","result":{}}`}, "lines that answer nothing: "},
		{"no JSON", []string{`{"jsonrpc":"2.0","id":"a","result":{"key":"ALPHA-1"}}`, `starting`}, "lines that answer nothing: "},
		{"a secret", []string{`{"jsonrpc":"2.0","id":"a","error":{"code":-31000,"message":"token canary-1"}}`}, "relay says a secret: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newTestStorm()
			req := &request{id: `"a"`, method: "tools/call", mark: "mark", wants: "ALPHA-1", frame: "{}", sent: time.Now(), answer: make(chan *frame, 1)}
			s.count.everything, s.count.calls["mark"] = []*request{req}, req
			s.server.marks["mark"] = 1
			r := &relay{s: s, name: "relay", pending: map[string]*request{req.id: req}, old: map[string]*request{}}
			for _, line := range test.lines {
				r.hear(line + "\n")
			}
			switch rep := s.judge(); {
			case test.want == "" && len(rep.broken) > 0, test.want != "" && (len(rep.broken) != 1 || !strings.HasPrefix(rep.broken[0], test.want)):
				t.Errorf("broken: %q; want %q", rep.broken, test.want)
			}
		})
	}
}

// TestSleepyGreeting times the handshake of a relay that was stopped in the middle of it.
func TestSleepyGreeting(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	s := newTestStorm()
	now := time.Now()
	r := &relay{s: s, stdin: null, begun: now.Add(-10 * time.Second), asleep: 9 * time.Second}
	r.ready = &request{answered: now, answer: make(chan *frame, 1)}
	r.ready.answer <- &frame{}
	if !r.greeted() || s.count.handshake != time.Second {
		t.Errorf("the handshake took %v", s.count.handshake)
	}
}

// TestAbandon has the host end a relay. That excuses what was in flight then, not what nobody waits for any more.
func TestAbandon(t *testing.T) {
	s := newTestStorm()
	late, young := &request{sent: time.Now().Add(-answerLimit)}, &request{sent: time.Now()}
	r := &relay{s: s, pending: map[string]*request{"1": late, "2": young}}
	r.abandon()
	if late.abandoned || !young.abandoned {
		t.Errorf("abandoned: %v in flight, %v given up", young.abandoned, late.abandoned)
	}
}

// TestLockWaits shows what relays do while the locks are held to the one who looks.
func TestLockWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		failed string        // what the answer complains of
		sent   time.Duration // since the locks are held
		took   time.Duration
		broken bool
	}{
		{"an error", "error: another process takes too long to renew the sign-in", time.Second, lockLimit, false},
		{"an error to what was sent before", "error: renewal takes too long", -time.Second, lockLimit, false},
		{"another error", "error: connection broke", time.Second, time.Second, true},
		{"a result", "", time.Second, time.Second, true},
		{"an error from before", "error: renewal takes too long", -lockLimit, time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newTestStorm()
			s.relays = []*relay{{name: "relay-0"}}
			since := time.Now()
			sent := since.Add(test.sent)
			s.count.everything = []*request{{
				relay: "relay-0", mark: "relay-0-1", sent: sent, answered: sent.Add(test.took), failed: test.failed, succeeded: test.failed == "",
			}}
			s.lockWaits(since)
			if broken := len(s.count.problems) > 0; broken != test.broken {
				t.Errorf("broken: %q", s.count.problems)
			}
		})
	}
}

// TestUnauthorized counts what the least of renewals is: one for each time that somebody is told of an expiry, at each endpoint, and none for a
// sign-in that is over.
func TestUnauthorized(t *testing.T) {
	p := &proxy{expired: map[string]bool{}}
	want := func(met int) {
		t.Helper()
		p.unauthorized(streamable)
		p.unauthorized(streamable)
		p.unauthorized(sse + "/message")
		if p.met != met {
			t.Errorf("the least of renewals is %d; want %d", p.met, met)
		}
	}
	want(0)
	p.expired[streamable], p.expired[sse] = true, true
	want(2)
	p.expired[streamable] = true
	want(3)
}

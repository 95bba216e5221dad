//go:build linux

package main

import (
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
	t.Logf("scripts/chaos --minutes %.3f --seed %d", (10 * time.Second).Minutes(), seed)
	rep, err := run(t.Context(), config{length: 10 * time.Second, seed: seed, relays: 8, slots: 8})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	rep.print(&table)
	t.Logf("\n%s", table.String())
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
		"answered twice": func(s *storm, req *request) {
			s.count.take("relay", time.Time{}, req, answer)
			s.count.take("relay", time.Time{}, req, answer)
		},
		"answered late after cancellation": func(s *storm, req *request) {
			req.cancelled = time.Now().Add(-time.Minute)
			s.count.take("relay", time.Time{}, req, answer)
		},
		"tools/calls carried out twice":         func(s *storm, _ *request) { s.server.marks["mark"] = 2 },
		"tools/calls nobody has made":           func(s *storm, _ *request) { s.server.marks["another"] = 1 },
		"tools/calls answered, not carried out": func(s *storm, req *request) { s.count.take("relay", time.Time{}, req, answer) },
		"refresh grants":                        func(s *storm, _ *request) { s.server.events["refresh"] = 1 },
		"browser tabs":                          func(s *storm, _ *request) { s.person.tabs = 2 },
		"sign-ins":                              func(s *storm, _ *request) { s.server.events["grant"] = 2 },
		"refresh tokens used twice":             func(s *storm, _ *request) { s.server.events["reuse"] = 1 },
		"orphans: processes":                    func(s *storm, _ *request) { s.count.orphans = 1 },
		"orphans: sessions":                     func(s *storm, _ *request) { s.count.sessions = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			req := &request{mark: "mark", frame: "{}", sent: time.Now()}
			s := &storm{
				count:  counts{errors: map[string]int{}, calls: map[string]*request{"mark": req}},
				server: &server{marks: map[string]int{}, events: map[string]int{}}, proxy: &proxy{}, person: &person{},
			}
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

//go:build linux

// Command storm is a chaos test of atlassian-mcp: eight relays of one user, each with eight requests in flight, six by Streamable HTTP and
// two by HTTP+SSE, a sandbox as the server, and between them a proxy that does what networks do. It counts on both sides what was asked,
// answered and carried out, prints a table, and fails if a promise is broken.
//
//	schedule.go   when which fault happens, from a seed      faults.go   what each does
//	proxy.go      the network; fate.go: what it does          server.go   the sandbox, a process of its own
//	relays.go     the relays, and an agent before each       frames.go   what agents say
//	person.go     the person at the browser                  ending.go   how hosts stop relays, and what is left
//	count.go      the verdict
//
// What is judged has to be a relay's doing. So the network never loses an answer of the token endpoint, whose refresh token is spent by then, nor a
// request with a code, which may be sent only once: no client could help that. The server keeps who is signed in over its own death, as real ones do, but not its sessions. A connection that is half open is
// reset some seconds after the fault: until then nobody can tell it from a tool that takes its time.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// config says what kind of a storm it is to be.
type config struct {
	length time.Duration
	seed   uint64
	relays int
	slots  int    // requests that each relay has in flight
	race   bool   // build the program with the race detector
	relay  string // the program, "" to build it
	keep   bool   // leave the directory with all logs, also if all is well
}

func main() {
	if role(os.Args) {
		return
	}
	var cfg config
	minutes := flag.Float64("minutes", 1, "how long faults happen")
	flag.Uint64Var(&cfg.seed, "seed", 0, "repeat the schedule of faults of another run")
	flag.IntVar(&cfg.relays, "relays", 8, "number of relays")
	flag.IntVar(&cfg.slots, "slots", 8, "number of requests that each has in flight")
	flag.BoolVar(&cfg.race, "race", false, "build the program with the race detector")
	flag.StringVar(&cfg.relay, "relay", "", "try this program, not one built from here")
	flag.BoolVar(&cfg.keep, "keep", false, "leave the logs also if nothing is wrong")
	flag.Parse()
	if flag.NArg() > 0 || *minutes <= 0 || cfg.relays < 1 || cfg.slots < 1 {
		flag.Usage()
		os.Exit(2)
	}
	cfg.length = time.Duration(*minutes * float64(time.Minute))
	if cfg.seed == 0 {
		cfg.seed = rand.Uint64N(1e6) + 1
	}
	fmt.Printf("storm of %v, --seed %d\n", cfg.length, cfg.seed)
	report, err := run(context.Background(), cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
	report.print(os.Stdout)
	if len(report.broken) > 0 {
		os.Exit(1)
	}
}

// role plays another part if that is what this process was started for. Tests are started for the same parts.
func role(args []string) bool {
	var err error
	switch {
	case filepath.Base(args[0]) == "xdg-open":
		err = openTab(args[1:])
	case len(args) > 1 && args[1] == "server":
		err = serve(args[2:])
	default:
		return false
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
	return true
}

// A storm is a run.
type storm struct {
	cfg    config
	dir    string // with everything in it
	self   string // this program
	home   string // of the user
	bin    string // the user's PATH
	start  time.Time
	log    *journal
	server *server
	proxy  *proxy
	person *person
	count  counts
	awake  sync.RWMutex // held for reading while processes sleep: what sleeps can't be told to end

	mu     sync.Mutex // guards the rest
	relays []*relay
	killed []string // names of relays that were, and could not say goodbye
}

// run lets a storm go by. The error is not of a promise, but of what stands around it.
func run(ctx context.Context, cfg config) (rep *report, err error) {
	s := &storm{cfg: cfg}
	if s.dir, err = os.MkdirTemp("", "storm"); err != nil {
		return nil, err
	}
	defer func() {
		if rep != nil && len(rep.broken) == 0 && !cfg.keep {
			os.RemoveAll(s.dir)
		}
	}()
	if err := adopt(); err != nil {
		return nil, err
	}
	s.home, s.bin = filepath.Join(s.dir, "home"), filepath.Join(s.dir, "bin")
	for _, dir := range []string{s.home, s.bin} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := os.Symlink(s.self, filepath.Join(s.bin, "xdg-open")); err != nil {
		return nil, err
	}
	if err := s.build(); err != nil {
		return nil, err
	}
	if s.log, err = newJournal(filepath.Join(s.dir, "storm.log")); err != nil {
		return nil, err
	}
	defer s.log.close()
	s.count.errors, s.count.recoveries, s.count.calls = map[string]int{}, map[string][]time.Duration{}, map[string]*request{}

	if s.proxy, err = newProxy(cfg.seed); err != nil {
		return nil, err
	}
	defer s.proxy.close()
	if s.server, err = startServer(s.self, s.proxy, filepath.Join(s.dir, "grants"), filepath.Join(s.dir, "server.stderr")); err != nil {
		return nil, err
	}
	defer s.server.kill()
	if s.person, err = newPerson(s.log); err != nil {
		return nil, err
	}
	defer s.person.close()
	defer s.killAll()
	s.start = time.Now()
	for i := range cfg.relays {
		r, err := s.newRelay(i, fmt.Sprintf("relay-%d", i), endpointOf(i))
		if err != nil {
			return nil, err
		}
		s.relays = append(s.relays, r)
	}
	for _, r := range s.relays {
		r.work(cfg.slots)
	}
	if err := s.settle(settleLimit); err != nil { // all are signed in before the first fault
		return nil, fmt.Errorf("before the first fault: %v; see %s", err, s.dir)
	}
	s.rage(ctx)
	return s.end()
}

// endpointOf returns where the relay in a place goes.
func endpointOf(i int) string {
	if i%3 == 2 {
		return sse
	}
	return streamable
}

// endpoints returns where relays go: each has a sign-in of its own.
func (s *storm) endpoints() (list []string) {
	for i := range s.cfg.relays {
		if at := endpointOf(i); !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	return list
}

// living returns the relays.
func (s *storm) living() []*relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.relays)
}

// build builds the program, unless there is one.
func (s *storm) build() error {
	program := filepath.Join(s.bin, "atlassian-mcp")
	if s.cfg.relay != "" {
		path, err := filepath.Abs(s.cfg.relay)
		if err != nil {
			return err
		}
		return os.Symlink(path, program)
	}
	args := []string{"build", "-o", program}
	if s.cfg.race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/atlassian-mcp/atlassian-mcp/cmd/atlassian-mcp")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

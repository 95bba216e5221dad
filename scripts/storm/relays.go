//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// answerLimit is how long an agent waits for an answer before it counts as lost. A request may have to wait for a session (20 s) and for a renewal
	// (35 s), each behind a stopped process.
	answerLimit = 90 * time.Second

	// thinking is how long an agent pauses between an answer and the next request, at most. It keeps the load below what makes two slow processors the
	// worst fault of all.
	thinking = time.Second
)

// A relay is a process with an agent before it.
type relay struct {
	s          *storm
	generation int // how many relays were in its place before
	name       string
	endpoint   string
	cmd        *exec.Cmd
	stdin      io.WriteCloser
	begun      time.Time
	ended      chan struct{} // closed when the process is gone and its output read

	stop    context.CancelFunc // has the agent ask for nothing new
	idle    context.Context
	slots   sync.WaitGroup
	signing sync.Mutex // held while a sign_in is under way

	greeting sync.Once
	write    sync.Mutex // one line at a time

	ready *request // initialize

	mu      sync.Mutex // guards the rest
	dice    *rand.Rand
	n       int
	pending map[string]*request // by ID
	old     map[string]*request // with an answer, or cancelled
	due     time.Time           // of its recovery; zero if there is nothing to recover from
	after   string              // what
	woke    time.Time           // last, from sleep
	asleep  time.Duration       // altogether
}

// newRelay starts a relay and says hello.
func (s *storm) newRelay(i int, name, endpoint string) (*relay, error) {
	r := &relay{
		s: s, name: name, endpoint: endpoint, ended: make(chan struct{}), dice: rand.New(rand.NewPCG(s.cfg.seed, uint64(i+2))),
		pending: map[string]*request{}, old: map[string]*request{}, n: i * 1_000_000,
	}
	r.idle, r.stop = context.WithCancel(context.Background())
	r.cmd = exec.Command(filepath.Join(s.bin, "atlassian-mcp"), s.proxy.url+endpoint, "--log-file", filepath.Join(s.dir, name+".log"))
	r.cmd.Dir = "/"
	r.cmd.Env = []string{
		"HOME=" + s.home, "PATH=" + s.bin, "ATLASSIAN_MCP_TOKEN_STORE=file", desktopEnv + "=" + s.person.url,
		"GORACE=atexit_sleep_ms=0 log_path=" + filepath.Join(s.dir, name+".race"),
	}
	stderr, err := os.Create(filepath.Join(s.dir, name+".stderr"))
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	r.cmd.Stderr = stderr
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.begun = time.Now()
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go r.read(out)
	hello := fmt.Sprintf(`{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"storm-%s","version":"1"}}`, name)
	r.ready = r.ask("initialize", hello, "", `"protocolVersion":`)
	return r, nil
}

// work has the agent keep as many requests in flight as it has slots.
func (r *relay) work(slots int) {
	for range slots {
		r.slots.Go(func() {
			if !r.greeted() {
				return
			}
			for r.idle.Err() == nil {
				r.step()
				pause(r.idle, r.some(thinking))
			}
		})
	}
}

// greeted waits for the answer to initialize. The first who sees it says so to the relay.
func (r *relay) greeted() bool {
	ready := r.ready
	f := r.await(ready)
	if f == nil {
		return false
	}
	ready.answer <- f // for the others
	r.greeting.Do(func() {
		r.mu.Lock()
		asleep := r.asleep
		r.mu.Unlock()
		c := &r.s.count
		c.mu.Lock()
		took := ready.answered.Sub(r.begun) - asleep
		c.handshake = max(c.handshake, took)
		c.mu.Unlock()
		r.s.log.printf("%s was greeted after %v: %s", r.name, took, clip(f.raw))
		r.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	})
	if f.Error != nil {
		r.s.problem("%s is not let in: %s", r.name, f.raw)
	}
	return f.Error == nil
}

// step is one request, or something that nobody answers.
func (r *relay) step() {
	r.mu.Lock()
	r.n++
	mark := fmt.Sprintf("%s-%d", r.name, r.n)
	method, p, wants := params(r.dice, mark)
	what := r.dice.IntN(100)
	r.mu.Unlock()
	switch {
	case what < 4:
		r.send(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`)
		return
	case what < 10 && method == "tools/call":
		req := r.ask(method, p, mark, wants)
		pause(r.idle, r.some(30*time.Millisecond)) // some are answered by then
		r.cancel(req)
		return
	}
	if method != "tools/call" {
		mark = ""
	}
	if f := r.await(r.ask(method, p, mark, wants)); f != nil && f.wantsPerson() {
		r.signIn()
	}
}

// signIn calls sign_in, as an agent does that is told to.
func (r *relay) signIn() {
	if !r.signing.TryLock() {
		return
	}
	defer r.signing.Unlock()
	r.await(r.ask("tools/call", `{"name":"sign_in","arguments":{}}`, "", `"content":[`))
}

// ask sends a request. A result of it has wants in it.
func (r *relay) ask(method, params, mark, wants string) *request {
	r.mu.Lock()
	r.n++
	id := shapeID(r.dice, r.n)
	taken := id == `""` && (r.pending[id] != nil || r.old[id] != nil)
	if taken || method == "initialize" && strings.HasSuffix(id, refused) {
		id = fmt.Sprint(r.n)
	}
	line := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q}`, id, method)
	if params != "" {
		line = fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params)
	}
	req := &request{relay: r.name, id: id, frame: clip(line), mark: mark, method: method, wants: wants, sent: time.Now(), answer: make(chan *frame, 1)}
	r.pending[id] = req
	r.mu.Unlock()
	c := &r.s.count
	c.mu.Lock()
	c.everything = append(c.everything, req)
	if mark != "" {
		c.calls[mark] = req
	}
	c.mu.Unlock()
	if r.send(line) != nil {
		c.mu.Lock()
		req.abandoned = true
		c.mu.Unlock()
	}
	return req
}

// send writes a line. It fails if the relay has ended, or is told to.
func (r *relay) send(line string) error {
	r.write.Lock()
	defer r.write.Unlock()
	_, err := io.WriteString(r.stdin, line+"\n")
	return err
}

// await waits for the answer to a request. It returns nil if there is none, for which judge will ask.
func (r *relay) await(req *request) *frame {
	timer := time.NewTimer(answerLimit)
	defer timer.Stop()
	select {
	case f := <-req.answer:
		return f
	case <-timer.C:
	case <-r.ended:
		select {
		case f := <-req.answer:
			return f
		default:
		}
	}
	return nil
}

// abandon has nobody wait any more for what the relay, which the host has ended, can't answer. What it should have answered before is not
// excused.
func (r *relay) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.s.count
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, req := range r.pending {
		req.abandoned = time.Since(req.sent) < answerLimit
	}
}

// cancel tells the relay that nobody waits for a request any more.
func (r *relay) cancel(req *request) {
	r.mu.Lock()
	answered := r.pending[req.id] != req
	if !answered {
		delete(r.pending, req.id)
		r.old[req.id] = req
	}
	r.mu.Unlock()
	if answered {
		return
	}
	c := &r.s.count
	c.mu.Lock()
	c.cancelled++
	req.cancelled = time.Now()
	c.mu.Unlock()
	r.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}`, req.id))
}

// read reads what the relay says.
func (r *relay) read(out io.Reader) {
	defer close(r.ended)
	lines := bufio.NewReaderSize(out, 1<<16)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if line != "" {
				r.strange(line)
			}
			break
		}
		r.hear(line)
	}
	r.cmd.Wait()
}

func (r *relay) strange(line string) {
	c := &r.s.count
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strange = append(c.strange, r.name+": "+clip(line))
}

// hear takes a line.
func (r *relay) hear(line string) {
	if strings.Contains(line, "canary-") {
		r.s.problem("%s says a secret: %s", r.name, clip(line))
	}
	f := &frame{raw: line}
	if json.Unmarshal([]byte(line), f) != nil {
		r.strange(line)
		return
	}
	c := &r.s.count
	if f.Method != "" {
		if f.Method == "notifications/progress" {
			c.mu.Lock()
			c.progress++
			c.mu.Unlock()
		}
		if f.ID != nil {
			r.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, f.ID))
		}
		return
	}
	id := string(f.ID)
	r.mu.Lock()
	req := r.pending[id]
	known := req != nil
	if known {
		delete(r.pending, id)
		r.old[id] = req
	} else {
		req = r.old[id]
	}
	if known && f.failure() == "" && req.mark != "" { // the server has answered it
		if !r.due.IsZero() && time.Now().After(r.due) {
			took := time.Since(r.due)
			c.mu.Lock()
			c.recoveries[r.after] = append(c.recoveries[r.after], took)
			c.mu.Unlock()
			r.due = time.Time{}
		}
	}
	woke := r.woke
	r.mu.Unlock()
	if req == nil {
		r.strange(line)
		return
	}
	c.take(woke, req, f)
	if known {
		req.answer <- f
	}
}

// recover has the time taken until the next result, from when a fault is over.
func (r *relay) recover(fault string, over time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.due.IsZero() {
		r.due, r.after = over, fault
	}
}

func (r *relay) recovered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.due.IsZero()
}

// some returns some time below most.
func (r *relay) some(most time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.dice.Int64N(int64(most)))
}

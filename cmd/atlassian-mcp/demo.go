package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
)

const (
	// demoTimeout bounds the demo. It takes about a second by itself; a person may hold it up, and --fault slow each of its calls.
	demoTimeout = 10 * time.Minute

	// personTimeout is how long the demo waits for a person at the sign-in page before it signs in by itself.
	personTimeout = 30 * time.Second
)

// demoFlags are the flags of demo.
type demoFlags struct {
	faults    demoFaults
	noBrowser bool
}

func newDemoCommand() *cobra.Command {
	f := new(demoFlags)
	cmd := &cobra.Command{
		Use:   "demo [flags]",
		Short: "Show the whole job, on this machine alone",
		Long: `demo starts a Rovo MCP server of its own (see 'atlassian-mcp help sandbox') on a free
port of 127.0.0.1, and atlassian-mcp with the URL of that server, as an MCP client would
start it. It then plays the client: it signs in, and does what people ask agents to do
with Jira, Confluence and Compass. Each step goes through the relay to the server and
back. At a terminal with a display you sign in yourself, in your browser; elsewhere, or
after 30 seconds, the demo does that too.

With --fault something goes wrong on the way, see 'atlassian-mcp help sandbox', and the
demo shows what comes of it, and how often it struck. Not every fault is survived: some
only time or an administrator can put right, and issuer-mismatch atlassian-mcp lets pass
at Atlassian's own addresses alone.

Nothing of yours is read or changed. The exit status is 0 if everything worked.`,
		Example: `  atlassian-mcp demo
  atlassian-mcp demo --fault session-loss=5`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), demoTimeout, fmt.Errorf("the demo has taken more than %v", demoTimeout))
			defer cancel()
			f.noBrowser = f.noBrowser || !isTerminal(cmd.InOrStdin()) || !isTerminalWriter(cmd.OutOrStdout()) || !hasDisplay()
			return f.demo(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringArrayVar((*[]string)(&f.faults), "fault", nil, "have this `FAULT` happen: NAME or NAME=ARGUMENT (repeatable)")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "sign in without a browser")
	cmd.DisableFlagsInUseLine = true
	return cmd
}

// demo plays all parts but one: the server, the person and the client in this process, and between them this program in another
// one. It tells on stdout what happens.
func (f *demoFlags) demo(ctx context.Context, stdout, stderr io.Writer) error {
	server, err := openSandbox(sandbox.Config{Faults: f.faults})
	if err != nil {
		return err
	}
	defer server.Close()
	home, err := os.MkdirTemp("", "atlassian-mcp-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)

	setting := f.faults.setting(server)
	hopeful, giveUp := context.WithCancel(ctx)
	defer giveUp()
	person := &demoPerson{server: server, noBrowser: f.noBrowser, out: stdout, ctx: hopeful, giveUp: giveUp, rest: stderr}
	client, err := newDemoClient(hopeful, setting, home, person)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Rovo server:  %s (not Atlassian's: a sandbox on this machine)\nMCP client:   starts %s\n", setting.url, client.cmd)
	f.faults.announce(stdout, server)
	fmt.Fprintln(stdout)

	work := &demoWork{client: client, server: server, person: person, faults: f.faults}
	worked, all := work.run(stdout), len(work.steps())
	client.close() // again, if a step failed that should have
	person.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(stdout, "\n%d of %d steps worked.\n\n", worked, all)
	work.measured(stdout)
	f.faults.report(stdout, server)
	switch {
	case worked == all:
		return nil
	case len(f.faults) > 0:
		return errors.New("the demo did not work; not every fault can be survived, see 'atlassian-mcp help demo'")
	}
	return errors.New("the demo did not work")
}

// A demoPerson reads what the relay says on its standard error, and signs in when it asks for that.
type demoPerson struct {
	server    *sandbox.Server
	noBrowser bool
	out, rest io.Writer
	ctx       context.Context
	giveUp    func() // ends ctx: without a sign-in there is nothing to wait for

	tasks sync.WaitGroup
	line  bytes.Buffer
	once  sync.Once
	mu    sync.Mutex // guards err
	err   error
}

// Write takes what the relay says.
func (p *demoPerson) Write(text []byte) (int, error) {
	p.line.Write(text)
	for {
		whole, rest, ok := bytes.Cut(p.line.Bytes(), []byte("\n"))
		if !ok {
			return len(text), nil
		}
		line := string(whole)
		p.line = *bytes.NewBuffer(bytes.Clone(rest))
		switch _, page, asks := strings.Cut(line, ": Open this page to sign in: "); {
		case asks:
			p.once.Do(func() { p.tasks.Go(func() { p.fail(p.signIn(page)) }) })
		case strings.HasPrefix(line, errorPrefix), strings.HasPrefix(line, "atlassian-mcp: hint: "):
			fmt.Fprintln(p.rest, line)
		}
	}
}

// signIn has the person sign in at the page, or does it for them.
func (p *demoPerson) signIn(page string) error {
	if !p.noBrowser {
		fmt.Fprintf(p.out, "Your browser shows the sign-in page. Accept there, or wait for %.0f s.\n", personTimeout.Seconds())
		if err := openURL(page); err != nil {
			fmt.Fprintf(p.out, "It does not: %v.\n", err)
		} else if answered, err := p.wait(); answered || err != nil {
			return err
		}
	}
	_, err := issuer.Accept(p.ctx, nil, page, issuer.Choice{})
	return err
}

// wait gives the person time to answer the page, and reports whether they have. It is an error if they have refused.
func (p *demoPerson) wait() (answered bool, err error) {
	late := time.NewTimer(personTimeout)
	defer late.Stop()
	look := time.NewTicker(100 * time.Millisecond) // the sandbox tells its counts to whoever asks
	defer look.Stop()
	for {
		select {
		case <-look.C:
			switch counts := p.server.Counts().Issuer; {
			case counts.Accepted > 0:
				return true, nil
			case counts.Cancelled > 0:
				return true, errors.New("the sign-in was cancelled in the browser")
			}
		case <-late.C:
			return false, nil
		case <-p.ctx.Done():
			return false, context.Cause(p.ctx)
		}
	}
}

// fail ends the demo if the sign-in has failed. What fails when the demo is over already says nothing.
func (p *demoPerson) fail(err error) {
	if err == nil || p.ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	p.giveUp()
}

// Err returns why the sign-in failed, nil if it did not.
func (p *demoPerson) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Close waits until the person has done what they began.
func (p *demoPerson) Close() { p.tasks.Wait() }

// A demoStep is something that people ask an agent to do. run returns what came of it.
type demoStep struct {
	name string
	run  func() (string, error)
}

const (
	// tries is how often a step is tried while something goes wrong on purpose, as an agent would that reads the answer.
	tries = 4

	// thought is how long the agent thinks before each step then, lest all be over before a token is.
	thought = 100 * time.Millisecond

	// groundwork is how many steps all the others need.
	groundwork = 3
)

// run does all steps, says what comes of each, and returns how many have worked. After the groundwork it does what can be done.
func (w *demoWork) run(out io.Writer) (worked int) {
	faults := len(w.faults) > 0
	for i, s := range w.steps() {
		if faults {
			w.pause(thought)
		}
		if i == groundwork {
			w.faults.sessionOpen(w.server)
		}
		err := w.step(out, s)
		again := faults && i > 0 // the program is started once
		for try := 1; err != nil && err != errRelayEnded && again && w.person.ctx.Err() == nil && try < tries; try++ {
			wait := retryTime(err)
			fmt.Fprintf(out, "                  again, after %.0f s\n", wait.Seconds())
			w.pause(wait)
			err = w.step(out, s)
		}
		switch {
		case err == nil:
			worked++
		case w.stopped():
			return worked
		case i < groundwork, err == errRelayEnded:
			fmt.Fprintln(out, "                  which all the rest needs")
			return worked
		}
	}
	return worked
}

// pause waits, but not longer than the demo has.
func (w *demoWork) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.person.ctx.Done():
	}
}

// stopped reports whether the demo has no time any more, or somebody has ended it: what fails now says nothing.
func (w *demoWork) stopped() bool { return w.person.ctx.Err() != nil && w.person.Err() == nil }

// step does one step and says what came of it.
func (w *demoWork) step(out io.Writer, s demoStep) error {
	began := time.Now()
	got, err := s.run()
	took := time.Since(began)
	if err == errRelayEnded {
		w.pause(time.Second) // Ctrl-C in a terminal is for the relay too, which may be faster
	}
	result := "ok  "
	switch {
	case err != nil && w.stopped():
		return err
	case err != nil:
		result, got = "FAIL", plain(cmp.Or(w.person.Err(), err).Error())
	}
	fmt.Fprintf(out, "%s %8.1f ms  %-46s %s\n", result, float64(took.Microseconds())/1000, s.name, got)
	return err
}

// retryTime returns how long to wait before what has failed with err is tried again: as long as the server said, or else a second.
func retryTime(err error) time.Duration {
	if answered, ok := errors.AsType[*answeredError](err); ok && answered.retryAfter > 0 {
		return answered.retryAfter
	}
	return time.Second
}

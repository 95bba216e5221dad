package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// This file renews a token without the user. Refresh tokens are single-use: once the server has granted a rotation, the
// old one is worthless, and whoever presents it again may lose the whole sign-in. Hosts kill us within milliseconds of
// closing our standard input. So the rotation is left to a process of its own, in a session of its own, that nothing
// waits for at exit. It takes the lock of the grant, reads the store again, renews, stores, and only then reports by its
// standard output. What it has to know comes by its standard input, since everybody can read arguments.

const (
	renewLimit = 30 * time.Second // of one renewal, waiting for its lock included
	// renewGrace is added for the process to start, and to end.
	renewGrace = 5 * time.Second
	firstRetry = 500 * time.Millisecond
	lastRetry  = 8 * time.Second
)

// A renewal is what the renewing process is told.
type renewal struct {
	Key     string `json:"key"`             // of the grant in the store
	Refused string `json:"refused"`         // digest of the access token that is not good enough any more
	Grant   *grant `json:"grant,omitempty"` // if it could not be stored
}

// A renewed is what the renewing process reports.
type renewed struct {
	Grant   *grant        `json:"grant,omitempty"`
	Rotated bool          `json:"rotated,omitempty"` // by this renewal, not by another
	Unkept  string        `json:"unkept,omitempty"`  // why Grant could not be stored
	Failure string        `json:"failure,omitempty"` // why there is no Grant
	Kind    failureKind   `json:"kind,omitempty"`
	After   time.Duration `json:"after,omitempty"` // TransientError.RetryAfter
}

type failureKind string

const (
	failedForNow  failureKind = "transient" // *TransientError
	failedForGood failureKind = "sign-in"   // *SignInError
	failedOddly   failureKind = "other"
)

// renew returns a successor of g, renewed by this or another process. It is a *SignInError if only the user can help.
func (c *Client) renew(ctx context.Context, n need, g *grant) (*grant, error) {
	r := renewal{Key: g.key(), Refused: digest(n.refused)}
	c.mu.Lock()
	if c.unsaved {
		r.Grant = g
	}
	c.mu.Unlock()
	res := c.renewElsewhere(ctx, r)
	if res == nil {
		res = c.renewHere(ctx, r)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case res.Kind == failedForNow:
		return nil, &TransientError{Err: errors.New(res.Failure), RetryAfter: res.After}
	case res.Kind == failedForGood:
		if _, err := c.latest(ctx); err != nil { // what is left of the grant
			return nil, err
		}
		return nil, &SignInError{Reason: res.Failure}
	case res.Grant == nil:
		return nil, fmt.Errorf("renewing the sign-in: %s", res.Failure)
	}
	if res.Unkept != "" {
		c.unkept(errors.New(res.Unkept))
	}
	c.adopt(res.Grant, res.Unkept != "")
	if res.Rotated {
		c.mu.Lock()
		if c.untried != n.refused {
			c.vain = 0
		}
		c.untried = res.Grant.AccessToken
		c.vain++
		c.mu.Unlock()
	}
	return res.Grant, nil
}

// renewElsewhere has another process do what renewHere does. It returns nil if none can be had: if one can't be started,
// or two ended without a word.
func (c *Client) renewElsewhere(ctx context.Context, r renewal) *renewed {
	if c.cfg.Renewer == nil {
		return nil
	}
	for range 2 {
		cmd, out, err := launch(c.cfg.Renewer, r)
		if err != nil {
			c.log.Warn("process for renewal not started", "err", err)
			return nil
		}
		res, err := c.listenTo(ctx, cmd, out)
		if err == nil {
			return res
		}
		c.log.Warn("process for renewal ended without a result", "err", err)
	}
	return nil
}

// launch starts a renewing process and tells it r. Its result is to be read from out.
func launch(renewer func() *exec.Cmd, r renewal) (cmd *exec.Cmd, out *os.File, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirOut.Close()
	cmd, err = startDetached(func() *exec.Cmd {
		cmd := renewer()
		// Standard error stays closed: a host may wait for the end of ours.
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, nil
		return cmd
	})
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	theirIn.Close()       // lest we be the one that the data waits for
	_, _ = in.Write(data) // if the process is gone already listenTo notices
	return cmd, out, nil
}

// listenTo returns what a renewing process reports, unless ctx ends before.
func (c *Client) listenTo(ctx context.Context, cmd *exec.Cmd, out *os.File) (*renewed, error) {
	defer out.Close()
	type reading struct {
		data []byte
		err  error
	}
	read := make(chan reading, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(out, maxMetadata))
		read <- reading{data, err}
	}()
	limit := time.NewTimer(c.renewLimit + renewGrace)
	defer limit.Stop()
	select {
	case r := <-read:
		werr := cmd.Wait()
		var res renewed
		if err := json.Unmarshal(r.data, &res); err != nil {
			return nil, errors.Join(r.err, werr, errors.New("no result"))
		}
		return &res, nil
	case <-ctx.Done():
	case <-limit.C:
	}
	// The process is left to itself, which is what it is for. Where a pipe can't be interrupted (Windows) the goroutine
	// is too: it ends with the process, or with this one.
	out.SetReadDeadline(time.Unix(1, 0))
	cmd.Process.Release()
	return &renewed{Failure: "renewal takes too long", Kind: failedForNow}, nil
}

// Renew does one renewal as Config.Renewer's process: it reads what to renew from in and reports to out. It does not stop
// for signals that end the processes of a terminal or a host, but after 30 s.
func (c *Client) Renew(in io.Reader, out io.Writer) error {
	ignoreSignals()
	var r renewal
	if err := json.NewDecoder(io.LimitReader(in, maxMetadata)).Decode(&r); err != nil {
		return errors.New("nothing to renew on standard input; this command is for atlassian-mcp itself")
	}
	return json.NewEncoder(out).Encode(c.renewHere(c.ctx, r))
}

// renewHere renews in this process, under the lock that keeps all others from it.
func (c *Client) renewHere(ctx context.Context, r renewal) *renewed {
	ctx, cancel := context.WithTimeout(ctx, c.renewLimit)
	defer cancel()
	unlock, err := c.cfg.Store.Lock(ctx, r.Key)
	if ctx.Err() != nil {
		return &renewed{Failure: "another process takes too long to renew the sign-in", Kind: failedForNow}
	}
	switch {
	case err == nil:
		defer unlock()
	case r.Grant == nil: // else nobody else has it, since it could not be stored either
		return failure(err)
	}
	g, err := c.read(ctx, r.Key)
	if err != nil {
		return failure(err)
	}
	if m := r.Grant; m != nil && (g == nil || m.Issued.After(g.Issued)) {
		g = m
	}
	switch {
	case g == nil:
		return &renewed{Failure: "signed out", Kind: failedForGood}
	case g.AccessToken != "" && digest(g.AccessToken) != r.Refused && !g.expired(time.Now()):
		return &renewed{Grant: g} // another process has renewed it meanwhile
	case g.RefreshToken == "":
		return &renewed{Failure: "the sign-in has expired", Kind: failedForGood}
	}
	t, err := c.refreshPatiently(ctx, g)
	if err != nil {
		return c.giveUp(ctx, g, err)
	}
	g = g.with(t, time.Now())
	res := &renewed{Grant: g, Rotated: true}
	if err := c.keep(ctx, g); err != nil {
		res.Unkept = err.Error()
	}
	return res
}

// refreshPatiently asks for a token until there is an answer, be it no, or ctx is about to end.
func (c *Client) refreshPatiently(ctx context.Context, g *grant) (*token, error) {
	corrected := false
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		t, err := c.refresh(ctx, g)
		if better := c.correct(ctx, g, err); better != nil && !corrected {
			corrected = true
			g = better
			t, err = c.refresh(ctx, g)
		}
		var te *TransientError
		if !errors.As(err, &te) {
			return t, err
		}
		pause := max(wait+rand.N(wait), te.RetryAfter)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pause {
			return nil, err
		}
		c.log.Debug("token endpoint unavailable", "err", err, "retry", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// correct returns what to try in place of g after err, nil for nothing: an endpoint that has moved, or no scope for a
// server that grants less than it was asked for and then is strict about it.
func (c *Client) correct(ctx context.Context, g *grant, err error) *grant {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	better := *g
	switch {
	case e.Code == "invalid_scope" && len(g.Requested) > 0:
		better.Requested = nil
		return &better
	case e.Code == "" && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed || e.Status == http.StatusGone):
		as, err := c.serverMetadata(ctx, g.Issuer)
		if err != nil || as.TokenEndpoint == g.TokenEndpoint {
			return nil
		}
		better.TokenEndpoint, better.RevocationEndpoint = as.TokenEndpoint, as.RevocationEndpoint
		return &better
	}
	return nil
}

// giveUp says what follows from err, and forgets what err proves worthless. Everything else is kept: a server that is
// confused today may be well tomorrow.
func (c *Client) giveUp(ctx context.Context, g *grant, err error) *renewed {
	var e *Error
	if isTransient(err) || !errors.As(err, &e) {
		return failure(err)
	}
	switch e.Code {
	case "invalid_grant":
		if err := c.keep(ctx, g.without()); err != nil {
			c.log.Debug("expired sign-in not deleted", "err", err)
		}
	case "invalid_client", "unauthorized_client":
		if err := c.cfg.Store.Delete(context.WithoutCancel(ctx), g.key()); err != nil {
			c.log.Debug("dead registration not deleted", "err", err)
		}
	case "":
		if e.Status != http.StatusNotFound && e.Status != http.StatusMethodNotAllowed && e.Status != http.StatusGone {
			// Not the words of an authorization server: a filter on the way, most likely.
			return &renewed{Failure: err.Error(), Kind: failedForNow}
		}
	}
	return &renewed{Failure: "the sign-in can't be renewed: " + e.Error(), Kind: failedForGood}
}

func failure(err error) *renewed {
	r := &renewed{Failure: err.Error(), Kind: failedOddly}
	var te *TransientError
	if errors.As(err, &te) {
		r.Failure, r.Kind, r.After = te.Err.Error(), failedForNow, te.RetryAfter
	}
	return r
}

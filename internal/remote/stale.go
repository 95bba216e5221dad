package remote

import (
	"context"
	"sync"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is for the session that has outlived its token: some servers go on with the token that it began with, and say in the results
// of their tools that somebody behind them doesn't take it any more.

// renewEvery is how often a session may be renewed for that reason. What new tokens don't cure, newer ones won't.
const renewEvery = time.Minute

// heed has the session renewed if m, the answer to call, says that it is stale. What has been sent so far is not repeated.
func (c *conn) heed(call *call, m jsonrpc.Message) {
	if c.cfg.Stale == nil || call.m.Method != "tools/call" || m.Failed || !c.cfg.Stale(m) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if call.renewals < c.renewals || c.renewals > 0 && time.Since(c.renewedAt) < renewEvery {
		return // that has been taken care of since, or can't be
	}
	done := make(chan struct{})
	c.renewing, c.renewedAt = done, time.Now()
	c.renewals++
	c.tasks.Go(func() {
		ctx, cancel := context.WithTimeoutCause(c.ctx, c.cfg.HandshakeTimeout, errSilent)
		defer cancel()
		err := c.cfg.Renew(ctx)
		if err == nil {
			err = c.transport.reopen(ctx)
		}
		if err != nil {
			c.cfg.Log.Warn("session not renewed", "error", err)
		}
		c.mu.Lock()
		c.renewing = nil
		c.mu.Unlock()
		close(done)
	})
}

// awaitRenewal has a request wait for the session that is about to begin: in the old one it would fail.
func (c *conn) awaitRenewal(call *call) {
	c.mu.Lock()
	renewing := c.renewing
	c.mu.Unlock()
	if renewing == nil || !call.isRequest() {
		return
	}
	select {
	case <-renewing:
	case <-call.ctx.Done():
	}
}

// A usage counts who uses what may be replaced, so that it ends when it has been and nobody uses it any more.
type usage struct {
	mu  sync.Mutex // guards the rest
	n   int
	end func() // nil before retire
}

func (u *usage) enter() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n++
}

func (u *usage) exit() {
	u.mu.Lock()
	u.n--
	u.unlock()
}

// retire has end called, once, when nobody is left.
func (u *usage) retire(end func()) {
	u.mu.Lock()
	u.end = end
	u.unlock()
}

func (u *usage) unlock() {
	var end func()
	if u.n == 0 {
		end, u.end = u.end, nil
	}
	u.mu.Unlock()
	if end != nil {
		end()
	}
}

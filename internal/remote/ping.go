package remote

import (
	"context"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is for servers, and whatever stands before them, that forget a session of which they don't hear for a while.

// keepAwake sends a ping (MCP 2025-11-25, "Ping") each cfg.PingInterval until the conn is closed. Its answer means nothing: whether the server is still
// there other means find out, and a server that doesn't know the method has heard of the session all the same.
func (c *conn) keepAwake() {
	ticker := time.NewTicker(c.cfg.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(c.ctx, c.cfg.PingInterval)
		if _, err := c.ask(ctx, jsonrpc.NewRequest(c.hand.newID(), "ping", nil), c.transport.exchange); err != nil && c.ctx.Err() == nil {
			c.cfg.Log.Debug("no answer to a ping", "error", err)
		}
		cancel()
	}
}

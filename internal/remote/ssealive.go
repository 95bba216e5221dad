package remote

import (
	"context"
	"sync/atomic"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is how a stream of HTTP+SSE that has died in silence is told from one on which there is nothing to say.

// suspect has a sign of life asked for.
func (e *eventStream) suspect() {
	select {
	case e.silent <- struct{}{}:
	default:
	}
}

// guard breaks stream when it is dead.
func (s *sse) guard(stream *eventStream) {
	for {
		select {
		case <-stream.silent:
		case <-stream.ctx.Done():
			return
		}
		for before := stream.watched.reads.Load(); stream.watched.reads.Load() == before; {
			if s.probe(stream, before) {
				stream.cancel()
				return
			}
			if !sleep(stream.ctx, probeTimeout) {
				return
			}
		}
	}
}

// probe sends a ping (MCP 2024-11-05, "Ping") and reports whether stream is dead, which it is if the server takes the ping and nothing
// comes, or doesn't know the session any more. A server that is at work on something else may answer only after that, so then one
// that has not been seen to do otherwise gets the benefit of the doubt; whether its connection lives the system finds out.
func (s *sse) probe(stream *eventStream, before int64) (dead bool) {
	ctx, cancel := context.WithTimeout(stream.ctx, probeTimeout)
	defer cancel()
	busy := s.waiting(stream) > 0
	var accepted, forgotten atomic.Bool
	_, err := s.ask(ctx, jsonrpc.NewRequest(s.hand.newID(), "ping", nil), func(call *call) {
		s.mu.Lock()
		call.on = stream
		s.mu.Unlock()
		resp, err := s.post(stream, call)
		switch {
		case err != nil:
			s.fail(call, err)
		case resp.StatusCode/100 != 2:
			r := readRefusal(resp)
			forgotten.Store(r.aboutSession())
			s.refuse(call, r)
		default:
			accepted.Store(true)
			discard(resp)
			s.await(stream, call)
		}
	})
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	if err == nil && busy {
		s.prompt = true
	}
	if stream.watched.reads.Load() != before {
		return false
	}
	return forgotten.Load() || accepted.Load() && (s.prompt || s.waiting(stream) == 0)
}

// waiting returns how many of the client's requests wait for an answer on stream.
func (s *sse) waiting(stream *eventStream) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open {
		for _, call := range open {
			if call.on == stream && call.answer == nil && !call.settled {
				n++
			}
		}
	}
	return n
}

// awake is transport's.
func (s *sse) awake() {
	s.streamMu.Lock()
	stream := s.stream
	s.failures = 0
	s.streamMu.Unlock()
	switch {
	case stream == nil:
		s.want()
	case s.waiting(stream) == 0:
		stream.cancel()
		s.want()
	default:
		stream.suspect() // which nobody heeds with HTTP/2, where its own pings find out
	}
}

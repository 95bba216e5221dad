package remote

import (
	"cmp"
	"net/http"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is the sending half of HTTP+SSE: one POST for each message, which waits for a stream if there is none.

// want has a stream opened without delay.
func (s *sse) want() {
	select {
	case s.wanting <- struct{}{}:
	default:
	}
}

// seek notes that n more requests wait for a stream.
func (s *sse) seek(n int) {
	s.streamMu.Lock()
	defer s.streamMu.Unlock()
	s.seekers += n
}

// wait returns the stream for call, once there is one other than old. Whoever gets it is to exit its usage.
func (s *sse) wait(call *call, old *eventStream) (*eventStream, error) {
	patience := time.NewTimer(s.cfg.HandshakeTimeout)
	defer patience.Stop()
	if call.isRequest() {
		s.seek(1)
		defer s.seek(-1)
	}
	for over := false; ; {
		s.streamMu.Lock()
		stream, changed, trouble := s.stream, s.changed, s.trouble
		if stream != nil && stream != old {
			stream.usage.enter() // while it is certain that nobody has ended it for want of use
			s.streamMu.Unlock()
			return stream, nil
		}
		s.streamMu.Unlock()
		if over {
			return nil, cmp.Or(trouble, errSilent)
		}
		s.want()
		select {
		case <-changed:
		case <-patience.C:
			s.hear(call)
			over = true
		case <-call.ctx.Done():
			return nil, call.ctx.Err()
		}
	}
}

// hear waits until the attempt under way is over, if that is soon. It may have waited for a person as long as call has, and then call is to be
// answered with that.
func (s *sse) hear(call *call) {
	s.streamMu.Lock()
	trying := s.trying
	s.streamMu.Unlock()
	late := time.NewTimer(time.Second)
	defer late.Stop()
	select {
	case <-trying:
	case <-late.C:
	case <-call.ctx.Done():
	}
}

// exchange sends call. A request's answer comes on the stream.
func (s *sse) exchange(call *call) {
	if call.m.Kind == jsonrpc.Response {
		asker, _ := s.wanted(call.m)
		if stream, ok := asker.(*eventStream); ok && !s.exchangeOn(stream, call) {
			stream.cancel()
		}
		return
	}
	s.awaitRenewal(call)
	var stream *eventStream
	for range 2 {
		next, err := s.wait(call, stream)
		if err != nil {
			s.fail(call, err)
			return
		}
		stream = next
		sent := s.exchangeOn(stream, call)
		stream.usage.exit()
		if sent {
			return
		}
		stream.cancel() // the server has forgotten the session, and refused the message: it may be sent again on another stream
	}
	s.fail(call, &SessionError{&StatusError{Status: http.StatusNotFound}})
}

// exchangeOn sends call on stream. It returns false if the server doesn't know the stream any more.
func (s *sse) exchangeOn(stream *eventStream, call *call) bool {
	stream.usage.enter()
	defer stream.usage.exit()
	watch := s.hand.note(call.m)
	if call.m.Method == "initialize" && call.answer == nil || s.hand.opening().Raw == nil {
		watch = func(m jsonrpc.Message) jsonrpc.Message {
			s.establish(stream, call.m, m)
			return m
		}
	}
	s.mu.Lock()
	call.onAnswer, call.on = watch, stream
	s.mu.Unlock()
	for waited := time.Duration(0); ; {
		resp, err := s.post(stream, call)
		if err != nil {
			s.fail(call, s.lost(call, err))
			return true
		}
		if resp.StatusCode/100 == 2 {
			if !call.isRequest() {
				s.finish(call) // its answer is the status; whatever else comes must not hold up others
			}
			discard(resp)
			if call.m.Method == "notifications/initialized" {
				s.hand.acknowledge(call.m)
			}
			if stream.ctx.Err() != nil { // perhaps too late to be answered by lose
				s.fail(call, &lostError{nil})
			} else if call.isRequest() {
				s.await(stream, call)
			}
			return true
		}
		r := readRefusal(resp)
		switch {
		case r.aboutSession() && call.answer == nil:
			s.mu.Lock()
			call.on = nil
			s.mu.Unlock()
			return false
		case waitable(r, call, &waited):
			if !sleep(call.ctx, r.RetryAfter) {
				return true
			}
		default:
			s.refuse(call, r)
			return true
		}
	}
}

// await waits until call is settled, so that its context lasts as long as it is of interest.
func (s *sse) await(stream *eventStream, call *call) {
	select {
	case <-call.done:
	case <-call.ctx.Done():
	case <-stream.ctx.Done():
	}
}

func (s *sse) post(stream *eventStream, call *call) (*http.Response, error) {
	return s.persist(call, func() (*http.Response, error) { return s.postOnce(stream, call) })
}

func (s *sse) postOnce(stream *eventStream, call *call) (*http.Response, error) {
	req, ctx := s.newPost(stream.endpoint, call)
	s.mu.Lock()
	version := stream.version
	s.mu.Unlock()
	if version >= "2025-06-18" && call.m.Method != "initialize" { // versions are dates; before this one there was no such header
		req.Header.Set("Mcp-Protocol-Version", version)
	}
	return s.do(ctx, req)
}

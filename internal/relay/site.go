package relay

import (
	"errors"
	"slices"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
)

// This file keeps calls at the one site that they may be for, see policy.Site. Where that is gets looked up when the first call depends on it; only such
// calls wait meanwhile.

// A site is what is known of it.
type site struct {
	place   policy.Place
	waiting []jsonrpc.Message // calls that can't be judged yet
	bytes   int               // length of waiting
	looking bool              // place is being looked up
	found   chan policy.Place
}

// toSite returns m as it may go on to the server. It returns false if m is answered, or waits.
func (r *relay) toSite(m jsonrpc.Message) (jsonrpc.Message, bool) {
	passes, verdict, why := r.cfg.Site.Judge(m, r.site.place)
	switch verdict {
	case policy.Refused:
		r.cfg.Log.Debug("call refused", "reason", why)
		if m.Kind == jsonrpc.Request {
			r.answerInBatch(toolResult(m, why.Error(), true))
		}
		return m, false
	case policy.Undecided:
		r.site.waiting = append(r.site.waiting, m)
		r.site.bytes += len(m.Raw)
		r.hand.piped = r.hand.piped || r.premature()
		r.locate()
		return m, false
	}
	return passes, true
}

// remove removes one of the calls that wait.
func (s *site) remove(i int) {
	s.bytes -= len(s.waiting[i].Raw)
	s.waiting = slices.Delete(s.waiting, i, i+1)
}

// locate looks the site up.
func (r *relay) locate() {
	if r.site.looking {
		return
	}
	r.site.looking = true
	r.tasks.Go(func() {
		id, err := r.cfg.Locate(r.ctx)
		if err == nil && id == "" {
			err = errors.New("it has none")
		}
		select {
		case r.site.found <- policy.Place{CloudID: id, Err: err}:
		case <-r.ctx.Done():
		}
	})
}

// located brings on their way the calls that have waited. If the site was not found, the next call has it looked up again.
func (r *relay) located(at policy.Place) {
	waiting := r.site.waiting
	r.site.looking, r.site.waiting, r.site.bytes, r.site.place = false, nil, 0, at
	for _, m := range waiting {
		r.send(m)
	}
	r.site.place.Err = nil
}

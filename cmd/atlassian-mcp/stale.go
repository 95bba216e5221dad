package main

import (
	"bytes"
	"context"
	"strings"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// maxRefusal is how long a tool's result may be, in bytes, to be looked into: a refusal is a sentence or two.
const maxRefusal = 16 << 10

// toolRefusal returns what a tool's result means if that says how Atlassian refuses.
func toolRefusal(explain explainer, answer jsonrpc.Message) (atlassian.Refusal, bool) {
	if len(answer.Raw) > maxRefusal || !mayBeError(answer.Raw) || string(jsonrpc.Lookup(answer.Raw, "result", "isError")) != "true" {
		return atlassian.Refusal{}, false
	}
	var text strings.Builder
	content := jsonrpc.Lookup(answer.Raw, "result", "content")
	for at := range jsonrpc.Elements(content, jsonrpc.Whole(content)) {
		piece, _ := jsonrpc.Text(jsonrpc.Lookup(content[at.Start:at.End], "text"))
		text.WriteString(piece + "\n")
	}
	return explain(0, text.String())
}

// mayBeError reports whether a result may have an isError that is true. Every result passes here, and to parse them all would cost a twentieth of
// the calls a second.
func mayBeError(result []byte) bool {
	for {
		_, after, found := bytes.Cut(result, []byte(`"isError"`))
		if !found || !bytes.HasPrefix(after, []byte(`:false`)) {
			return found
		}
		result = after
	}
}

// explain is an explainer.
func (s *signer) explain(status int, text string) (atlassian.Refusal, bool) {
	r, ok := atlassian.Explain(s.cfg.Server.String(), status, text)
	if client := s.client.Load(); s.given || client != nil && client.Static() {
		r = r.ForToken()
	}
	return r, ok
}

// stale is remote.Config's Stale.
func (s *signer) stale(answer jsonrpc.Message) bool {
	r, ok := toolRefusal(s.explain, answer)
	return ok && r.Stale
}

// refresh gets a new token, see auth.Client.Refresh.
func (s *signer) refresh(ctx context.Context) error {
	client, err := s.get(ctx)
	if err != nil {
		return err
	}
	return client.Refresh(ctx)
}

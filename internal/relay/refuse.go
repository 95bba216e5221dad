package relay

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// refuseTimeout is how long Refuse waits for the next line. A host sends initialize at once; a script that never closes our input must not hang.
const refuseTimeout = 5 * time.Second

// Refuse answers every request on in with message, for a process that can't relay at all: its host would otherwise see nothing but
// the end of the output. It returns at the end of in, after 5 s without input, or when ctx is done.
//
// server/discover gets the answer that makes a client go on to initialize, whose error it will show.
func Refuse(ctx context.Context, in io.Reader, out io.Writer, message string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan line)
	go read(ctx, jsonrpc.NewReader(in, 0), lines) // not waited for, as in Run
	w := jsonrpc.NewWriter(out)
	for {
		select {
		case l := <-lines:
			if l.err == io.EOF || w.Write(refusals(l, message)...) != nil {
				return
			}
		case <-time.After(refuseTimeout):
			return
		case <-ctx.Done():
			return
		}
	}
}

// refusals returns the answers to what was found on a line.
func refusals(l line, message string) []jsonrpc.Message {
	if long, ok := errors.AsType[*jsonrpc.TooLongError](l.err); ok {
		l = line{m: long.Message}
	}
	if l.err != nil {
		return []jsonrpc.Message{jsonrpc.ErrorResponse("", jsonrpc.Error{Code: jsonrpc.CodeParse, Message: l.err.Error()})}
	}
	members := []jsonrpc.Message{l.m}
	if l.m.Kind == jsonrpc.Batch {
		members = jsonrpc.Split(l.m)
	}
	var answers []jsonrpc.Message
	for _, m := range members {
		if m.Kind != jsonrpc.Request {
			continue
		}
		code := remote.CodeLocal
		if m.Method == "server/discover" {
			code = jsonrpc.CodeMethodNotFound
		}
		answers = append(answers, jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: code, Message: message}))
	}
	return answers
}

package relay

import (
	"context"
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
			answer := jsonrpc.ErrorResponse(l.m.ID, jsonrpc.Error{Code: remote.CodeLocal, Message: message})
			switch {
			case l.err == io.EOF:
				return
			case l.err != nil:
				answer = jsonrpc.ErrorResponse("", jsonrpc.Error{Code: jsonrpc.CodeParse, Message: l.err.Error()})
			case l.m.Method == "server/discover":
				answer = jsonrpc.ErrorResponse(l.m.ID, jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: message})
			case l.m.Kind != jsonrpc.Request:
				continue
			}
			if w.Write(answer) != nil {
				return
			}
		case <-time.After(refuseTimeout):
			return
		case <-ctx.Done():
			return
		}
	}
}

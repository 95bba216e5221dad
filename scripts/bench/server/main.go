// Command server is the far end of the benchmark: an MCP server on loopback whose one tool returns as many bytes, after
// as many notifications, as it is asked for. It is a process of its own, so that what it costs is nobody else's. It
// prints its URL and serves until stdin ends.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const (
	sessionID = "bench"
	version   = "2025-11-25"
)

// line is what results are made of: text as JSON carries it, with escapes for a scanner to see. It is 64 bytes long.
const line = `A line of \"text\" for the relay to carry, as tools return it.\n`

var block = strings.Repeat(line, 1024)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/mcp\n", listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}

// A request is what serve needs to know of a message.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Arguments struct {
			Bytes         int  `json:"bytes"`         // length of the result's text, in whole lines
			Notifications int  `json:"notifications"` // sent before it
			Stream        bool `json:"stream"`        // answer with an event stream
		} `json:"arguments"`
	} `json:"params"`
}

func serve(w http.ResponseWriter, r *http.Request) {
	var req request
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if req.Method == "initialize" {
		w.Header().Set("Mcp-Session-Id", sessionID)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":%q,"capabilities":{"logging":{},"tools":{}},`+
			`"serverInfo":{"name":"bench","version":"1"}}}`, req.ID, version)
		return
	}
	if r.Header.Get("Mcp-Session-Id") != sessionID {
		http.Error(w, "no session", http.StatusNotFound)
		return
	}
	if r.Header.Get("Mcp-Protocol-Version") != version {
		http.Error(w, "no protocol version", http.StatusBadRequest)
		return
	}
	switch {
	case r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case r.Method != http.MethodPost || req.ID == nil:
		w.WriteHeader(http.StatusAccepted)
	case req.Method == "tools/call":
		call(w, req)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{}}`, req.ID)
	}
}

// call answers one tool call. Notifications are not flushed one by one: that would measure this server's system calls.
func call(w http.ResponseWriter, req request) {
	args := req.Params.Arguments
	lines := args.Bytes / len(line)
	head := `{"jsonrpc":"2.0","id":` + string(req.ID) + `,"result":{"content":[{"type":"text","text":"`
	const tail = `"}]}}`
	if args.Stream {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range args.Notifications {
			fmt.Fprintf(w, "event: message\nid: %d\ndata: "+`{"jsonrpc":"2.0","method":"notifications/message","params":`+
				`{"level":"info","data":"step %d of many"}}`+"\n\n", i, i)
		}
		io.WriteString(w, "event: message\ndata: ")
	} else {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(head)+lines*len(line)+len(tail)))
	}
	io.WriteString(w, head)
	for ; lines >= 1024; lines -= 1024 {
		io.WriteString(w, block)
	}
	io.WriteString(w, block[:lines*len(line)])
	io.WriteString(w, tail)
	if args.Stream {
		io.WriteString(w, "\n\n")
	}
}

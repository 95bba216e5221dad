package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
)

var discardLog = log.New(io.Discard, "", 0)

// fakeMCP is an MCP server (Streamable HTTP, 2025-11-25, without sessions). It tells in its
// answer to initialize, as the instructions, and in that to tools/list which User-Agent and X-Key it got. A tools/call
// hangs until the client gives up.
func fakeMCP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	var m struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	who := strings.Join([]string{r.Header.Get("User-Agent"), r.Header.Get("X-Key")}, " ")
	switch {
	case m.ID == nil:
		w.WriteHeader(http.StatusAccepted)
	case m.Method == "initialize":
		json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": map[string]any{
			"protocolVersion": "2025-11-25",
			"capabilities":    map[string]any{"tools": map[string]any{}},
			"serverInfo":      map[string]any{"name": "fake", "version": "1"},
			"instructions":    who,
		}})
	case m.Method == "tools/list":
		json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": map[string]any{
			"tools": []any{map[string]any{"name": "who", "inputSchema": map[string]any{"type": "object"}, "description": who}},
		}})
	case m.Method == "tools/call":
		<-r.Context().Done()
	default:
		json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": map[string]any{}})
	}
}

package sandbox

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// This file is MCP 2026-07-28, which /mcp speaks besides the versions before it: no sessions, every request says who it comes from, and
// headers repeat what it says ("Streamable HTTP", "Server Validation").

// A modernMeta is _meta of a request's params.
type modernMeta struct {
	Version      *string          `json:"io.modelcontextprotocol/protocolVersion"`
	Capabilities *json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
	Client       *implementation  `json:"io.modelcontextprotocol/clientInfo"`
}

func metaOf(m message) (modernMeta, bool) {
	var params struct {
		Meta modernMeta `json:"_meta"`
	}
	if len(m.Params) == 0 {
		return modernMeta{}, true
	}
	err := json.Unmarshal(m.Params, &params)
	return params.Meta, err == nil
}

// isModern reports whether m is a message of 2026-07-28 or later: it says so, or it is one that came with that version. What belongs to a
// session and names no version doesn't.
func isModern(r *http.Request, m message) bool {
	if meta, _ := metaOf(m); meta.Version != nil {
		return true
	}
	switch m.Method {
	case string(mcp.MethodServerDiscover), string(mcp.MethodSubscriptionsListen):
		return true
	}
	version := r.Header.Get(mcp.HeaderProtocolVersion)
	return version != "" && !isLegacyVersion(version)
}

// serveModern answers a request of 2026-07-28.
func (s *Server) serveModern(w http.ResponseWriter, r *http.Request, p peer, m message) {
	if !m.isRequest() {
		w.WriteHeader(http.StatusAccepted) // the version has no notifications by HTTP, and forbids none
		return
	}
	meta, err := s.checkModern(r, m)
	if err != nil {
		answerModern(w, http.StatusBadRequest, response{mcp.JSONRPC_VERSION, m.ID, nil, err})
		return
	}
	if s.limit(w, p, []message{m}) {
		return
	}
	p.session = nil
	if meta.Client != nil {
		p.client = brief(meta.Client.Name + " " + meta.Client.Version)
	}
	c := &call{server: s, peer: p, message: m}
	c.ctx, c.cancel = context.WithCancel(r.Context()) // who goes has cancelled ("Cancellation")
	defer c.cancel()
	switch mcp.MCPMethod(m.Method) {
	case mcp.MethodSubscriptionsListen:
		c.serveListen(w)
	case mcp.MethodToolsCall:
		w.Header().Set("X-Accel-Buffering", "no")
		out := newStream(w)
		c.serve(out)
		out.end()
	default:
		result, err := c.answer()
		status := http.StatusOK
		if err != nil && err.Code == mcp.METHOD_NOT_FOUND {
			status = http.StatusNotFound
		}
		answerModern(w, status, response{mcp.JSONRPC_VERSION, m.ID, result, err})
	}
}

func answerModern(w http.ResponseWriter, status int, answer response) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(encode(answer))
}

// checkModern compares the headers of a request with what it says, and both with what the version demands.
func (s *Server) checkModern(r *http.Request, m message) (modernMeta, *rpcError) {
	mismatch := func(text string) *rpcError {
		return &rpcError{Code: mcp.HEADER_MISMATCH, Message: "Header mismatch: " + text}
	}
	meta, ok := metaOf(m)
	version := r.Header.Get(mcp.HeaderProtocolVersion)
	switch {
	case !ok:
		return meta, invalid("Invalid request parameters")
	case version == "":
		return meta, mismatch(mcp.HeaderProtocolVersion + " is missing")
	case meta.Version != nil && version != *meta.Version:
		return meta, mismatch(mcp.HeaderProtocolVersion + " differs from the body")
	case version != mcp.ProtocolVersion20260728:
		return meta, &rpcError{
			Code: mcp.UNSUPPORTED_PROTOCOL_VERSION, Message: "Unsupported protocol version",
			Data: map[string]any{"supported": s.versions(), "requested": version},
		}
	case meta.Version == nil:
		return meta, invalid("Invalid request parameters: _meta lacks " + mcp.MetaKeyProtocolVersion)
	case meta.Capabilities == nil:
		return meta, invalid("Invalid request parameters: _meta lacks " + mcp.MetaKeyClientCapabilities)
	}
	if r.Header.Get(mcp.HeaderMethod) != m.Method {
		return meta, mismatch(mcp.HeaderMethod + " is missing or differs from the body")
	}
	if want, named := mcp.ExtractHeaderName(mcp.MCPMethod(m.Method), m.Params); named {
		values := r.Header.Values(mcp.HeaderName)
		if len(values) != 1 {
			return meta, mismatch(mcp.HeaderName + " is missing")
		}
		if name, ok := mcp.DecodeHeaderValue(values[0]); !ok || name != want {
			return meta, mismatch(mcp.HeaderName + " differs from the body")
		}
	}
	return meta, nil
}

// versions returns the versions of the protocol that /mcp speaks.
func (s *Server) versions() []string {
	if s.faults.strikes("modern-only") {
		return []string{mcp.ProtocolVersion20260728}
	}
	return mcp.ValidProtocolVersions
}

// modernResult adds to a result what 2026-07-28 demands of every one. The lists depend on who asks, and hold until something changes.
func modernResult(method string, result any) any {
	fields := map[string]json.RawMessage{}
	json.Unmarshal(encode(result), &fields) // every result is an object
	fields["resultType"] = encode(mcp.ResultTypeComplete)
	fields["_meta"] = encode(map[string]any{mcp.MetaKeyServerInfo: serverInfo})
	switch mcp.MCPMethod(method) {
	case mcp.MethodServerDiscover, mcp.MethodToolsList, mcp.MethodResourcesList, mcp.MethodResourcesTemplatesList, mcp.MethodResourcesRead,
		mcp.MethodPromptsList:
		fields["ttlMs"] = encode(60_000)
		fields["cacheScope"] = encode(mcp.CacheScopePrivate)
	}
	return fields
}

// answerModern returns the result of a request of 2026-07-28, or its error.
func (c *call) answerModern() (result any, rpcErr *rpcError) {
	if c.Method == string(mcp.MethodServerDiscover) {
		result = map[string]any{"supportedVersions": c.server.versions(), "capabilities": json.RawMessage(modernCapabilities)}
	} else if result, rpcErr = c.answerAnyEra(); rpcErr != nil {
		return nil, rpcErr
	}
	return modernResult(c.Method, result), nil
}

// modernCapabilities has no logging: there are no messages.
const modernCapabilities = `{"tools":{"listChanged":true},"resources":{}}`

// serveListen answers subscriptions/listen (MCP 2026-07-28, "Subscriptions"), whose answer comes at the very end.
func (c *call) serveListen(w http.ResponseWriter) {
	var params struct {
		Notifications struct {
			ToolsListChanged bool `json:"toolsListChanged"`
		} `json:"notifications"`
	}
	if err := json.Unmarshal(c.Params, &params); err != nil {
		answerModern(w, http.StatusBadRequest, response{mcp.JSONRPC_VERSION, c.ID, nil, invalid("Invalid request parameters")})
		return
	}
	meta := map[string]any{mcp.MetaKeySubscriptionID: c.ID}
	honored := map[string]any{}
	wanted := "nothing"
	if params.Notifications.ToolsListChanged {
		honored["toolsListChanged"] = true
		wanted = mcp.MethodNotificationToolsListChanged
	}
	news, deaf := c.server.listen(wanted)
	defer deaf()
	w.Header().Set("X-Accel-Buffering", "no")
	out := newStream(w)
	out.message(notification{
		mcp.JSONRPC_VERSION, mcp.MethodNotificationSubscriptionsAcknowledged, map[string]any{"notifications": honored, "_meta": meta},
	})
	for {
		select {
		case method := <-news:
			out.message(notification{mcp.JSONRPC_VERSION, method, map[string]any{"_meta": meta}})
		case <-c.ctx.Done():
			if c.server.ctx.Err() != nil { // it is the server that goes, and may say so
				out.message(response{mcp.JSONRPC_VERSION, c.ID, map[string]any{"resultType": mcp.ResultTypeComplete, "_meta": meta}, nil})
			}
			return
		}
	}
}

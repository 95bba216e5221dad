package sandbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file answers requests, whichever way they came.

// An implementation is a program with its version, as initialize has it.
type implementation struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

var serverInfo = implementation{"atlassian-mcp-server", "1.0.0"}

const capabilities = `{"logging":{},"tools":{"listChanged":true},"resources":{}}`

type initializeParams struct {
	ProtocolVersion string           `json:"protocolVersion"`
	Capabilities    *json.RawMessage `json:"capabilities"`
	ClientInfo      *implementation  `json:"clientInfo"`
}

func (p initializeParams) valid() bool {
	return p.ProtocolVersion != "" && p.Capabilities != nil && p.ClientInfo != nil && p.ClientInfo.Name != ""
}

// isInitialize reports whether m opens a session. With other parameters it is not taken for an initialize at all.
func isInitialize(m message) bool {
	var params initializeParams
	return m.Method == string(mcp.MethodInitialize) && m.isRequest() && json.Unmarshal(m.Params, &params) == nil && params.valid()
}

// isLegacyVersion reports whether a version is one that initialize can agree on.
func isLegacyVersion(version string) bool {
	return slices.Contains(mcp.LegacyProtocolVersions(), version)
}

type initializeResult struct {
	ProtocolVersion string          `json:"protocolVersion"`
	Capabilities    json.RawMessage `json:"capabilities"`
	ServerInfo      implementation  `json:"serverInfo"`
}

// A call is a request that is being answered.
type call struct {
	server *Server
	peer   peer
	message
	ctx    context.Context
	cancel context.CancelFunc
	notify func(method string, params any) // on the way that the answer will take
}

// serve answers on out, unless the request was cancelled.
func (c *call) serve(out *stream) {
	defer c.done()
	c.notify = func(method string, params any) { out.message(notification{mcp.JSONRPC_VERSION, method, params}) }
	result, rpcErr := c.answer()
	switch answer := (response{mcp.JSONRPC_VERSION, c.ID, result, rpcErr}); {
	case c.ctx.Err() != nil:
	case rpcErr == nil && c.Method == string(mcp.MethodToolsCall) && c.server.faults.take("cut-stream"):
		out.half(answer)
	default:
		out.message(answer)
	}
}

// done forgets the call.
func (c *call) done() {
	c.cancel()
	if c.peer.session != nil {
		c.peer.session.forget(c)
	}
}

// answer returns the result of a request, or its error.
func (c *call) answer() (result any, rpcErr *rpcError) {
	// Requests run in goroutines of their own, where a panic would end the process, and the organization in its memory.
	defer func() {
		if cause := recover(); cause != nil {
			c.server.log.Error("panic", "method", c.Method, "cause", cause, "stack", string(debug.Stack()))
			result, rpcErr = nil, &rpcError{Code: mcp.INTERNAL_ERROR, Message: "Internal error"}
		}
	}()
	if c.peer.session == nil {
		return c.answerModern()
	}
	switch mcp.MCPMethod(c.Method) {
	case mcp.MethodInitialize:
		return c.initialize()
	case mcp.MethodPing:
		return struct{}{}, nil
	case mcp.MethodSetLogLevel:
		return c.setLevel()
	}
	return c.answerAnyEra()
}

// answerAnyEra answers the methods that 2026-07-28 has too.
func (c *call) answerAnyEra() (result any, rpcErr *rpcError) {
	switch mcp.MCPMethod(c.Method) {
	case mcp.MethodToolsList:
		return c.listTools()
	case mcp.MethodToolsCall:
		return c.callTool()
	case mcp.MethodResourcesList:
		return listResources(), nil
	case mcp.MethodResourcesTemplatesList:
		return map[string]any{"resourceTemplates": []any{}}, nil
	case mcp.MethodResourcesRead:
		return c.readResource()
	case mcp.MethodPromptsList:
		return map[string]any{"prompts": []any{}}, nil
	case mcp.MethodCompletionComplete:
		return map[string]any{"completion": map[string]any{"values": []string{}, "total": 0, "hasMore": false}}, nil
	}
	return nil, &rpcError{Code: mcp.METHOD_NOT_FOUND, Message: "Method not found"}
}

func (c *call) initialize() (any, *rpcError) {
	var params initializeParams
	if json.Unmarshal(c.Params, &params) != nil || !params.valid() {
		return nil, invalid("Invalid request parameters")
	}
	version := mcp.NegotiateLegacyVersion(params.ProtocolVersion)
	c.server.record.client(params.ClientInfo.Name)
	c.peer.session.begun(params.ClientInfo.Name+" "+params.ClientInfo.Version, version)
	return initializeResult{version, json.RawMessage(capabilities), serverInfo}, nil
}

func invalid(message string) *rpcError { return &rpcError{Code: mcp.INVALID_PARAMS, Message: message} }

// setLevel takes the level of messages, of which there are none.
func (c *call) setLevel() (any, *rpcError) {
	var params struct{ Level mcp.LoggingLevel }
	levels := []mcp.LoggingLevel{
		mcp.LoggingLevelDebug, mcp.LoggingLevelInfo, mcp.LoggingLevelNotice, mcp.LoggingLevelWarning,
		mcp.LoggingLevelError, mcp.LoggingLevelCritical, mcp.LoggingLevelAlert, mcp.LoggingLevelEmergency,
	}
	if json.Unmarshal(c.Params, &params) != nil || !slices.Contains(levels, params.Level) {
		return nil, invalid("Invalid request parameters")
	}
	return struct{}{}, nil
}

// toolsPerPage is how many tools the answer to tools/list has with ?tools=all, where there are too many for one.
const toolsPerPage = 20

// A listedTool is a tool with the page that shows its results.
type listedTool struct {
	rovo.Tool
	Meta *toolMeta `json:"_meta,omitempty"`
}

type toolsResult struct {
	Tools      []listedTool `json:"tools"`
	NextCursor string       `json:"nextCursor,omitempty"`
}

func (c *call) listTools() (any, *rpcError) {
	var params struct {
		Cursor *string `json:"cursor"`
	}
	if len(c.Params) > 0 && json.Unmarshal(c.Params, &params) != nil {
		return nil, invalid("Invalid request parameters")
	}
	tools := c.server.org.Tools(c.peer.caller(), c.view())
	start := 0
	if params.Cursor != nil {
		var ok bool
		if start, ok = decodeCursor(*params.Cursor); !ok || !c.peer.view.All || start >= len(tools) {
			return nil, invalid("Invalid cursor")
		}
	}
	result := toolsResult{Tools: []listedTool{}}
	end := len(tools)
	if c.peer.view.All && end > start+toolsPerPage {
		end = start + toolsPerPage
		result.NextCursor = encodeCursor(end)
	}
	for _, tool := range tools[start:end] {
		result.Tools = append(result.Tools, listedTool{tool, pageOf(tool.Name)})
	}
	return result, nil
}

func encodeCursor(n int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("tools:" + strconv.Itoa(n)))
}

func decodeCursor(cursor string) (n int, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(text) < len("tools:") || string(text[:len("tools:")]) != "tools:" {
		return 0, false
	}
	n, err = strconv.Atoi(string(text[len("tools:"):]))
	return n, err == nil && n > 0
}

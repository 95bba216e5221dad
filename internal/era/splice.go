package era

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is what either side is told of the other: who the client is, in every request (MCP 2026-07-28, "_meta"), what the server is, in the answer to
// initialize, and the members of a message that come and go for that. No other byte changes.

// A client is who sent initialize.
type client struct {
	version      string // that the two agree on
	info         []byte // JSON; nil if it has not said
	capabilities []byte // JSON, as 2026-07-28 has them
}

// introduce takes note of who the client is.
func (c *conn) introduce(initialize jsonrpc.Message) {
	params := jsonrpc.Lookup(initialize.Raw, "params")
	version, _ := jsonrpc.Text(jsonrpc.Lookup(params, "protocolVersion"))
	if !slices.Contains(mcp.LegacyProtocolVersions(), version) {
		version = mcp.LATEST_LEGACY_PROTOCOL_VERSION
	}
	info := jsonrpc.Lookup(params, "clientInfo")
	if !bytes.HasPrefix(info, []byte("{")) {
		info = nil // which the server may do without, but not with null
	}
	c.client = client{version, info, clientCapabilities(jsonrpc.Lookup(params, "capabilities"))}
}

// clientCapabilities returns what the client can do, in the terms of 2026-07-28: its tasks are others, and roots no longer change.
func clientCapabilities(declared []byte) []byte {
	var kept []string
	for name, at := range jsonrpc.Members(declared, jsonrpc.Whole(declared)) {
		value := string(declared[at.Start:at.End])
		switch name {
		case "tasks":
			continue
		case "roots":
			value = `{}`
		}
		kept = append(kept, jsonrpc.Quote(name)+":"+value)
	}
	return []byte("{" + strings.Join(kept, ",") + "}")
}

// meta returns the members of _meta that every request carries.
func (c *conn) meta() string {
	meta := jsonrpc.Quote(mcp.MetaKeyProtocolVersion) + ":" + jsonrpc.Quote(mcp.ProtocolVersion20260728)
	if c.client.info != nil {
		meta += "," + jsonrpc.Quote(mcp.MetaKeyClientInfo) + ":" + string(c.client.info)
	}
	meta += "," + jsonrpc.Quote(mcp.MetaKeyClientCapabilities) + ":" + string(c.client.capabilities)
	if c.level != "" {
		meta += "," + jsonrpc.Quote(mcp.MetaKeyLogLevel) + ":" + jsonrpc.Quote(c.level)
	}
	return meta
}

// welcome returns the result of initialize that says what the server has said to server/discover. Some have serverInfo beside _meta.
func (c *conn) welcome() []byte {
	member := func(instead string, path ...string) string {
		if value := jsonrpc.Lookup(c.found, path...); value != nil {
			return string(value)
		}
		return instead
	}
	info := member(member(`{"name":`+jsonrpc.Quote(c.host)+`,"version":"0"}`, "serverInfo"), "_meta", mcp.MetaKeyServerInfo)
	result := `{"protocolVersion":` + jsonrpc.Quote(c.client.version) + `,"capabilities":` + member(`{}`, "capabilities") + `,"serverInfo":` + info
	if instructions := member("", "instructions"); instructions != "" {
		result += `,"instructions":` + instructions
	}
	return []byte(result + "}")
}

// can reports whether the server has said that it can do something.
func (c *conn) can(path ...string) bool {
	value := jsonrpc.Lookup(c.found, append([]string{"capabilities"}, path...)...)
	return value != nil && string(value) != "false" && string(value) != "null"
}

// setLevel answers logging/setLevel, which 2026-07-28 has become part of every request.
func (c *conn) setLevel(m jsonrpc.Message) jsonrpc.Message {
	level, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "level"))
	switch {
	case !c.can("logging"):
		return jsonrpc.UnknownMethod(m)
	case !slices.Contains([]string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}, level):
		return jsonrpc.ErrorResponse(m.ID, jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no such level"})
	}
	c.level = level
	return jsonrpc.NewResponse(m.ID, []byte(`{}`))
}

// withMeta returns the request m with members in its _meta. Params that are no object, which no method has, stay as they are.
func withMeta(m jsonrpc.Message, members string) jsonrpc.Message {
	raw := m.Raw
	params, hasParams := jsonrpc.Find(raw, "params")
	meta, hasMeta := jsonrpc.Find(raw, "params", "_meta")
	switch {
	case !hasParams:
		return add(m, jsonrpc.Whole(bytes.TrimRight(raw, " \t\r\n")), `"params":{"_meta":{`+members+`}}`)
	case string(raw[params.Start:params.End]) == "null":
		return splice(m, params, `{"_meta":{`+members+`}}`)
	case raw[params.Start] != '{':
		return m
	case !hasMeta:
		return add(m, params, `"_meta":{`+members+`}`)
	case raw[meta.Start] != '{':
		return splice(m, meta, `{`+members+`}`)
	}
	return add(m, meta, members)
}

// withoutResultType returns a response without the resultType of its result, which only 2026-07-28 has.
func withoutResultType(m jsonrpc.Message) jsonrpc.Message {
	result, _ := jsonrpc.Find(m.Raw, "result")
	cut := jsonrpc.Span{Start: result.Start + 1}
	for name, at := range jsonrpc.Members(m.Raw, result) {
		if cut.End = at.End; name == "resultType" {
			break
		}
		cut.Start = at.End
	}
	rest := bytes.TrimLeft(m.Raw[cut.End:result.End], " \t\r\n")
	if cut.Start == result.Start+1 && rest[0] == ',' { // the first member, so that it is the comma after it that goes
		cut.End = result.End - len(rest) + 1
	}
	return splice(m, cut, "")
}

// add returns m with members at the end of an object in it, where they count even if it has some of the same names.
func add(m jsonrpc.Message, object jsonrpc.Span, members string) jsonrpc.Message {
	for range jsonrpc.Members(m.Raw, object) {
		members = "," + members
		break
	}
	return splice(m, jsonrpc.Span{Start: object.End - 1, End: object.End - 1}, members)
}

// splice returns m with text in place of what stands at a place in it. The outcome must be JSON again.
func splice(m jsonrpc.Message, at jsonrpc.Span, text string) jsonrpc.Message {
	changed, err := jsonrpc.Parse(slices.Concat(m.Raw[:at.Start], []byte(text), m.Raw[at.End:]))
	if err != nil {
		panic(err)
	}
	return changed
}

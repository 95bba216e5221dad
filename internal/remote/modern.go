package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// This file is what MCP 2026-07-28 asks of a client that speaks Streamable HTTP and not of one that speaks stdio: headers that
// mirror the body ("Standard Request Headers", "Custom Headers from Tool Parameters"), and no tools whose headers can't be.
//
// Names, codes and the value encoding are those of mcp-go's package mcp. Its functions that read messages are not used:
//   - StandardHeaders takes Name for name, gives no headers at all to a request that names a version before 2026-07-28, such as a
//     client's probe, and doesn't know tasks/*.
//   - GenerateParamHeaders does nothing for a tool with a property whose schema is true or false, drops integers beyond 2^53, and
//     decodes and encodes the schema at each call.
//   - ValidateParamHeaderAnnotations sees annotations only where they are allowed, not under items, oneOf, $defs and the like.

// modernVersion returns the protocol version that m itself names, which only 2026-07-28 and later do; "" if it names none.
func modernVersion(m jsonrpc.Message) string {
	version, _ := jsonrpc.Text(jsonrpc.Lookup(m.Raw, "params", "_meta", mcp.MetaKeyProtocolVersion))
	return version
}

// modernError reports whether m, an error that came with an HTTP status, is one that only a server of 2026-07-28 or later sends
// (MCP 2026-07-28, "Backward Compatibility"). A method that isn't found counts if the status says so too, and invalid parameters
// if the error lists the versions that the server supports.
func modernError(status int, m jsonrpc.Message) bool {
	code, err := strconv.ParseFloat(string(jsonrpc.Lookup(m.Raw, "error", "code")), 64)
	if err != nil {
		return false
	}
	switch code {
	case mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION:
		return true
	case jsonrpc.CodeMethodNotFound:
		return status == http.StatusNotFound
	case jsonrpc.CodeInvalidParams:
		var versions []string
		err := json.Unmarshal(jsonrpc.Lookup(m.Raw, "error", "data", "supported"), &versions)
		return err == nil && len(versions) > 0
	}
	return false
}

// toolHeaders makes the headers of 2026-07-28 requests. It remembers, from the tool lists that it is shown, which arguments of
// which tool have a header. The zero value has seen none, and sends tool calls without such headers. It may be used concurrently.
type toolHeaders struct {
	mu    sync.Mutex // guards tools
	tools map[string][]argumentHeader
}

// An argumentHeader says that the argument at path is mirrored in a header.
type argumentHeader struct {
	path   []string
	header string // Mcp-Param-…
}

// A removedTool is a tool that a client must not offer, and why.
type removedTool struct{ name, reason string }

// headers returns the headers that mirror the request or notification m. The error is for a version or method that no header can
// carry: unlike names and arguments they have no encoding.
func (t *toolHeaders) headers(m jsonrpc.Message) (http.Header, error) {
	params := jsonrpc.Lookup(m.Raw, "params")
	nameMember := nameMember(m.Method)
	var meta, name, arguments []byte
	for member, at := range jsonrpc.Members(params, jsonrpc.Whole(params)) {
		switch member {
		case "_meta":
			meta = params[at.Start:at.End]
		case nameMember:
			name = params[at.Start:at.End]
		case "arguments":
			arguments = params[at.Start:at.End]
		}
	}

	h := make(http.Header)
	version, _ := jsonrpc.Text(jsonrpc.Lookup(meta, mcp.MetaKeyProtocolVersion))
	for _, f := range [...]struct{ header, value string }{
		{mcp.HeaderProtocolVersion, version},
		{mcp.HeaderMethod, m.Method},
	} {
		if encoded, _ := mcp.EncodeHeaderValue(f.value); encoded != f.value {
			return nil, fmt.Errorf("%.100q can't be sent in the header %s", f.value, f.header)
		}
		if f.value != "" {
			h.Set(f.header, f.value)
		}
	}
	if text, ok := jsonrpc.Text(name); ok && nameMember != "" {
		encoded, _ := mcp.EncodeHeaderValue(text)
		h.Set(mcp.HeaderName, encoded)
		if m.Method == string(mcp.MethodToolsCall) {
			t.mirror(h, text, arguments)
		}
	}
	return h, nil
}

// mirror adds the headers for a tool's arguments to h.
func (t *toolHeaders) mirror(h http.Header, tool string, arguments []byte) {
	t.mu.Lock()
	mirrored := t.tools[tool] // never changed, only replaced
	t.mu.Unlock()
	if len(mirrored) == 0 {
		return
	}
	values := make([][]byte, len(mirrored))
	for member, at := range jsonrpc.Members(arguments, jsonrpc.Whole(arguments)) {
		for i, a := range mirrored {
			if a.path[0] == member {
				values[i] = arguments[at.Start:at.End]
			}
		}
	}
	for i, a := range mirrored {
		if value, ok := headerValue(jsonrpc.Lookup(values[i], a.path[1:]...)); ok {
			h.Set(a.header, value)
		}
	}
}

// nameMember returns the member of params that Mcp-Name mirrors, "" if the method has none. Tasks are those of SEP-2663.
func nameMember(method string) string {
	switch method {
	case "tools/call", "prompts/get":
		return "name"
	case "resources/read":
		return "uri"
	case "tasks/get", "tasks/update", "tasks/cancel":
		return "taskId"
	}
	return ""
}

// headerValue returns an argument as a header carries it. It returns false for what is sent without a header: null, and what is
// no primitive value. That the value is of the type that the schema says is for the server to judge.
func headerValue(argument []byte) (string, bool) {
	if len(argument) == 0 {
		return "", false
	}
	switch argument[0] {
	case 'n', '{', '[':
		return "", false
	case '"':
		s, ok := jsonrpc.Text(argument)
		if !ok {
			return "", false
		}
		return mcp.EncodeHeaderValue(s)
	}
	text := string(argument)
	// An integer keeps its digits, however many they are. 1e3 and 1000.0 are the integer 1000.
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") &&
		n == math.Trunc(n) && math.Abs(n) < 1<<53 {
		text = strconv.FormatInt(int64(n), 10)
	}
	return text, true
}

// learn takes note of the tools in the result of tools/list. It returns the result without the tools that a client must leave out
// because their x-mcp-header annotations are not valid, and which they are. No other byte changes.
func (t *toolHeaders) learn(result jsonrpc.Message) (jsonrpc.Message, []removedTool) {
	var removed []removedTool
	var cuts []jsonrpc.Span
	t.mu.Lock()
	defer t.mu.Unlock()
	raw := result.Raw
	// A name that stands twice is looked at twice: whichever of them the client takes, it gets no invalid tool.
	for member, at := range jsonrpc.Members(raw, jsonrpc.Whole(raw)) {
		if member != "result" {
			continue
		}
		for member, at := range jsonrpc.Members(raw, at) {
			if member != "tools" {
				continue
			}
			var tools []jsonrpc.Span
			var invalid []bool
			for at := range jsonrpc.Elements(raw, at) {
				gone := t.learnTool(raw[at.Start:at.End])
				if gone != nil {
					removed = append(removed, *gone)
				}
				tools, invalid = append(tools, at), append(invalid, gone != nil)
			}
			cuts = append(cuts, toolCuts(tools, invalid)...)
		}
	}
	if len(cuts) == 0 {
		return result, nil
	}
	kept := make([]byte, 0, len(raw))
	from := 0
	for _, cut := range cuts {
		kept = append(kept, raw[from:cut.Start]...)
		from = cut.End
	}
	m, err := jsonrpc.Parse(append(kept, raw[from:]...))
	if err != nil {
		return result, nil // not valid to begin with
	}
	return m, removed
}

// toolCuts returns what to cut out of an array so that the invalid ones of its elements are gone, each with one comma: the one
// before it, or the one after it if nothing is left before it.
func toolCuts(tools []jsonrpc.Span, invalid []bool) []jsonrpc.Span {
	var cuts []jsonrpc.Span
	first := slices.Index(invalid, false)
	if first < 0 {
		first = len(tools)
	}
	if first > 0 {
		cut := jsonrpc.Span{Start: tools[0].Start, End: tools[first-1].End}
		if first < len(tools) {
			cut.End = tools[first].Start
		}
		cuts = append(cuts, cut)
	}
	for i := first; i < len(tools); i++ {
		if invalid[i] {
			cuts = append(cuts, jsonrpc.Span{Start: tools[i-1].End, End: tools[i].End})
		}
	}
	return cuts
}

// learnTool remembers or forgets a tool's annotations. It returns nil if they are valid.
func (t *toolHeaders) learnTool(tool []byte) *removedTool {
	name, _ := jsonrpc.Text(jsonrpc.Lookup(tool, "name"))
	mirrored, err := schemaHeaders(jsonrpc.Lookup(tool, "inputSchema"))
	if len(mirrored) > 0 && err == nil {
		if t.tools == nil {
			t.tools = make(map[string][]argumentHeader)
		}
		t.tools[name] = mirrored
		return nil
	}
	delete(t.tools, name)
	if err != nil {
		return &removedTool{name, err.Error()}
	}
	return nil
}

// schemaHeaders returns the arguments that a tool's input schema annotates. The error says which annotation is not valid by MCP
// 2026-07-28, "Schema Extension", and why.
func schemaHeaders(schema []byte) ([]argumentHeader, error) {
	// Most schemas have no annotation, and then their bytes don't name one: x-mcp-header can be spelled differently with \u00 only.
	if !bytes.Contains(schema, []byte(annotation)) && !bytes.Contains(schema, []byte(`\u00`)) {
		return nil, nil
	}
	var root any
	if err := json.Unmarshal(schema, &root); err != nil {
		return nil, fmt.Errorf("reading the input schema: %w", err)
	}
	w := schemaWalk{seen: make(map[string]bool)}
	err := w.schema(root, nil, true)
	return w.found, err
}

const annotation = "x-mcp-header"

// A schemaWalk collects the annotations of a schema.
type schemaWalk struct {
	found []argumentHeader
	seen  map[string]bool // headers, in lower case
}

// schema walks a schema that describes the argument at path, if it is reachable by way of properties alone.
func (w *schemaWalk) schema(v any, path []string, reachable bool) error {
	schema, ok := v.(map[string]any)
	if !ok {
		return nil // true, false, or nothing that we know
	}
	if header, ok := schema[annotation]; ok {
		if err := w.annotation(header, schema["type"], path, reachable); err != nil {
			return err
		}
	}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		var err error
		switch keyword {
		case "properties":
			err = w.schemas(schema[keyword], path, reachable)
		case "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies":
			err = w.schemas(schema[keyword], append(path, keyword), false)
		case "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains",
			"additionalProperties", "unevaluatedProperties", "propertyNames", "contentSchema",
			"allOf", "anyOf", "oneOf", "not", "if", "then", "else":
			alternatives, ok := schema[keyword].([]any)
			if !ok {
				alternatives = []any{schema[keyword]}
			}
			for _, s := range alternatives {
				if err == nil {
					err = w.schema(s, append(path, keyword), false)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// schemas walks the schemas that are members of an object.
func (w *schemaWalk) schemas(v any, path []string, reachable bool) error {
	named, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if err := w.schema(named[name], append(path, name), reachable); err != nil {
			return err
		}
	}
	return nil
}

// annotation checks and collects one annotation, of a schema of the given type.
func (w *schemaWalk) annotation(header, typ any, path []string, reachable bool) error {
	where := strings.Join(path, ".")
	name, _ := header.(string)
	switch {
	case !reachable || len(path) == 0:
		return fmt.Errorf("%s at %q is not on a property that is reachable by properties alone", annotation, where)
	case name == "" || strings.ContainsFunc(name, func(c rune) bool { return !tokenChar(c) }):
		text, _ := json.Marshal(header)
		return fmt.Errorf("%s of %q is %.100s, which is no name of a header", annotation, where, text)
	case !mirrorable(typ):
		text, _ := json.Marshal(typ)
		return fmt.Errorf("%s of %q is on type %.100s, not integer, string or boolean", annotation, where, text)
	case w.seen[strings.ToLower(name)]:
		return fmt.Errorf("%s of %q is %q, which is there twice", annotation, where, name)
	}
	w.seen[strings.ToLower(name)] = true
	w.found = append(w.found, argumentHeader{slices.Clone(path), mcp.HeaderParamPrefix + name})
	return nil
}

// mirrorable reports whether all that a schema's type allows can be mirrored. A list with null in it can't, by the letter.
func mirrorable(typ any) bool {
	types, ok := typ.([]any)
	if !ok {
		types = []any{typ}
	}
	return len(types) > 0 && !slices.ContainsFunc(types, func(t any) bool {
		return t != "string" && t != "integer" && t != "boolean"
	})
}

// tokenChar reports whether a header's name may have c in it (RFC 9110 §5.6.2).
func tokenChar(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c < 0x80 && c > 0 && strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

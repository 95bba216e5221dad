package sandbox

import (
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
)

// This file binds pages to two tools, as MCP Apps does (the extension io.modelcontextprotocol/ui). That the real server has such pages is
// known, their names and looks are not: these are made up.

// A toolMeta is what _meta of a tool says of its page.
type toolMeta struct {
	UI struct {
		ResourceURI string `json:"resourceUri"`
	} `json:"ui"`
}

// A resource is a page. A host shows it in a frame, and sends it the tool's result.
type resource struct {
	URI      string `json:"uri"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType"`

	tools []string
}

const pageType = "text/html;profile=mcp-app"

func resources() []resource {
	return []resource{
		{"ui://atlassian/jira-issue/view.html", "Jira issue", pageType, []string{"getJiraIssue"}},
		{"ui://atlassian/confluence-page/view.html", "Confluence page", pageType, []string{"getConfluencePage", "getConfluenceContent"}},
	}
}

// pageOf returns the page of a tool, nil if it has none.
func pageOf(tool string) *toolMeta {
	for _, r := range resources() {
		for _, name := range r.tools {
			if name == tool {
				var m toolMeta
				m.UI.ResourceURI = r.URI
				return &m
			}
		}
	}
	return nil
}

func listResources() any { return map[string]any{"resources": resources()} }

// page shows the text of a tool's result in the frame of a host (MCP Apps, "ui/notifications/tool-result").
const page = `<!doctype html>
<meta charset="utf-8">
<title>Result</title>
<style>body{font:14px system-ui,sans-serif;margin:1em}pre{white-space:pre-wrap}</style>
<pre id="result"></pre>
<script>
addEventListener("message", e => {
  if (e.source !== parent || e.data?.method !== "ui/notifications/tool-result") return;
  const text = e.data.params.content.filter(c => c.type === "text").map(c => c.text).join("\n");
  document.getElementById("result").textContent = text;
});
parent.postMessage({jsonrpc: "2.0", id: 1, method: "ui/initialize", params: {
  protocolVersion: "2026-01-26", appInfo: {name: "result", version: "1.0.0"}, appCapabilities: {}}}, "*");
</script>
`

func (c *call) readResource() (any, *rpcError) {
	var params struct{ URI string }
	if json.Unmarshal(c.Params, &params) != nil || params.URI == "" {
		return nil, invalid("Invalid request parameters")
	}
	for _, r := range resources() {
		if r.URI == params.URI {
			return map[string]any{"contents": []any{map[string]any{"uri": r.URI, "mimeType": r.MIMEType, "text": page}}}, nil
		}
	}
	code := mcp.RESOURCE_NOT_FOUND
	if c.peer.session == nil {
		code = mcp.INVALID_PARAMS // 2026-07-28, "Error Handling" of resources
	}
	return nil, &rpcError{Code: code, Message: "Resource not found", Data: map[string]any{"uri": params.URI}}
}

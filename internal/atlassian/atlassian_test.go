package atlassian

import (
	"net/url"
	"testing"
)

func TestEndpoint(t *testing.T) {
	tests := []struct {
		arg, want string
		advised   bool
	}{
		{"", V1, false},
		{"v1", V1, false},
		{"authv2", AuthV2, false},
		{"v2", V2, false},
		{"https://mcp.atlassian.com/v1/sse", V1, true},
		{"https://mcp.atlassian.com/v1/sse/", V1, true},
		{"https://mcp.atlassian.com/v2/mcp?tools=all", "https://mcp.atlassian.com/v2/mcp?tools=all", false},
		{"https://example.com/v1/sse", "https://example.com/v1/sse", false},
		{"V1", "V1", false},
	}
	for _, tt := range tests {
		got, advice := Endpoint(tt.arg)
		if got != tt.want || (advice != "") != tt.advised {
			t.Errorf("Endpoint(%q) = %q, %q; want %q, advice %t", tt.arg, got, advice, tt.want, tt.advised)
		}
	}
}

func TestEndpointNames(t *testing.T) {
	for _, name := range EndpointNames {
		addr, _ := Endpoint(name)
		if u, err := url.Parse(addr); err != nil || u.Scheme != "https" || u.Host != "mcp.atlassian.com" {
			t.Errorf("Endpoint(%q) = %q, not an address of Atlassian", name, addr)
		}
	}
	if first, _ := Endpoint(EndpointNames[0]); first != V1 {
		t.Errorf("the first name is %q, not the default", EndpointNames[0])
	}
}

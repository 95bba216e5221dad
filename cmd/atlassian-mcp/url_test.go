package main

import (
	"strings"
	"testing"
)

func TestParseServerURL(t *testing.T) {
	tests := []struct {
		arg       string
		allowHTTP bool
		want      string
	}{
		{"https://mcp.example.com/mcp", false, "https://mcp.example.com/mcp"},
		{" https://mcp.example.com/mcp\n", false, "https://mcp.example.com/mcp"},
		{"HTTPS://mcp.example.com", false, "https://mcp.example.com"},
		{"https://mcp.example.com:8443/mcp?tools=all", false, "https://mcp.example.com:8443/mcp?tools=all"},
		{"https://mcp.example.com/@scope/mcp", false, "https://mcp.example.com/@scope/mcp"},
		{"https://mcp.example.com/mcp#part", false, "https://mcp.example.com/mcp"},
		{"http://localhost:8080/mcp", false, "http://localhost:8080/mcp"},
		{"http://LOCALHOST/mcp", false, "http://LOCALHOST/mcp"},
		{"http://127.0.0.1/mcp", false, "http://127.0.0.1/mcp"},
		{"http://127.9.9.9:1/mcp", false, "http://127.9.9.9:1/mcp"},
		{"http://[::1]:8080/mcp", false, "http://[::1]:8080/mcp"},
		{"http://mcp.example.com/mcp", true, "http://mcp.example.com/mcp"},
	}
	for _, tt := range tests {
		got, err := parseServerURL(tt.arg, tt.allowHTTP)
		if err != nil || got.String() != tt.want {
			t.Errorf("parseServerURL(%q, %t) = %v, %v; want %s", tt.arg, tt.allowHTTP, got, err, tt.want)
		}
	}
}

func TestParseServerURLErrors(t *testing.T) {
	tests := []struct {
		arg, what, advice string // what error and hint say
	}{
		{"mcp.example.com/mcp", "no scheme", "https://mcp.example.com/mcp?"},
		{"//mcp.example.com/mcp", "no scheme", "https://mcp.example.com/mcp?"},
		{"127.0.0.1:8080/mcp", "no scheme", "http://127.0.0.1:8080/mcp?"},
		{"localhost", "no scheme", "http://localhost?"},
		{"s3cret@mcp.example.com/mcp", "no scheme", "https://mcp.example.com/mcp?"},
		{"https://me:s3cret@mcp.example.com/mcp", "user name or password", "--header"},
		{"https://s3cret@mcp.example.com/mcp", "user name or password", "--header"},
		{"https://me:s3c/s3cret@mcp.example.com:x/mcp", "user name or password", "--header"},
		{"https://", "not the URL of a server", "https://"},
		{"https:///mcp", "not the URL of a server", "https://"},
		{"https://:8080/mcp", "not the URL of a server", "https://"},
		{"https://mcp.example.com:port/mcp", "not the URL of a server", "https://"},
		{"https://mcp.example.com/%zz?key=s3cret", "not the URL of a server", "https://"},
		{"stdio://mcp.example.com", `scheme "stdio"`, "https://"},
		{"file:///etc/passwd", "not the URL of a server", "https://"},
		{"http://mcp.example.com/mcp?key=s3cret", "without encryption", "use https://mcp.example.com/mcp?key="},
		{"http://127.0.0.1.example.com/", "without encryption", "--allow-http"},
		{"http://0.0.0.0/", "without encryption", "--allow-http"},
		{"http://localhost.example.com/", "without encryption", "--allow-http"},
		{"http://[::2]/", "without encryption", "--allow-http"},
	}
	for _, tt := range tests {
		_, err := parseServerURL(tt.arg, false)
		if err == nil {
			t.Errorf("%q is taken", tt.arg)
			continue
		}
		if got := err.Error(); !strings.Contains(got, tt.what) || exitCode(err) != exitUsage {
			t.Errorf("%q: error %q, exit status %d; want %q", tt.arg, got, exitCode(err), tt.what)
		}
		if got := hint(err); !strings.Contains(got, tt.advice) {
			t.Errorf("%q: hint %q, want %q", tt.arg, got, tt.advice)
		}
		if strings.Contains(err.Error()+hint(err), "s3cret") {
			t.Errorf("%q: %v; %s", tt.arg, err, hint(err))
		}
	}
}

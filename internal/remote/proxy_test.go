package remote

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// TestSilentProxy has an HTTP proxy that takes a CONNECT and says nothing. The server's silence is counted from there, not
// from the end of the minute that net/http gives such a proxy.
func TestSilentProxy(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close() // whoever connects waits in its backlog, unanswered
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy.Addr().String()})}
	defer transport.CloseIdleConnections()
	cfg := Config{
		URL:              &url.URL{Scheme: "https", Host: "mcp.invalid", Path: "/mcp"},
		Do:               NewClient(transport).Do,
		HandshakeTimeout: 100 * time.Millisecond,
	}
	_, err = Dial(t.Context(), cfg, jsonrpc.NewRequest("1", "initialize", []byte(`{}`)))
	var failed *OpenError
	if !errors.As(err, &failed) || !errors.Is(failed.Err, errSilent) || failed.Answer.ID != "1" {
		t.Errorf("Dial: %v, want silence", err)
	}
}

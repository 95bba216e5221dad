package sandbox_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestLongNames has a client say much of itself: little of that is remembered, and shown.
func TestLongNames(t *testing.T) {
	s := start(t)
	c := newClient(t, s)
	long := strings.Repeat("ä", 500_000)
	c.session = c.post(strings.Replace(initialize, `"test"`, `"`+long+`"`, 1)).Header.Get("Mcp-Session-Id")
	c.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":"%s","method":"tools/call","params":{"name":"%[1]s","arguments":{"%[1]s":1}}}`, long))
	var arguments []string
	for i := range 5000 {
		arguments = append(arguments, fmt.Sprintf("%q:1", fmt.Sprint("argument ", i)))
	}
	c.post(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"executeRead","arguments":{"name":"` + long + `",` +
		strings.Join(arguments, ",") + `}}}`)
	for _, path := range []string{"/", "/audit", "/control/calls", "/control/counts", "/control/sessions"} {
		answer, err := http.Get(s.Endpoint(path))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(string(text), '\uFFFD') || len(text) > 100_000 {
			t.Errorf("%s has %d bytes: %.300s", path, len(text), text)
		}
	}
}

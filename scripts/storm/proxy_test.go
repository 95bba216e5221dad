//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestProxy asks through the network until each of its faults has struck, and then once more without it.
func TestProxy(t *testing.T) {
	const event = "data: {}\n\n"
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, event)
		w.(http.Flusher).Flush() // has no length
	}))
	defer backend.Close()
	p, err := newProxy(1)
	if err != nil {
		t.Fatal(err)
	}
	p.serve(strings.TrimPrefix(backend.URL, "http://"))
	defer p.close()
	close(p.released) // what is half open is reset at once
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	type answer struct {
		status int
		body   string
		broken bool
	}
	ask := func() answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+streamable, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(sessionHeader, "12345678")
		resp, err := client.Do(req)
		if err != nil {
			return answer{broken: true}
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return answer{resp.StatusCode, string(text), err != nil}
	}
	broken := func() bool { return ask().broken }
	refused := func(statuses ...int) func() bool {
		return func() bool { return slices.Contains(statuses, ask().status) }
	}
	strikes := map[string]func() bool{
		"cut": broken, "reset": broken, "half-open": broken, "404": refused(404), "429": refused(429), "503": refused(503), "gateway": refused(502, 504),
		"truncate": func() bool { return ask() == answer{200, event[:len(event)/2], true} },
		"repeat":   func() bool { return ask() == answer{200, event + event, false} },
		"delay": func() bool { // is not waited for
			f := p.fate(httptest.NewRequest(http.MethodPost, streamable, nil), nil)
			return f.before > 0 && f.after > 0
		},
	}
	for _, name := range networkFaults {
		p.begin(name)
		struck := false
		for tries := 0; !struck && tries < 100; tries++ {
			struck = strikes[name]()
		}
		if !struck {
			t.Errorf("%s does not strike", name)
		}
		p.end(name)
		if got, want := ask(), (answer{200, event, false}); got != want {
			t.Errorf("after %s: %+v", name, got)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// A witness stands in front of a server and counts what that accepts.
type witness struct {
	*httptest.Server

	mu       sync.Mutex
	accepted map[string]int // requests and notifications by method, and HTTP DELETEs
}

func newWitness(t *testing.T, origin *url.URL) *witness {
	t.Helper()
	w := &witness{accepted: make(map[string]int)}
	type method struct{} // the context key for what the request is
	proxy := httputil.NewSingleHostReverseProxy(origin)
	// A connection used again may be one that the server is about to close.
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode < 400 {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.accepted[r.Request.Context().Value(method{}).(string)]++
		}
		return nil
	}
	proxy.ErrorLog = log.New(io.Discard, "", 0) // of streams that the client gave up
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		ctx := context.WithValue(r.Context(), method{}, messageMethod(r.Method, body))
		proxy.ServeHTTP(rw, r.WithContext(ctx))
	}))
	t.Cleanup(w.Close)
	return w
}

// reset has w begin to count anew.
func (w *witness) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.accepted)
}

func messageMethod(httpMethod string, body []byte) string {
	var message struct{ Method string }
	switch httpMethod {
	case http.MethodPost:
		json.Unmarshal(body, &message) // what is no message has no method
	case http.MethodDelete:
		message.Method = http.MethodDelete
	}
	return message.Method
}

// compareWitnesses wants that the server was asked the same things as often. Calls
// sent twice would show, and a session not closed.
func compareWitnesses(t *testing.T, direct, relayed *witness) {
	t.Helper()
	// How often these are sent is a matter of time, and so is the number of the server's
	// requests to answer. (GETs and answers have no method.) A server/discover meets the
	// URL for Streamable HTTP before any other is tried.
	exempt := []string{"", "resources/subscribe", "resources/unsubscribe", "tasks/get", "server/discover"}
	if direct.accepted["initialize"] == 0 {
		// From 2026-07-28 on the end of its stream cancels a request, and needs no words.
		exempt = append(exempt, "notifications/cancelled")
	}
	want, got := maps.Clone(direct.accepted), maps.Clone(relayed.accepted)
	for _, method := range exempt {
		delete(want, method)
		delete(got, method)
	}
	for _, method := range slices.Sorted(maps.Keys(want)) {
		if got[method] != want[method] {
			t.Errorf("the server accepted %d %s, want %d", got[method], method, want[method])
		}
	}
}

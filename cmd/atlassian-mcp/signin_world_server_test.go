//go:build linux

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file is the server of a world. It counts requests by kind: metadata, register, authorize, code, refresh, GET, and the
// method of each JSON-RPC message; and what came of them: 401, "refreshed", "revoked", and "ok METHOD".

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	kind, body := r.Method, []byte(nil)
	var message struct {
		ID     json.RawMessage
		Method string
	}
	switch path := r.URL.Path; {
	case path == "/mcp" && r.Method == http.MethodPost:
		body, _ = io.ReadAll(r.Body)
		json.Unmarshal(body, &message)
		kind = message.Method
	case path == "/mcp":
	case path == "/token":
		r.ParseForm()
		kind = map[string]string{"authorization_code": "code", "refresh_token": "refresh"}[r.PostForm.Get("grant_type")]
	case strings.HasPrefix(path, "/.well-known/"):
		kind = "metadata"
	default:
		kind = strings.TrimPrefix(path, "/")
	}
	if !w.counted(kind, r) {
		return // as if it had been lost on the way
	}
	w.mu.Lock()
	take := w.take[kind]
	w.mu.Unlock()
	switch {
	case take != nil:
		take(rw, r)
	case r.URL.Path == "/mcp" && !w.accepts(r):
		rw.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="`+w.URL+`/.well-known/oauth-protected-resource/mcp"`)
		rw.WriteHeader(http.StatusUnauthorized)
		w.count("401")
	case r.URL.Path == "/mcp" && !w.knows(rw, r, kind):
	case kind == http.MethodGet:
		w.stream(rw, r)
	case r.URL.Path == "/mcp":
		w.count("ok " + kind)
		w.answer(rw, message.ID, message.Method)
	case kind == "metadata":
		w.metadata(rw, r)
	case kind == "register":
		w.register(rw, r)
	case kind == "authorize":
		w.authorize(rw, r)
	case kind == "code", kind == "refresh":
		w.issue(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

// accepts reports whether r has a token that is good.
func (w *world) accepts(r *http.Request) bool {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.access[token] == "" {
		return false
	}
	w.calls[token]++
	w.lastToken = token
	return true
}

// refuseTokens makes the server forget the access tokens that it has issued.
func (w *world) refuseTokens() { w.script(func() { clear(w.access) }) }

// revoke makes it forget everything about everybody.
func (w *world) revoke() {
	w.script(func() {
		clear(w.access)
		clear(w.refresh)
	})
}

// cutStreams ends the streams that the server has open.
func (w *world) cutStreams() {
	w.script(func() {
		for end := range w.streams {
			close(end)
			delete(w.streams, end)
		}
	})
}

// stream is open until one of the two ends has had enough.
func (w *world) stream(rw http.ResponseWriter, r *http.Request) {
	end := make(chan struct{})
	w.script(func() { w.streams[end] = true })
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.WriteHeader(http.StatusOK)
	rw.(http.Flusher).Flush()
	w.count("ok GET")
	select {
	case <-end:
	case <-r.Context().Done():
	case <-w.ended:
	}
}

// answer answers a message as an MCP server does that is glad about anything.
func (w *world) answer(rw http.ResponseWriter, id json.RawMessage, method string) {
	if id == nil {
		rw.WriteHeader(http.StatusAccepted)
		return
	}
	result := map[string]any{}
	switch method {
	case "initialize":
		result = map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}},
			"serverInfo": map[string]any{"name": "strict", "version": "1"}}
	case "tools/list":
		result["tools"] = []any{map[string]any{"name": "echo", "inputSchema": map[string]any{"type": "object"}}}
	case "tools/call":
		result["content"] = []any{map[string]any{"type": "text", "text": "done"}}
	}
	replyJSON(rw, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
}

func (w *world) metadata(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/.well-known/oauth-protected-resource/mcp":
		replyJSON(rw, http.StatusOK, map[string]any{"resource": w.URL + "/mcp", "authorization_servers": []string{w.URL}})
	case "/.well-known/oauth-authorization-server":
		md := map[string]any{
			"issuer": w.URL, "authorization_endpoint": w.URL + "/authorize", "token_endpoint": w.URL + "/token",
			"registration_endpoint": w.URL + "/register", "code_challenge_methods_supported": []string{"S256"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_post"}, "authorization_response_iss_parameter_supported": true,
		}
		w.script(func() { maps.Copy(md, w.meta) })
		replyJSON(rw, http.StatusOK, md)
	default:
		http.NotFound(rw, r)
	}
}

func (w *world) register(rw http.ResponseWriter, r *http.Request) {
	var md struct {
		RedirectURIs []string `json:"redirect_uris"`
	}
	if err := json.NewDecoder(r.Body).Decode(&md); err != nil || len(md.RedirectURIs) != 1 {
		replyJSON(rw, http.StatusBadRequest, map[string]any{"error": "invalid_client_metadata"})
		return
	}
	id := w.next("client")
	w.script(func() { w.clients[id] = md.RedirectURIs[0] })
	replyJSON(rw, http.StatusCreated, map[string]any{"client_id": id, "client_secret": "canary-secret-of-" + id,
		"redirect_uris": md.RedirectURIs, "token_endpoint_auth_method": "client_secret_post"})
}

func (w *world) authorize(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code := w.next("canary-code")
	w.mu.Lock()
	known := w.clients[q.Get("client_id")] == q.Get("redirect_uri")
	back := maps.Clone(w.refuse)
	w.codes[code] = q
	w.mu.Unlock()
	if !known {
		http.Error(rw, "redirect_uri is not registered for client", http.StatusBadRequest)
		return
	}
	if back == nil {
		back = url.Values{"code": {code}}
	}
	back.Set("iss", w.URL)
	back.Set("state", q.Get("state"))
	http.Redirect(rw, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// issue is the token endpoint. A refresh token that comes a second time is a stolen one, and ends the sign-in.
func (w *world) issue(rw http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	invalid := map[string]any{"error": "invalid_grant", "error_description": "no good: " + f.Get("refresh_token") + f.Get("code")}
	w.mu.Lock()
	known := f.Get("client_secret") == "canary-secret-of-"+f.Get("client_id") && w.clients[f.Get("client_id")] != ""
	family, reused := "", false
	if old := f.Get("refresh_token"); old != "" {
		family, reused = w.refresh[old], w.used[old]
		w.used[old] = true
		if reused {
			same := func(_, other string) bool { return other == family }
			maps.DeleteFunc(w.access, same)
			maps.DeleteFunc(w.refresh, same)
			family = ""
		}
	} else if q := w.codes[f.Get("code")]; q != nil {
		delete(w.codes, f.Get("code"))
		w.verifiers = append(w.verifiers, f.Get("code_verifier"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) == q.Get("code_challenge") &&
			q.Get("redirect_uri") == f.Get("redirect_uri") && q.Get("resource") == f.Get("resource") {
			family = "family of " + f.Get("code")
		}
	}
	w.mu.Unlock()
	if reused {
		w.count("revoked")
	}
	if !known {
		replyJSON(rw, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if family == "" {
		replyJSON(rw, http.StatusBadRequest, invalid)
		return
	}
	access, refresh := w.next("canary-access"), w.next("canary-refresh")
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 3300, "refresh_token": refresh}
	w.script(func() {
		w.access[access], w.refresh[refresh] = family, family
		maps.Copy(answer, w.token)
	})
	maps.DeleteFunc(answer, func(_ string, v any) bool { return v == nil })
	if f.Get("refresh_token") != "" {
		w.counted("refreshed", r) // where a test may hold an answer that is as good as given
	}
	replyJSON(rw, http.StatusOK, answer)
}

// next returns a new name for something of a kind.
func (w *world) next(kind string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	return fmt.Sprintf("%s-%d", kind, w.serial)
}

// usedTokens returns how many access tokens the server has accepted calls with.
func (w *world) usedTokens() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.calls))
}

func replyJSON(rw http.ResponseWriter, status int, v map[string]any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	json.NewEncoder(rw).Encode(v)
}

package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// This file implements client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): a client ID that is a URL, at which
// the client says what it would otherwise register. The draft wants https; here a client may also be on loopback, like the sandbox.

const (
	documentTimeout = 5 * time.Second // a person is waiting for the page
	maxDocument     = 64 << 10        // bytes
)

// checkDocumentURL reports why a client ID can't be the URL of a document.
func checkDocumentURL(id string) error {
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Host == "":
		return errors.New("client_id is not a URL")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("client_id is neither an https URL nor on loopback")
	case u.User != nil, strings.Contains(id, "#"):
		return errors.New("client_id has credentials or a fragment")
	case u.Path == "" || u.Path == "/" || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/"):
		return errors.New("client_id has no path, or one with dots")
	}
	return nil
}

// isDocument reports whether a client ID means to be the URL of a document.
func isDocument(id string) bool { return strings.Contains(id, "://") }

// loopback reports whether host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fetchDocument returns the client that the document at id describes. It is fetched anew for each sign-in, and from nowhere else.
func (a *authServer) fetchDocument(ctx context.Context, id string) (*client, error) {
	if err := checkDocumentURL(id); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Close = true // one sign-in asks once
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, errors.New("the document at client_id could not be fetched")
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil, fmt.Errorf("client_id answered %d %s instead of a JSON document", resp.StatusCode, kind)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil || len(body) > maxDocument {
		return nil, errors.New("the document at client_id is too large or was cut short")
	}
	var doc registration
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, errors.New("the document at client_id is malformed")
	}
	if doc.ID != id {
		return nil, errors.New("the document at client_id is about another client_id")
	}
	if doc.Method == "" {
		doc.Method = "none" // there is nobody to share a secret with
	}
	if err := checkRegistration(&doc); err != nil {
		return nil, errors.New(err.Description)
	}
	if doc.Method != "none" || doc.Secret != "" {
		return nil, errors.New("the document at client_id has or asks for a secret")
	}
	return &client{id: id, name: clientName(doc.Name), method: doc.Method, redirects: doc.Redirects, server: a, since: a.s.now()}, nil
}

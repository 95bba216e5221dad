package main

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
)

// This file reads the sign-in of mcp-remote, which keeps it in files under ~/.mcp-auth: one directory for each version of the layout,
// in it files that begin with a hash of the server's URL and of the resource, if one was given. What was signed in to with other options that
// go into the hash, such as headers, is not found.

// readMCPRemote returns what mcp-remote has for server, which the arguments of the command, if any, name. resource is that of
// --resource, "" if it was not given.
func readMCPRemote(server *url.URL, args []string, resource string) (auth.Imported, error) {
	var none auth.Imported
	dir := os.Getenv("MCP_REMOTE_CONFIG_DIR")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return none, err
		}
		dir = filepath.Join(home, ".mcp-auth")
	}
	address := server.String()
	addresses := append(slices.Clone(args), address)
	if base, ok := strings.CutSuffix(address, "/mcp"); ok {
		addresses = append(addresses, base+"/sse") // what most configurations had for Atlassian's
	}
	var found []string
	for _, name := range addresses {
		if resource != "" {
			name += "|" + resource
		}
		hash := md5.Sum([]byte(name)) // only to find the file
		files, err := filepath.Glob(filepath.Join(dir, "mcp-remote-*", hex.EncodeToString(hash[:])+"_tokens.json"))
		if err != nil {
			return none, err
		}
		found = append(found, files...)
	}
	if len(found) == 0 {
		return none, &usageError{
			what:   fmt.Sprintf("mcp-remote has no sign-in to %s in %s", redactURL(server), dir),
			advice: "give the URL exactly as in the configuration of mcp-remote, and --resource if it is there; or sign in with 'atlassian-mcp login'",
		}
	}
	tokens := newest(found)

	var token struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresAt    int64  `json:"expires_at"` // milliseconds since 1970
		Scope        string `json:"scope"`
		Issuer       string `json:"issuer"`
	}
	if err := readJSON(tokens, &token); err != nil {
		return none, err
	}
	var client struct {
		ID           string   `json:"client_id"`
		Secret       string   `json:"client_secret"`
		AuthMethod   string   `json:"token_endpoint_auth_method"`
		RedirectURIs []string `json:"redirect_uris"`
		Issuer       string   `json:"issuer"`
	}
	err := readJSON(strings.TrimSuffix(tokens, "_tokens.json")+"_client_info.json", &client)
	if err != nil {
		return none, err
	}
	imported := auth.Imported{
		Issuer:       cmp.Or(token.Issuer, client.Issuer),
		ClientID:     client.ID,
		ClientSecret: client.Secret,
		AuthMethod:   client.AuthMethod,
		Scopes:       strings.Fields(token.Scope),
		AccessToken:  token.AccessToken,
		RefreshToken: token.RefreshToken,
	}
	if len(client.RedirectURIs) > 0 {
		imported.RedirectURI = client.RedirectURIs[0]
	}
	if token.ExpiresAt > 0 {
		imported.Expires = time.UnixMilli(token.ExpiresAt)
	}
	return imported, nil
}

// newest returns the file that was written last.
func newest(files []string) string {
	var last string
	var when time.Time
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && (last == "" || info.ModTime().After(when)) {
			last, when = file, info.ModTime()
		}
	}
	return cmp.Or(last, files[0])
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the sign-in of mcp-remote is incomplete: there is no %s", file)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("the sign-in of mcp-remote can't be read: %s: %v", file, err)
	}
	return nil
}

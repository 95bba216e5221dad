package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/policy"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// This file is --site: it turns the name of a site into its cloudId, which tools want. Each site tells its own to everybody, and where a site has told it
// is kept beside the sign-ins: it is no secret, and a file that can't be read is written anew.

// A siteFlag is the value of --site.
type siteFlag struct {
	name string // host, or of a stand-in on this machine host, port and path; "" without --site
	base string // where it is
}

func (s *siteFlag) String() string { return s.name }
func (s *siteFlag) Type() string   { return "site" }

const siteDomain = ".atlassian.net"

func (s *siteFlag) Set(text string) error {
	text = strings.ToLower(strings.TrimSpace(text))
	if isUUID(text) {
		return fmt.Errorf("must be the name of the site, not its cloudId")
	}
	host := text
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
			return errNoSite
		}
		if isLoopback(u.Hostname()) && u.RawQuery == "" {
			path := strings.TrimSuffix(u.EscapedPath(), "/")
			s.name, s.base = u.Host+path, u.Scheme+"://"+u.Host+path
			return nil
		}
		host = u.Host
	}
	label := strings.TrimSuffix(strings.TrimSuffix(host, "/"), siteDomain)
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`).MatchString(label) {
		return errNoSite
	}
	s.name, s.base = label+siteDomain, "https://"+label+siteDomain
	return nil
}

var errNoSite = errors.New("must be the name of a site, such as acme or acme" + siteDomain)

func isUUID(text string) bool {
	return regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`).MatchString(text)
}

// limit has cfg keep calls at the site, if there is one.
func (s *siteFlag) limit(cfg *relay.Config, server *connection) {
	if s.name == "" {
		return
	}
	l := &locator{site: *s, transport: server.client.Transport, log: cfg.Log}
	cfg.Site = &policy.Site{Name: s.name, Siteless: append(atlassian.SitelessTools(), "sign_in")} // which is the relay's own
	cfg.Locate = func(ctx context.Context) (string, error) {
		id, err := l.locate(ctx)
		if unknown, ok := err.(*advisedError); ok {
			err = fmt.Errorf("%w; the user should %s", unknown, unknown.advice) // in words for a model
		}
		return id, err
	}
}

// A locator finds out the cloudId of a site.
type locator struct {
	site      siteFlag
	transport http.RoundTripper
	log       *slog.Logger
}

const (
	locateTimeout = 10 * time.Second
	maxTenantInfo = 64 << 10 // bytes, of which {"cloudId":"UUID"} needs few

	sitesFile = "sites.json"
	maxSites  = 64

	// siteLife is for how long a cloudId is believed. It never changes, but the name may be given to another site.
	siteLife = 30 * 24 * time.Hour
)

// A knownSite is what is kept of a site, by its name.
type knownSite struct {
	CloudID string    `json:"cloudId"`
	At      time.Time `json:"at"`
}

// locate returns the cloudId. What the user can do something about is an *advisedError.
func (l *locator) locate(ctx context.Context) (string, error) {
	path := l.file()
	if known, ok := l.read(path)[l.site.name]; ok && isUUID(known.CloudID) && time.Since(known.At).Abs() < siteLife {
		return known.CloudID, nil
	}
	ctx, cancel := context.WithTimeout(ctx, locateTimeout)
	defer cancel()
	id, err := l.ask(ctx)
	if err != nil {
		return "", err
	}
	l.log.Debug("site found", "site", l.site.name, "cloudId", id)
	if path != "" {
		sites := l.read(path)
		sites[l.site.name] = knownSite{id, time.Now()}
		if err := sites.write(path); err != nil {
			l.log.Debug("site not kept", "err", err)
		}
	}
	return id, nil
}

// ask asks the site.
func (l *locator) ask(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.site.base+"/_edge/tenant_info", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent())
	client := &http.Client{Transport: l.transport, CheckRedirect: checkSiteRedirect}
	res, err := withoutURL(client.Do)(req)
	if err != nil {
		return "", &advisedError{fmt.Errorf("%s can't be reached (%v)", l.site.name, err), "check the name after --site, and the network"}
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return "", &advisedError{fmt.Errorf("there is no site %s", l.site.name), "correct the name after --site"}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTenantInfo))
	id, _ := jsonrpc.Text(jsonrpc.Lookup(body, "cloudId"))
	switch {
	case err != nil:
		return "", &advisedError{fmt.Errorf("the answer of %s was cut (%v)", l.site.name, err), "try again"}
	case res.StatusCode != http.StatusOK:
		return "", &advisedError{fmt.Errorf("%s answered %q", l.site.name, res.Status), "try again, or check the name after --site"}
	case !json.Valid(body) || !isUUID(id):
		return "", &advisedError{fmt.Errorf("%s does not answer as an Atlassian site does", l.site.name), "check the name after --site, and whether a proxy answers in its place"}
	}
	return id, nil
}

// checkSiteRedirect follows redirects among Atlassian's sites alone, as when a site has got a new name.
func checkSiteRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 3 || req.URL.Scheme != "https" || !strings.HasSuffix(req.URL.Host, siteDomain) || !strings.HasSuffix(via[0].URL.Host, siteDomain) {
		return http.ErrUseLastResponse
	}
	return nil
}

// atSite is doctor's check of --site: whether there is such a site, and whether the user may go there.
func (d *diagnosis) atSite(ctx context.Context) finding {
	const tool = "getAccessibleAtlassianResources"
	id, err := d.locate(ctx)
	if unknown, ok := errors.AsType[*advisedError](err); ok {
		err = unknown
	}
	if err != nil {
		return d.failure(err)
	}
	found := finding{Mark: markFine, Text: fmt.Sprintf("calls are for %s, cloudId %s", d.site, id)}
	if d.client == nil || !d.has(tool) {
		return found
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var result toolResult
	if err := d.client.call(ctx, mcp.MethodToolsCall, mcp.CallToolParams{Name: tool, Arguments: struct{}{}}, &result); err != nil {
		return d.failure(err)
	}
	if !result.IsError && !strings.Contains(result.text(), id) {
		return finding{
			Mark: markFailed, Text: fmt.Sprintf("the sign-in has no access to %s, cloudId %s", d.site, id),
			Advice: d.login() + " and choose the site on its page, sign in as somebody who belongs to it, or correct --site",
		}
	}
	return found
}

// file returns where sites are kept, "" if this one is not to be: what stands in for one on this machine is another by tomorrow.
func (l *locator) file() string {
	dir, err := keychain.StateDir()
	if err != nil || !strings.HasSuffix(l.site.name, siteDomain) {
		return ""
	}
	return filepath.Join(dir, sitesFile)
}

// knownSites are the contents of the file.
type knownSites map[string]knownSite

// read returns what is in the file.
func (l *locator) read(path string) knownSites {
	sites := make(knownSites)
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &sites)
	}
	if err != nil || sites == nil {
		if path != "" && !os.IsNotExist(err) {
			l.log.Debug("sites not read", "err", err)
		}
		return make(knownSites)
	}
	return sites
}

// write replaces the file, without the oldest if there are too many.
func (sites knownSites) write(path string) error {
	for len(sites) > maxSites {
		oldest := ""
		for name, one := range sites {
			if oldest == "" || one.At.Before(sites[oldest].At) {
				oldest = name
			}
		}
		delete(sites, oldest)
	}
	data, err := json.Marshal(sites)
	if err != nil {
		return err
	}
	return replaceFile(path, data)
}

// replaceFile writes a file of mode 0600 in place of the one that there may be, whole or not at all, and makes its directory.
func replaceFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	return err
}

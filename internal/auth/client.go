package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	defaultAuthTimeout = 5 * time.Minute
	// maxStepUps is how often the user is asked for the same set of scopes before a 403 is believed. The specification
	// says "no more than a few"; its conformance suite counts a fourth as a failure.
	maxStepUps = 3
	// maxVain is how often in a row a token is renewed that no request has been accepted with. A server that refuses the first may just have
	// ended it early; one that refuses the next has changed.
	maxVain = 2
)

// A Client sends requests to one server on behalf of one user. It is safe for concurrent use.
type Client struct {
	cfg    Config
	server *http.Client // for cfg.Server
	oauth  *http.Client // for metadata, registration and tokens; see guard.go
	log    *slog.Logger

	renewLimit time.Duration // of one renewal with all its attempts

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // flights

	mu       sync.Mutex     // guards what follows
	loaded   bool           // the store has been read
	grant    *grant         // nil if there is none; never changed in place
	unsaved  bool           // grant could not be written to the store
	untried  string         // access token got by renewal that the server has not accepted yet
	vain     int            // renewals since it has accepted one
	tryAfter time.Time      // no renewal ahead of time before this
	flight   *flight        // nil if there is none
	page     string         // that waits for the user
	told     string         // the last page for which a request has waited in vain
	opened   time.Time      // when a page was last opened in the browser, by whatever process
	needed   bool           // nothing but the user's action can help
	asked    map[string]int // how often the user was asked for a set of scopes
}

// New returns a Client. It does nothing until it is used.
func New(cfg Config) *Client {
	if cfg.AuthTimeout == 0 {
		cfg.AuthTimeout = defaultAuthTimeout
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = http.DefaultClient
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, log: cfg.Log, renewLimit: renewLimit, asked: make(map[string]int)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.oauth = newOAuthClient(cfg)
	hc := *cfg.HTTPClient
	hc.CheckRedirect = c.stayAtOrigin(cfg.HTTPClient.CheckRedirect)
	c.server = &hc
	return c
}

// Close ends whatever is under way, but for a renewal in a process of its own, and waits for it. A sign-in page stays
// valid: the next process waits for the same page.
func (c *Client) Close() error {
	c.mu.Lock() // no flight starts after this
	c.stop()
	c.mu.Unlock()
	c.wg.Wait()
	c.oauth.CloseIdleConnections()
	return nil
}

// Do sends req with a bearer token, if there is one. If the server answers 401, Do obtains a token, by renewal or from
// the user, and sends req once more. If the server answers 401 to a renewed token, which may have ended meanwhile, it does so once more; any other second
// 401, and a third, is returned as it is. A 403 that asks for more scope leads to a new
// sign-in with that scope, at most three times; any other 403 is returned as it is.
//
// Only a request marked by [Interactive] may open a browser; others get a *[SignInError]. A sign-in may take minutes and
// goes on when req's context or Config.Patience ends, because other requests may be waiting for it too.
//
// The body of req, if any, must have a GetBody. Errors that are not the network's are *SignInError, *[TransientError],
// *[StaticError], *[Error] or come from the store.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close() // each attempt has its own
		if req.Body != http.NoBody && req.GetBody == nil {
			return nil, errors.New("sending a request whose body can't be sent twice")
		}
	}
	if !sameOrigin(req.URL, c.cfg.Server) {
		return nil, fmt.Errorf("sending a request to %s with credentials for %s", origin(req.URL), origin(c.cfg.Server))
	}
	if c.cfg.Authorization != "" {
		return c.doStatic(req)
	}
	ctx := req.Context()
	g, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	refusals, renewed := 0, false // by 401, and whether the last led to a renewal
	for stepUps := 0; ; {
		resp, err := c.send(req, g.authorization())
		if err != nil {
			return nil, err
		}
		n := need{interactive: isInteractive(ctx)}
		if g != nil {
			n.refused = g.AccessToken
		}
		var ch challenge
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
			ch = parseChallenge(resp.Header)
		}
		switch {
		case resp.StatusCode == http.StatusUnauthorized && (refusals == 0 || refusals == 1 && renewed):
			refusals++
			n.challenge = ch
		case resp.StatusCode == http.StatusForbidden && ch.Error == "insufficient_scope" && g != nil:
			n.challenge = ch
			n.scope = union(g.Requested, strings.Fields(ch.Scope))
			if stepUps++; stepUps > maxStepUps || !n.interactive || !c.mayAsk(n.scope) {
				return resp, nil
			}
		default:
			c.accepted(g, resp.StatusCode)
			return resp, nil
		}
		resp.Body.Close() // unread: it may have no end, and a new connection now and then costs little
		next, err := c.obtain(ctx, n)
		if err != nil {
			return nil, err
		}
		g, renewed = next, g != nil && next.SignIn == g.SignIn
	}
}

// Login signs the user in anew, whoever is signed in now. If a sign-in is already waiting for the user, in whatever
// process, its page is shown again, unless it was shown less than Config.ShowAgain ago, and its result is used.
func (c *Client) Login(ctx context.Context) error {
	if c.cfg.Authorization != "" {
		return errors.New("signing in: an API token is in use, which needs no sign-in")
	}
	g, err := c.obtain(ctx, need{load: true})
	if err != nil {
		return err
	}
	c.mu.Lock()
	page := c.page
	c.mu.Unlock()
	if page != "" {
		c.showAgain(page)
	}
	n := need{login: true, interactive: true, challenge: c.probe(ctx)}
	if g != nil {
		n.refused = g.AccessToken
	}
	_, err = c.obtain(ctx, n)
	return err
}

// Refresh gets a new token although the present one is not refused with status 401 and has not expired: the server has said in another way
// that it is of no use any more. It asks nobody, and an API token stays as it is.
func (c *Client) Refresh(ctx context.Context) error {
	if c.cfg.Authorization != "" {
		return nil
	}
	g, err := c.obtain(ctx, need{load: true})
	if g == nil || err != nil {
		return err
	}
	_, err = c.obtain(ctx, need{refused: g.AccessToken})
	return err
}

// Static reports whether requests carry Config.Authorization, which can't be renewed.
func (c *Client) Static() bool { return c.cfg.Authorization != "" }

// Page returns the address of the page that waits for the user to sign in, or "".
func (c *Client) Page() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.page
}

// Needed reports whether requests fail, or wait, for want of a sign-in that nobody but the user can bring about.
func (c *Client) Needed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.needed
}

// setNeeded notes whether only the user can help.
func (c *Client) setNeeded(needed bool) {
	c.mu.Lock()
	changed := c.needed != needed
	c.needed = needed
	c.mu.Unlock()
	if changed {
		c.changed()
	}
}

// changed tells the owner of c that something is different.
func (c *Client) changed() {
	if c.cfg.Changed != nil {
		c.cfg.Changed()
	}
}

// Look looks into the store if the user is needed, for another process may have had them sign in. It asks nobody.
func (c *Client) Look(ctx context.Context) error {
	c.mu.Lock()
	busy := !c.needed || c.flight != nil // which will look by itself
	old := c.grant
	c.mu.Unlock()
	if busy {
		return nil
	}
	g, err := c.stored(ctx)
	if err != nil || g == nil || g.AccessToken == "" || old != nil && g.AccessToken == old.AccessToken {
		return err
	}
	if _, err = c.latest(ctx); err == nil {
		c.setNeeded(false)
	}
	return err
}

// Account returns a name for what the user has signed in as, "" for nothing. It is another one after each sign-in, and says nothing about the user.
func (c *Client) Account(ctx context.Context) (string, error) {
	g, err := c.obtain(ctx, need{load: true})
	if g == nil || err != nil {
		return "", err
	}
	return g.SignIn, nil
}

// current returns the grant to send a request with, nil if there is none. It renews a grant that has lived for 80 % of
// its time; that this fails is an error only if the grant has expired, for the server has the last word.
func (c *Client) current(ctx context.Context) (*grant, error) {
	g, err := c.obtain(ctx, need{load: true})
	if err != nil || g == nil {
		return nil, err
	}
	now := time.Now()
	c.mu.Lock()
	due := g.due(now) && now.After(c.tryAfter)
	c.mu.Unlock()
	if !due || !c.renewable(g) {
		return g, nil
	}
	renewed, err := c.obtain(ctx, need{refused: g.AccessToken, quiet: true})
	switch {
	case err == nil:
		return renewed, nil
	case ctx.Err() != nil, c.ctx.Err() != nil:
		return nil, err
	case isTransient(err) && g.expired(now):
		return nil, err
	}
	c.log.Debug("token not renewed ahead of time", "err", err)
	c.mu.Lock()
	c.tryAfter = now.Add(time.Minute) // lest every request of the last 20 % waits for a server that is down
	c.mu.Unlock()
	return g, nil
}

// send sends a copy of req with the given Authorization header, "" for none.
func (c *Client) send(req *http.Request, authorization string) (*http.Response, error) {
	r := req.WithContext(req.Context()) // a copy
	r.Header = maps.Clone(req.Header)   // nobody changes its values
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	r.Header.Del("Authorization")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	resp, err := c.server.Do(r)
	if err != nil {
		return nil, withoutQuery(err)
	}
	return resp, nil
}

func (c *Client) doStatic(req *http.Request) (*http.Response, error) {
	resp, err := c.send(req, c.cfg.Authorization)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		resp.Body.Close() // unread: it may have no end, and a new connection now and then costs little
		return nil, &StaticError{Status: resp.StatusCode}
	}
	return resp, nil
}

// accepted notes that the server had nothing against g.
func (c *Client) accepted(g *grant, status int) {
	if g == nil || status >= 400 {
		return
	}
	c.mu.Lock()
	if c.needed && c.grant == g && c.flight == nil { // by a request for more than g, which has come to nothing
		defer c.setNeeded(false)
	}
	defer c.mu.Unlock()
	if c.untried == g.AccessToken {
		c.untried, c.vain = "", 0
	}
	if c.grant == g {
		clear(c.asked)
	}
}

// mayAsk reports whether the user may be asked for scope once more.
func (c *Client) mayAsk(scope []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[strings.Join(scope, " ")] < maxStepUps
}

func (c *Client) noteAsked(scope []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[strings.Join(scope, " ")]++
}

// stayAtOrigin returns a redirect policy that never leaves the server, whatever net/http would do with the header:
// it regards another port of the same host as the same place.
func (c *Client) stayAtOrigin(next func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if !sameOrigin(req.URL, c.cfg.Server) {
			return fmt.Errorf("redirected away from the server to %s", origin(req.URL))
		}
		if next != nil {
			return next(req, via)
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}
}

func sameOrigin(a, b *url.URL) bool { return origin(a) == origin(b) }

// origin returns scheme, host and port of u (RFC 6454 §6.2), without default ports.
func origin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// union returns a followed by those of b that it lacks.
func union(a, b []string) []string {
	u := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(u, s) {
			u = append(u, s)
		}
	}
	return u
}

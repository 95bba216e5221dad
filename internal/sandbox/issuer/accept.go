package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file plays the person at the consent page, for programs that have nobody at hand.

// A Choice is what a person does on the consent page.
type Choice struct {
	Email    string   // whom to sign in as; "" is the first that the page offers
	Sites    []string // cloud IDs, names or URLs; nil means all
	Products []string // nil means all
	Deny     bool     // cancel instead
}

// Accept opens the consent page of the sandbox at authorizeURL, as a browser would, and answers it with choice. It follows redirects up
// to and including the client's own address, which it returns: it has a code in it, or an OAuth error. A nil client means
// [http.DefaultClient]. It is an error if the client's address is never reached: the error says what the page says.
func Accept(ctx context.Context, client *http.Client, authorizeURL string, choice Choice) (final string, err error) {
	asked, err := url.Parse(authorizeURL)
	if err != nil {
		return "", fmt.Errorf("consenting: %v", err)
	}
	if client == nil {
		client = http.DefaultClient
	}
	b := &browser{client: *client, redirect: asked.Query().Get("redirect_uri")}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p, err := b.open(ctx, authorizeURL, nil)
	for err == nil && p != nil {
		var form url.Values
		if form, err = choice.fill(p); err != nil {
			break
		}
		var action *url.URL
		if action, err = asked.Parse(p.Action); err != nil {
			break
		}
		p, err = b.open(ctx, action.String(), form)
	}
	if err != nil {
		return "", fmt.Errorf("consenting: %w", err) // callers tell an end of ctx from a refusal
	}
	return b.final, nil
}

// fill fills in the form of p. It is an error if it can't be accepted, or has not been: a page that comes back says why.
func (c Choice) fill(p *page) (url.Values, error) {
	form := url.Values{"request": {p.Request}}
	if c.Deny {
		form.Set("decision", "cancel")
		return form, nil
	}
	for _, why := range []string{p.Blocked, p.Problem} {
		if why != "" {
			return nil, errors.New(why)
		}
	}
	form.Set("decision", "accept")
	if len(p.People) > 0 {
		i := slices.IndexFunc(p.People, func(q pagePerson) bool { return c.Email == "" || strings.EqualFold(q.Email, c.Email) })
		if i < 0 {
			return nil, fmt.Errorf("the page does not offer to sign in as %q", c.Email)
		}
		form.Set("email", p.People[i].Email)
	}
	for _, s := range p.Sites {
		if c.Sites == nil || slices.Contains(c.Sites, s.ID) || slices.Contains(c.Sites, s.Name) || slices.Contains(c.Sites, s.URL) {
			form.Add("site", s.ID)
		}
	}
	for _, product := range p.Products {
		if c.Products == nil || slices.Contains(c.Products, product) {
			form.Add("product", product)
		}
	}
	return form, nil
}

// A browser goes from page to page.
type browser struct {
	client   http.Client
	redirect string // the client's address, without what is added to it
	final    string // the client's address as it was visited; "" before
}

// maxRedirects is how often a browser may be sent on; real ones give up at 20.
const maxRedirects = 20

// open gets an address, or posts a form to it. It returns the page that it leads to, nil if that is the client's.
func (b *browser) open(ctx context.Context, address string, form url.Values) (*page, error) {
	for range maxRedirects {
		method := http.MethodGet
		if form != nil {
			method = http.MethodPost
		}
		req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/json, text/html")
		req.Header.Set("User-Agent", "Mozilla/5.0 (a person)") // browsers get through where libraries do not
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := b.client.Do(req)
		if err != nil {
			if failed := (*url.Error)(nil); errors.As(err, &failed) {
				err = failed.Err // without the address, which may have a code in it
			}
			return nil, fmt.Errorf("opening %s: %w", req.URL.Host+req.URL.Path, err)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if b.isClient(address) {
			b.final = address
			return nil, nil
		}
		if resp.StatusCode/100 == 3 {
			to, err := resp.Location()
			if err != nil {
				return nil, err
			}
			address, form = to.String(), nil
			continue
		}
		return readPage(resp, body)
	}
	return nil, errors.New("too many redirects")
}

// isClient reports whether address is the client's.
func (b *browser) isClient(address string) bool {
	path, _, _ := strings.Cut(address, "?")
	want, _, _ := strings.Cut(b.redirect, "?")
	return want != "" && path == want
}

// readPage reads a page of the sandbox's. It is an error if it has no form.
func readPage(resp *http.Response, body []byte) (*page, error) {
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("%s instead of a page of the sandbox: %.100q", resp.Status, body)
	}
	if p.Error != "" || p.Request == "" {
		return nil, fmt.Errorf("%s: %s", p.Error, p.Problem)
	}
	return &p, nil
}

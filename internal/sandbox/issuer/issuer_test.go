package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

const (
	ada = "712020:0b9c6a52-ada"
	ben = "712020:5d1f7c30-ben"
	bot = "712020:99e0c1aa-bot"
)

// A world is a server on loopback, with a clock and faults of its own, and a client's address to come back to.
type world struct {
	*Server
	t      *testing.T
	origin string
	client *httptest.Server // where browsers come back to

	mu     sync.Mutex // guards what follows
	clock  time.Time
	faults map[string]string
	events []Event
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC), faults: map[string]string{}}
	mux := http.NewServeMux()
	hs := httptest.NewServer(mux)
	w.origin = hs.URL
	w.client = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "welcome back") }))
	t.Cleanup(hs.Close)
	t.Cleanup(w.client.Close)
	acme, labs := Place{"c-acme", "acme", "https://acme.atlassian.net"}, Place{"c-labs", "acme-labs", "https://acme-labs.atlassian.net"}
	w.Server = New(Config{
		Origin: w.origin,
		People: func() []Person {
			return []Person{
				{Account: ada, Email: "ada@acme.example", Name: "Ada", Places: []Place{acme, labs}},
				{Account: ben, Email: "ben@acme.example", Name: "Ben", Places: []Place{acme}},
				{Account: "712020:nil", Email: "nil@acme.example", Name: "Nil"},
				{Account: bot, Email: "bot@acme.example", Name: "Bot", Service: true, Places: []Place{acme}},
			}
		},
		Fault: func(name string) (string, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			arg, on := w.faults[name]
			return arg, on
		},
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.clock
		},
		Event: func(e Event) {
			w.Counts() // a listener may ask the server
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
	w.Server.Register(mux)
	t.Cleanup(func() {
		if text, _ := json.Marshal(w.events); bytes.Contains(text, []byte("canary-")) {
			t.Errorf("a secret is among the events: %s", text)
		}
	})
	return w
}

func (w *world) fault(name, arg string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[name] = arg
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// told returns what kinds of events there were, in order.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// A signIn is a client that has registered, and how it goes on.
type signIn struct {
	*world
	oauth2.Config
	resource string // indicator; "" to leave it out
	verifier string
}

// registered registers a client at the authorization server that guards endpoint.
func (w *world) registered(endpoint string) *signIn {
	w.t.Helper()
	a := w.v1
	in := &signIn{world: w, verifier: oauth2.GenerateVerifier()}
	if res := resourceAt(endpoint); res != nil {
		a = w.identity
		in.resource = w.origin + endpoint
		in.Scopes = res.scopes
	}
	redirect := w.client.URL + "/callback"
	status, reg := w.post(w.origin+a.register, map[string]any{
		"redirect_uris": []string{redirect}, "client_name": "Test Client", "token_endpoint_auth_method": "none",
	})
	if status != http.StatusCreated {
		w.t.Fatalf("registering: %d %v", status, reg)
	}
	in.Config.RedirectURL = redirect
	in.Config.ClientID = reg["client_id"].(string)
	in.Config.Endpoint = oauth2.Endpoint{AuthURL: w.origin + a.authorize, TokenURL: w.origin + a.token, AuthStyle: oauth2.AuthStyleInParams}
	return in
}

func (in *signIn) resourceOption() []oauth2.AuthCodeOption {
	if in.resource == "" {
		return nil
	}
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("resource", in.resource)}
}

func (in *signIn) authURL(opts ...oauth2.AuthCodeOption) string {
	opts = slices.Concat(in.resourceOption(), []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(in.verifier)}, opts)
	return in.AuthCodeURL("the state", opts...)
}

// consent has a person agree, and returns the parameters that the client gets.
func (in *signIn) consent(choice Choice, opts ...oauth2.AuthCodeOption) url.Values {
	in.t.Helper()
	final, err := Accept(in.t.Context(), nil, in.authURL(opts...), choice)
	if err != nil {
		in.t.Fatal(err)
	}
	u, err := url.Parse(final)
	if err != nil || !strings.HasPrefix(final, in.Config.RedirectURL+"?") {
		in.t.Fatalf("the browser ended at %q: %v", final, err)
	}
	if u.Query().Get("state") != "the state" {
		in.t.Errorf("state is %q", u.Query().Get("state"))
	}
	return u.Query()
}

func (in *signIn) exchange(code string, opts ...oauth2.AuthCodeOption) (*oauth2.Token, error) {
	opts = slices.Concat(in.resourceOption(), []oauth2.AuthCodeOption{oauth2.VerifierOption(in.verifier)}, opts)
	return in.Exchange(in.t.Context(), code, opts...)
}

// token signs in from beginning to end.
func (in *signIn) token(choice Choice) *oauth2.Token {
	in.t.Helper()
	tok, err := in.exchange(in.consent(choice).Get("code"))
	if err != nil {
		in.t.Fatal(err)
	}
	return tok
}

// form posts a form to the token endpoint.
func (in *signIn) form(values url.Values) (status int, answer map[string]any) {
	in.t.Helper()
	values.Set("client_id", in.ClientID)
	return in.postForm(in.Endpoint.TokenURL, values)
}

func (in *signIn) refresh(token string) (status int, answer map[string]any) {
	in.t.Helper()
	values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	if in.resource != "" {
		values.Set("resource", in.resource)
	}
	return in.form(values)
}

// check shows a token at an endpoint.
func (w *world) check(authorization, endpoint string) (*Grant, *Refusal) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, endpoint, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return w.Check(r, endpoint)
}

// passes reports whether a bearer token opens an endpoint.
func (w *world) passes(token, endpoint string) bool {
	g, refusal := w.check("Bearer "+token, endpoint)
	if (g == nil) == (refusal == nil) {
		w.t.Errorf("Check returned %v and %v", g, refusal)
	}
	return g != nil
}

func (w *world) post(address string, body any) (status int, answer map[string]any) {
	w.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(b)
	}
	resp, err := http.Post(address, "application/json", strings.NewReader(text))
	return w.read(resp, err)
}

func (w *world) postForm(address string, values url.Values) (status int, answer map[string]any) {
	w.t.Helper()
	resp, err := http.PostForm(address, values)
	return w.read(resp, err)
}

func (w *world) get(address string) (status int, answer map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	return w.read(resp, err)
}

// read reads an answer, which is nil if it isn't JSON.
func (w *world) read(resp *http.Response, err error) (status int, answer map[string]any) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal(body, &answer); err != nil {
			w.t.Fatalf("%v in %q", err, body)
		}
	}
	return resp.StatusCode, answer
}

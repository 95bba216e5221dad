package sandbox

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file is what a person sees of the sandbox in a browser: what goes on now (/), and the data (/data); audit.go has /audit. The pages
// are drawn in page_layout.go and its neighbours, and work without script; the one that they have loads them again and again.

//go:embed page
var pageFiles embed.FS

func (s *Server) registerPages(mux *http.ServeMux) {
	page := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !sameOrigin(r) && !isNavigation(r) {
				refuseOrigin(w, r)
				return
			}
			h(w, r)
		})
	}
	page("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { s.showLive(w, nil) })
	page("POST /control/page", s.controlPage)
	page("GET /audit", s.serveAudit)
	page("GET /data", s.showData)
	page("POST /data", s.saveData)
	for name, kind := range map[string]string{
		"page.css": "text/css; charset=utf-8",
		"page.js":  "text/javascript; charset=utf-8",
		"icon.svg": "image/svg+xml",
	} {
		page("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			text, err := pageFiles.ReadFile("page/" + name)
			if err != nil {
				panic(err) // can't be: it is part of the program
			}
			pageHeaders(w, kind)
			w.Write(text)
		})
	}
}

// isNavigation reports whether somebody follows a link to a page of ours, which shows them the page and nobody else.
func isNavigation(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func pageHeaders(w http.ResponseWriter, kind string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // with none at all, forms would come from the origin "null"
	h.Set("X-Content-Type-Options", "nosniff")
}

// shownCalls is how many of the last calls the page shows.
const shownCalls = 20

// A livePage is what goes on now.
type livePage struct {
	pageHead
	Entry, Remote string // for the configuration of a client
	Endpoints     []pageEndpoint
	People        []rovo.Person // who can sign in
	Holders       []rovo.Person // who can have an API token: everybody
	Grants        []pageGrant
	Sessions      []pageSession
	Calls         []Call
	MaxCalls      int
	Faults        []pageFault
	Totals        []tally
	Tallies       []tally
}

type pageEndpoint struct{ URL, What string }

type pageGrant struct {
	Person, Client, Server, Resource, Products, Sites string

	Since, Expires time.Time
	Over           bool // its access token has ended
}

type pageSession struct {
	SessionInfo
	Person string
}

type pageFault struct {
	FaultState
	Problem string // why it could not be switched as the person wanted
}

func (f pageFault) Unit() string   { return strings.Trim(f.Arg, "[]") }
func (f pageFault) Optional() bool { return f.Unit() != f.Arg }

// A tally is how often something has happened.
type tally struct {
	What string
	N    int
}

// Took is how long the call has taken, for people.
func (c Call) Took() string {
	switch d := c.Duration; {
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
}

// A problem is a form's that could not be done.
type problem struct {
	fault, arg string
	err        error
}

// showLive shows what goes on, and the person what is wrong with what they want, unless it is nil.
func (s *Server) showLive(w http.ResponseWriter, wrong *problem) {
	p := livePage{
		pageHead: pageHead{"Now", "/", s.origin, true},
		Entry: fmt.Sprintf("{\"mcpServers\": {\"atlassian-sandbox\": {\n  \"command\": %s,\n  \"args\": [%s]\n}}}",
			encode(cmp.Or(s.command, "atlassian-mcp")), encode(s.Endpoint("/v1/mcp"))),
		Remote: fmt.Sprintf("{\"mcpServers\": {\"atlassian-sandbox\": {\n  \"type\": \"http\",\n  \"url\": %s\n}}}",
			encode(s.Endpoint("/v1/mcp"))),
		Endpoints: []pageEndpoint{
			{s.Endpoint("/v1/mcp"), "what most people use; API tokens too"},
			{s.Endpoint("/v1/mcp/authv2"), "the same tools, the sign-in of Atlassian Identity"},
			{s.Endpoint("/v2/mcp"), "the tools of September 2026"},
			{s.Endpoint("/v2/mcp?tools=all"), "each of them by its own name"},
			{s.Endpoint("/v1/sse"), "HTTP with SSE, which Atlassian has retired"},
			{s.Endpoint("/mcp"), "protocol 2026-07-28 besides the older ones"},
		},
		MaxCalls: maxCalls,
	}
	people := s.org.People()
	p.Holders = people
	names := map[string]string{}
	for _, person := range people {
		names[person.Account] = person.Name
		if !person.Service {
			p.People = append(p.People, person)
		}
	}
	for _, g := range s.issuer.Grants() {
		p.Grants = append(p.Grants, pageGrant{
			Person: cmp.Or(names[g.Account], g.Account), Client: g.Client, Server: g.Server, Resource: g.Resource,
			Products: cmp.Or(strings.Join(g.Products, ", "), "all products"), Sites: strings.Join(s.hosts(g.Account, g.Sites), ", "),
			Since: g.Since.Local(), Expires: g.Expires.Local(), Over: !time.Now().Before(g.Expires),
		})
	}
	for _, sess := range s.Sessions() {
		p.Sessions = append(p.Sessions, pageSession{sess, cmp.Or(names[sess.Account], sess.Account)})
	}
	p.Calls = s.Calls()
	p.Calls = p.Calls[:min(len(p.Calls), shownCalls)]
	for _, state := range s.Faults() {
		f := pageFault{FaultState: state}
		if wrong != nil && wrong.fault == f.Name {
			f.Value, f.Problem = wrong.arg, wrong.err.Error()
		}
		p.Faults = append(p.Faults, f)
	}
	p.Totals, p.Tallies = tallies(s.Counts())
	status := http.StatusOK
	if wrong != nil {
		status = http.StatusBadRequest
	}
	draw(w, status, p.html())
}

// tallies returns what most people want to know of c, and what only some do. HTTP answers are left out: to look at them makes them more.
func tallies(c Counts) (totals, rest []tally) {
	totals = []tally{
		{"Tool calls", c.Calls},
		{"Sign-ins", c.Issuer.Grants},
		{"Sessions opened", c.Opened},
		{"Token renewals", c.Issuer.Refreshes},
		{"Sessions open", c.Open},
		{"Tokens used twice", c.Issuer.Reuses},
		{"Streams open", c.Hearing},
		{"Revocations", c.Issuer.Revocations},
		{"Answers 401, 403", c.Refused},
		{"Registrations", c.Issuer.Registrations},
	}
	for _, m := range []map[string]int{c.Tools, c.Messages} {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			rest = append(rest, tally{cmp.Or(key, "responses"), m[key]})
		}
	}
	return totals, rest
}

// hosts returns the host names of those of an account's sites whose IDs are among ids; of all if that is nil.
func (s *Server) hosts(account string, ids []string) []string {
	var hosts []string
	for _, place := range s.org.Places(account) {
		if ids == nil || slices.Contains(ids, place.ID) {
			hosts = append(hosts, hostOf(place.URL))
		}
	}
	return hosts
}

// hostOf returns the host that a site's URL names, or what else it is.
func hostOf(site string) string {
	if u, err := url.Parse(site); err == nil && u.Host != "" {
		return u.Host
	}
	return site
}

// A tokenPage shows an API token, once.
type tokenPage struct {
	pageHead
	apiToken
	Endpoint string
}

// controlPage takes the forms of the live page: do is expire, revoke, kill, token with person, or fault with fault, arg and on.
func (s *Server) controlPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	form := r.PostForm
	switch form.Get("do") {
	case "expire":
		s.issuer.ExpireAccess()
	case "revoke":
		s.issuer.RevokeAll()
	case "kill":
		s.KillSessions()
	case "token":
		token, err := s.issueAPIToken(form.Get("person"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p := tokenPage{pageHead{"API token", "/control/page", s.origin, false}, token, s.Endpoint("/v1/mcp")}
		draw(w, http.StatusOK, p.html())
		return
	case "fault":
		name, arg := form.Get("fault"), strings.TrimSpace(form.Get("arg"))
		var err error
		if form.Get("on") == "true" {
			err = s.SetFault(name, arg)
		} else {
			err = s.ClearFault(name)
		}
		if err != nil {
			s.showLive(w, &problem{name, arg, err})
			return
		}
	default:
		http.Error(w, fmt.Sprintf("there is nothing to do that is called %q", form.Get("do")), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// A dataPage is the organization as the person has it before them.
type dataPage struct {
	pageHead
	Text    string
	Base    string // version of the organization that Text was made from
	Problem string
	Line    int // where the problem is, from 1; 0 if that is not known
	Saved   bool
}

func (s *Server) newDataPage(text, base string) dataPage {
	return dataPage{pageHead: pageHead{"Data", "/data", s.origin, false}, Text: text, Base: base}
}

func (s *Server) showData(w http.ResponseWriter, r *http.Request) {
	data := s.org.Data()
	p := s.newDataPage(string(data), version(data))
	p.Saved = r.FormValue("saved") == p.Base
	draw(w, http.StatusOK, p.html())
}

// version identifies what the organization is at one time.
func version(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// saveData makes the person's text the organization. If that can't be, they see why, and have their text still.
func (s *Server) saveData(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 3*maxData) // in a form a byte takes up to three
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text := r.PostForm.Get("data")
	now := version(s.org.Data())
	p := s.newDataPage(text, now)
	status := http.StatusBadRequest
	if r.PostForm.Get("base") != now { // an agent that writes between here and Replace is not noticed
		p.Problem = "Not saved: the data has changed since you loaded it, by an agent or in another tab. Save again to overwrite that."
		status = http.StatusConflict
	} else if err := s.replace([]byte(text)); err != nil {
		p.Problem, p.Line = "Not saved: "+err.Error()+".", lineOf(text, err)
		if p.Line > 0 {
			p.Problem = fmt.Sprintf("Not saved: line %d: %v.", p.Line, err)
		}
	} else {
		http.Redirect(w, r, "/data?saved="+version(s.org.Data()), http.StatusSeeOther)
		return
	}
	draw(w, status, p.html())
}

// replace makes text the organization. Nothing may follow it.
func (s *Server) replace(text []byte) error {
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		return err
	}
	return s.org.Replace(text)
}

// lineOf returns the line of text that an error of encoding/json is about, 0 if it doesn't say.
func lineOf(text string, err error) int {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return 0
	}
	before := text[:min(max(offset-1, 0), int64(len(text)))] // it has read the byte that is wrong
	return 1 + strings.Count(before, "\n")
}

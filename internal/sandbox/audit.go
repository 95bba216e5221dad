package sandbox

import (
	"cmp"
	"encoding/csv"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/issuer"
	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file is the audit log, as administrators have it at admin.atlassian.com under Insights: uses of tools are "Rovo MCP User Actions",
// and the app is called "Atlassian MCP" whatever program is behind it.

// maxActions is how many actions are remembered, and shownActions how many of those the page shows.
const (
	maxActions   = 5000
	shownActions = 200
)

const (
	auditApp      = "Atlassian MCP"
	auditToolUse  = "Rovo MCP User Actions"
	auditSignIn   = "Connected apps"
	auditAPIToken = "API tokens"
)

// An Action is a line of the audit log.
type Action struct {
	Number    int       `json:"number"` // from 1
	Time      time.Time `json:"time"`
	Category  string    `json:"category"`
	Actor     string    `json:"actor"`     // a name; "" if it is not known
	Account   string    `json:"account"`   // "" likewise
	ActorType string    `json:"actorType"` // user, API token or service account
	Action    string    `json:"action"`    // in words
	Tool      string    `json:"tool,omitempty"`
	Inner     string    `json:"inner,omitempty"` // what one of v2's execute tools ran
	Product   string    `json:"product,omitempty"`
	Site      string    `json:"site,omitempty"` // host name
	App       string    `json:"app"`
	Client    string    `json:"client,omitempty"`  // name that the OAuth client has registered
	Program   string    `json:"program,omitempty"` // name and version that the program gives itself in MCP
	Outcome   string    `json:"outcome"`
	IP        string    `json:"ip,omitempty"` // "" for sign-ins
}

// act adds an action to the record.
func (r *record) act(a Action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addAction(a)
}

// addAction is act for a caller that holds mu.
func (r *record) addAction(a Action) {
	r.acted++
	a.Number, a.App = r.acted, auditApp
	r.actions = appendLast(r.actions, a, maxActions)
}

// install notes that an OAuth client may see a site, and reports whether none might before.
func (r *record) install(site string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.installed[site] {
		return false
	}
	if r.installed == nil {
		r.installed = map[string]bool{}
	}
	r.installed[site] = true
	return true
}

// action is what the audit log says of a call.
func (c Call) action() Action {
	a := Action{
		Time: c.Time, Category: auditToolUse, Actor: c.Person, Account: c.Account, ActorType: actorType(c.Via), Action: "Used a tool",
		Tool: c.Tool, Inner: c.Inner, Product: c.Product, Site: c.Site, Client: c.SignedIn, Program: c.Client, IP: c.IP,
	}
	switch c.Status {
	case "ok":
		a.Outcome = "Success"
	case "error":
		a.Outcome = "Failed"
	case "invalid":
		a.Outcome = "Failed: invalid arguments"
	case "refused":
		a.Outcome = "Refused"
	case "cancelled":
		a.Outcome = "Cancelled"
	default:
		a.Outcome = "Not carried out: HTTP " + c.Status
	}
	return a
}

func actorType(via string) string {
	switch rovo.Via(via) {
	case rovo.APIToken, rovo.UnscopedToken:
		return "API token"
	case rovo.ServiceKey:
		return "service account"
	}
	return "user"
}

// auditEvent notes what an administrator would see of a sign-in: nothing of pages shown, registrations and renewals.
func (s *Server) auditEvent(e issuer.Event) {
	a := Action{Time: e.Time, Category: auditSignIn, Account: e.Account, ActorType: "user", Client: e.Client, Outcome: "Success"}
	person := s.person(func(p rovo.Person) bool { return p.Account == e.Account })
	if person != nil {
		a.Actor = person.Name
		if person.Service {
			a.ActorType = "service account"
		}
	}
	switch e.Kind {
	case "grant":
		if e.Client == "" {
			a.Category, a.Action = auditAPIToken, "Created an API token"
			break
		}
		for _, site := range s.grantedSites(e) {
			a.Site, a.Action = site, "OAuth grant: the user has authorized the app"
			if s.record.install(site) {
				a.Action = "OAuth install: first user of the site"
			}
			s.record.act(a)
		}
		return
	case "revocation":
		a.Action, a.Outcome = "OAuth grant revoked", "Success"
	case "reuse":
		a.Action, a.Outcome = "OAuth grant revoked: a spent secret was used again", "Refused: "+e.Detail
	case "refusal":
		if e.Client == "" {
			return // nobody in particular, such as a program whose token has expired
		}
		a.Action, a.Outcome = "OAuth request", "Refused: "+e.Detail
	default:
		return
	}
	s.record.act(a)
}

// grantedSites returns the host names of the sites that the grant of an event is for.
func (s *Server) grantedSites(e issuer.Event) []string {
	for _, g := range slices.Backward(s.issuer.Grants()) {
		if g.Account == e.Account && g.Client == e.Client {
			return s.hosts(g.Account, g.Sites)
		}
	}
	return []string{""} // revoked in the meantime
}

// productOf returns which product a tool belongs to, "" if there is no such tool.
func (s *Server) productOf(v rovo.View, name string) string {
	v.All, v.Capabilities = v.V2, nil
	for _, via := range []rovo.Via{rovo.OAuth, rovo.APIToken} {
		for _, t := range s.org.Tools(rovo.Caller{Via: via}, v) {
			if t.Name != name {
				continue
			}
			_, product, _ := strings.Cut(t.Group, "_")
			switch cmp.Or(product, t.Group) {
			case "JIRA":
				return "Jira"
			case "CONFLUENCE":
				return "Confluence"
			case "COMPASS":
				return "Compass"
			case "JSM":
				return "Jira Service Management"
			case "BITBUCKET":
				return "Bitbucket"
			case "GRAPH":
				return "Teamwork Graph"
			}
			return "Atlassian"
		}
	}
	return ""
}

// siteOf returns the host name of the account's site that a cloudId argument means: an ID, a URL or a host name; "" if there is none.
func (s *Server) siteOf(account, cloudID string) string {
	for _, place := range s.org.Places(account) {
		if host := hostOf(place.URL); strings.EqualFold(cloudID, place.ID) || strings.EqualFold(hostOf(cloudID), host) {
			return host
		}
	}
	return ""
}

// addressOf returns where a request comes from.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Actions returns the audit log, newest first.
func (s *Server) Actions() []Action {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	actions := slices.Clone(s.record.actions)
	slices.Reverse(actions)
	return actions
}

// fits reports whether the action is one of a person and a tool: both are parts of names, in any case, or empty.
func (a Action) fits(person, tool string) bool {
	has := func(part string, texts ...string) bool {
		return part == "" || slices.ContainsFunc(texts, func(text string) bool {
			return strings.Contains(strings.ToLower(text), strings.ToLower(part))
		})
	}
	return has(person, a.Actor, a.Account) && has(tool, a.Tool, a.Inner)
}

// An auditPage is a part of the audit log.
type auditPage struct {
	pageHead
	Person, Tool  string // what is looked for
	People, Tools []string
	Actions       []Action
	Found         int
	CSV, JSON     string // where the rest is
}

// serveAudit shows the audit log. Its query may have person, tool, and a format: csv or json.
func (s *Server) serveAudit(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p := auditPage{
		pageHead: pageHead{"Audit log", "/audit", s.origin, true},
		Person:   strings.TrimSpace(q.Get("person")),
		Tool:     strings.TrimSpace(q.Get("tool")),
		Actions:  []Action{},
	}
	for _, a := range s.Actions() {
		p.People, p.Tools = append(p.People, a.Actor), append(p.Tools, a.Tool, a.Inner)
		if a.fits(p.Person, p.Tool) {
			p.Actions = append(p.Actions, a)
		}
	}
	switch q.Get("format") {
	case "":
	case "json":
		writeJSON(w, p.Actions)
		return
	case "csv":
		writeCSV(w, p.Actions)
		return
	default:
		http.Error(w, "format is csv or json", http.StatusBadRequest)
		return
	}
	p.People, p.Tools = distinct(p.People), distinct(p.Tools)
	p.Found = len(p.Actions)
	p.Actions = p.Actions[:min(p.Found, shownActions)]
	for i := range p.Actions {
		p.Actions[i].Time = p.Actions[i].Time.Local()
	}
	address := func(format string) string {
		return "/audit?" + url.Values{"person": {p.Person}, "tool": {p.Tool}, "format": {format}}.Encode()
	}
	p.CSV, p.JSON = address("csv"), address("json")
	draw(w, http.StatusOK, p.html())
}

// distinct sorts list, and leaves out what is empty or there twice.
func distinct(list []string) []string {
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
}

// writeCSV answers with actions in the form of RFC 4180.
func writeCSV(w http.ResponseWriter, actions []Action) {
	pageHeaders(w, "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="audit.csv"`)
	out := csv.NewWriter(w)
	out.Write([]string{
		"Number", "Date", "Category", "Actor", "Account", "Actor type", "Action", "Tool", "Inner tool", "Product", "Site", "App", "OAuth client",
		"Program", "Outcome", "IP address",
	})
	for _, a := range actions {
		row := []string{
			strconv.Itoa(a.Number), a.Time.UTC().Format(time.RFC3339Nano), a.Category, a.Actor, a.Account, a.ActorType, a.Action, a.Tool, a.Inner,
			a.Product, a.Site, a.App, a.Client, a.Program, a.Outcome, a.IP,
		}
		for i := range row {
			row[i] = inert(row[i])
		}
		out.Write(row)
	}
	out.Flush() // the client may have gone
}

// inert returns text that no spreadsheet takes for a formula: strangers choose names of tools and programs.
func inert(text string) string {
	if strings.ContainsAny(text, "\t\r\n") {
		text = strings.Join(strings.Fields(text), " ") // some take what follows for a cell of its own
	}
	switch first := strings.TrimLeft(text, " \""); {
	case first == "":
	case strings.Contains("=+-@＝＋－＠", string([]rune(first)[0])):
		return "'" + text
	}
	return text
}

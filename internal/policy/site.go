package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// A Site keeps the calls of a client at one site of Atlassian's. Tools learn from the argument cloudId where to work: what the client sends goes through
// [Site.Judge], which adds that argument and finds calls for other sites; what the server sends goes through [Site.Edit], which has clients ask no model for it.
// Nil lets everything pass as it is.
//
// It can't keep a tool that takes no cloudId, such as a search, from looking at all that the account sees.
type Site struct {
	Name     string   // its host name, in small letters, such as acme.atlassian.net
	Siteless []string // tools that take no cloudId; the server's list of its tools holds against it

	mu    sync.Mutex      // guards the rest
	open  map[string]bool // requests for lists of tools, by the key of their id
	takes map[string]bool // whether a tool takes a cloudId, of those that were listed
}

// A Place is what is known of where a [Site] is. The zero value is nothing yet.
type Place struct {
	CloudID string // a UUID
	Err     error  // why that can't be known
}

// A Verdict says what becomes of a message.
type Verdict int

const (
	Passes    Verdict = iota // to the server
	Refused                  // must not reach it
	Undecided                // it can't be told without a CloudID, nor why there is none
)

// A SiteError says why a call is refused. Its text is for a model, which can't change what its user has said.
type SiteError struct {
	Site   string // where calls may go
	Reason string // a clause
	Advice string // a sentence on what to do with the call; "" for nothing
	Err    error  // why the CloudID is not known, if that is the reason
}

func (e *SiteError) Error() string {
	text := fmt.Sprintf("Not called: the user lets atlassian-mcp work at the Atlassian site %s only, %s.", e.Site, e.Reason)
	if e.Advice != "" {
		text += " " + e.Advice + " To work at another site, the user has to change --site."
	}
	return text
}

func (e *SiteError) Unwrap() error { return e.Err }

// Judge returns m, from the client, as it may go to the server if it passes, and if it is refused why.
func (s *Site) Judge(m jsonrpc.Message, at Place) (passes jsonrpc.Message, v Verdict, why *SiteError) {
	if s == nil || m.Kind != jsonrpc.Request && m.Kind != jsonrpc.Notification {
		return m, Passes, nil
	}
	if m.Kind == jsonrpc.Request {
		s.expect(m)
	}
	if m.Method != "tools/call" {
		return m, Passes, nil
	}
	c := siteCall{site: s, at: at, raw: m.Raw}
	c.read()
	switch {
	case c.unclear != "":
		return m, Refused, &SiteError{Site: s.Name, Reason: "and it can't be told where this call would work: " + c.unclear}
	case c.elsewhere != "":
		return m, Refused, &SiteError{
			Site: s.Name, Reason: fmt.Sprintf("and this call names another (%.200q)", c.elsewhere), Advice: fmt.Sprintf("Leave out cloudId to work at %s.", s.Name),
		}
	case c.unknown && at.Err != nil:
		return m, Refused, &SiteError{Site: s.Name, Reason: fmt.Sprintf("whose cloudId can't be found out: %v", at.Err), Err: at.Err}
	case c.unknown:
		return m, Undecided, nil
	case len(c.cuts) == 0:
		return m, Passes, nil
	}
	edited, err := jsonrpc.Parse(c.apply(m.Raw))
	if err != nil { // can't be
		return m, Refused, &SiteError{Site: s.Name, Reason: "and the call can't be read"}
	}
	return edited, Passes, nil
}

// expect notes whether the answer to m is a list of tools. What is noted of a request that is cancelled stays, lest its answer still comes.
func (s *Site) expect(m jsonrpc.Message) {
	key := m.ID.Key()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, key)
	if m.Method == "tools/list" {
		if s.open == nil {
			s.open = make(map[string]bool)
		}
		s.open[key] = true
	}
}

// takesCloudID reports whether the tool does.
func (s *Site) takesCloudID(tool string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	takes, listed := s.takes[tool]
	return takes || !listed && !slices.Contains(s.Siteless, tool)
}

// A siteCall is what there is to say of a tools/call.
type siteCall struct {
	site *Site
	at   Place
	raw  []byte

	editor           // adds the cloudId
	takes     bool   // the tool takes one
	unclear   string // what can't be understood
	elsewhere string // names another site
	unknown   bool   // there is no cloudId to add or to compare with
}

// read looks at the whole call.
func (c *siteCall) read() {
	params, ok := c.object(jsonrpc.Whole(c.raw), "params")
	if !ok {
		return // has no tool
	}
	name, _ := c.member(params, "name")
	tool, _ := jsonrpc.Text(c.raw[name.Start:name.End])
	c.takes = c.site.takesCloudID(tool)
	arguments, ok := c.object(params, "arguments")
	if !ok {
		if c.takes && c.unclear == "" {
			c.add(params, "arguments", `{"cloudId":`, `}`)
		}
		return
	}
	if c.takes {
		c.add(arguments, "cloudId", "", "")
	}
	c.names(c.raw, arguments)
}

// member returns where the one member of the object is that has this name. Some servers take "Name" for "name", and some the first of several: what
// may mean different things to different servers is unclear.
func (c *siteCall) member(object jsonrpc.Span, name string) (at jsonrpc.Span, ok bool) {
	for other, value := range jsonrpc.Members(c.raw, object) {
		if !strings.EqualFold(other, name) {
			continue
		}
		if ok || other != name {
			c.unclear = fmt.Sprintf("%q is there twice, or in other letters", name)
		}
		at, ok = value, true
	}
	return at, ok
}

// object is member for one that should be an object. One that is null is as good as none.
func (c *siteCall) object(object jsonrpc.Span, name string) (at jsonrpc.Span, ok bool) {
	at, ok = c.member(object, name)
	if !ok || c.raw[at.Start] == 'n' {
		return at, false
	}
	if c.raw[at.Start] != '{' {
		c.unclear = fmt.Sprintf("%q is no JSON object", name)
	}
	return at, c.raw[at.Start] == '{'
}

// add gives the object a member whose value is the cloudId, between before and after, unless it has one that is neither null nor empty.
func (c *siteCall) add(object jsonrpc.Span, name, before, after string) {
	value, ok := c.member(object, name)
	if ok && c.raw[value.Start] != 'n' && string(c.raw[value.Start:value.End]) != `""` {
		return
	}
	if c.unknown = c.unknown || c.at.CloudID == ""; c.unknown {
		return
	}
	text := before + string(quote([]byte(c.at.CloudID))) + after
	if !ok {
		value = jsonrpc.Span{Start: object.Start + 1, End: object.Start + 1}
		text = string(quote([]byte(name))) + ":" + text
		for range jsonrpc.Members(c.raw, object) {
			text += ","
			break
		}
	}
	c.cuts = append(c.cuts, cut{value, []byte(text)})
}

// names looks for sites in the value that is there in raw.
func (c *siteCall) names(raw []byte, at jsonrpc.Span) {
	var cloudID, inputs int // where the value of a member of this name begins, of the last that has been seen
	for span, value := range jsonrpc.Strings(raw, at) {
		text, ok := jsonrpc.Text(raw[span.Start:span.End])
		switch {
		case !ok:
			c.unclear = "there is a string that can't be read"
		case value > 0 && strings.EqualFold(text, "cloudId"):
			if cloudID = value; raw[value] != '"' && raw[value] != 'n' {
				c.unclear = "cloudId is no string"
			}
		case value > 0 && strings.EqualFold(text, "inputs"): // of a tool that runs others, which take no text, but who knows
			inputs = value
		case value == 0 && span.Start == cloudID && text != "":
			c.cloudID(text)
		case value == 0 && span.Start == inputs && strings.HasPrefix(strings.TrimSpace(text), "{"):
			c.within(text)
		}
		c.text(text)
	}
}

// within looks for sites in text that may be JSON.
func (c *siteCall) within(text string) {
	if m, err := jsonrpc.Parse([]byte(text)); err == nil {
		c.names(m.Raw, jsonrpc.Whole(m.Raw))
	}
}

// cloudID judges the value of a cloudId, for which tools take host names and URLs too.
func (c *siteCall) cloudID(text string) {
	if host, ok := hostOf(text); !ok {
		c.id(text, text)
	} else if host != c.site.Name {
		c.elsewhere = text
	}
}

// id judges what should be the cloudId of a site, found in text.
func (c *siteCall) id(id, text string) {
	switch {
	case c.at.CloudID == "":
		c.unknown = true
	case !strings.EqualFold(id, c.at.CloudID):
		c.elsewhere = text
	}
}

// hostOf returns the host that text names, by a URL or alone. It returns false if text is something else, such as a UUID; the host of what looks like one and
// is not understood is "".
func hostOf(text string) (host string, ok bool) {
	text = strings.ToLower(text)
	if !strings.Contains(text, "://") {
		return strings.TrimSuffix(text, "/"), strings.ContainsAny(text, ".:/")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || strings.Contains(text, `\`) {
		return "", true
	}
	return strings.TrimSuffix(u.Host, ":443"), true
}

// text judges any string: the resource identifiers of Atlassian's in it (ARIs), and for a tool that takes no cloudId the site that it is an address at.
func (c *siteCall) text(text string) {
	if !c.takes && isForeign(text, c.site.Name) {
		c.elsewhere = text
	}
	if len(text) < len(ariPrefix) {
		return
	}
	lower := strings.ToLower(text)
	if strings.Contains(lower, "%3a") { // in a URL
		lower = strings.NewReplacer("%3a", ":", "%2f", "/").Replace(lower)
	}
	for {
		_, rest, ok := strings.Cut(lower, ariPrefix)
		if !ok {
			return
		}
		lower = rest
		if id, ari := ariSite(rest); id != "" {
			c.id(id, ari)
		}
	}
}

// isForeign reports whether text is the URL of something at another site than the one with this name, or may be taken for such a URL.
func isForeign(text, site string) bool {
	const cloud = ".atlassian.net"
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") || !strings.HasSuffix(site, cloud) {
		return false
	}
	host, _ := hostOf(text)
	return host != site && (strings.HasSuffix(host, cloud) || host == "" && strings.Contains(strings.ToLower(rest), cloud))
}

// ariPrefix is what an ARI starts with: ari:cloud:PRODUCT:CLOUDID:TYPE/ID.
const ariPrefix = "ari:cloud:"

// ariSite returns the cloudId in what follows the prefix of an ARI, and the ARI as far as that goes. The cloudId is "" if there is none: teams, users and
// repositories belong to no site.
func ariSite(rest string) (id, ari string) {
	isPart := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
	}
	part := func(s string) string {
		if i := strings.IndexFunc(s, func(r rune) bool { return !isPart(r) }); i >= 0 {
			return s[:i]
		}
		return s
	}
	product := part(rest)
	after, ok := strings.CutPrefix(rest[len(product):], ":")
	if product == "" || !ok {
		return "", ""
	}
	before := ariPrefix + product + ":"
	if after, ok := strings.CutPrefix(after, ":site/"); ok { // is one, and belongs to none
		before, id = before+":site/", part(after)
	} else {
		id = part(after)
	}
	return id, before + id
}

// Edit returns m, from the server, with no cloudId among what a tool in a list requires. It changes no other byte.
func (s *Site) Edit(m jsonrpc.Message) jsonrpc.Message {
	if s == nil || m.Kind != jsonrpc.Response {
		return m
	}
	key := m.ID.Key()
	s.mu.Lock()
	listed := s.open[key]
	delete(s.open, key)
	s.mu.Unlock()
	if !listed || m.Failed {
		return m
	}
	var e editor
	for name, result := range jsonrpc.Members(m.Raw, jsonrpc.Whole(m.Raw)) {
		if name != "result" {
			continue
		}
		for name, list := range jsonrpc.Members(m.Raw, result) {
			if name != "tools" {
				continue
			}
			for tool := range jsonrpc.Elements(m.Raw, list) {
				s.listed(&e, m.Raw, tool)
			}
		}
	}
	if len(e.cuts) == 0 {
		return m
	}
	edited, err := jsonrpc.Parse(e.apply(m.Raw))
	if err != nil { // can't be
		return m
	}
	return edited
}

// listed learns from the tool at a place, and cuts there.
func (s *Site) listed(e *editor, raw []byte, tool jsonrpc.Span) {
	var name string
	var takes bool
	for member, value := range jsonrpc.Members(raw, tool) {
		switch member {
		case "name":
			name, _ = jsonrpc.Text(raw[value.Start:value.End])
		case "inputSchema":
			takes = jsonrpc.Lookup(raw[value.Start:value.End], "properties", "cloudId") != nil
			for member, required := range jsonrpc.Members(raw, value) {
				if member == "required" {
					e.elements(raw, required, func(element []byte) bool {
						name, _ := jsonrpc.Text(element)
						return name == "cloudId"
					})
				}
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.takes == nil {
		s.takes = make(map[string]bool)
	}
	s.takes[name] = takes
}

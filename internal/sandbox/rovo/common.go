package rovo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

func commonTools() []Tool {
	return bind("common", map[string]func(*call) (any, error){
		"atlassianUserInfo":               (*call).userInfo,
		"getAccessibleAtlassianResources": (*call).resources,
		"search":                          (*call).search,
		"fetch":                           (*call).fetch,
	})
}

// userInfo answers like https://api.atlassian.com/me.
func (c *call) userInfo() (any, error) {
	p := c.person
	nickname, _, _ := strings.Cut(p.Name, " ")
	kind := "atlassian"
	if p.Service {
		kind = "app"
	}
	return object{
		"account_id":      p.Account,
		"email":           p.Email,
		"name":            p.Name,
		"picture":         "https://secure.gravatar.com/avatar/" + strings.ReplaceAll(p.Account[max(0, len(p.Account)-12):], "-", "") + "?d=mp",
		"account_status":  "active",
		"characteristics": object{"not_mentionable": p.Service},
		"last_updated":    seedTime.Format(time.RFC3339),
		"created_at":      seedTime.AddDate(-1, 0, 0).Format(time.RFC3339),
		"nickname":        nickname,
		"zoneinfo":        cmp.Or(p.TimeZone, "Etc/GMT"),
		"locale":          "en-US",
		"extended_profile": object{
			"job_title": p.Title, "organization": c.org.data.Name, "department": "", "location": "", "phone_numbers": []any{}, "team_type": "",
		},
		"account_type":   kind,
		"email_verified": true,
	}, nil
}

// scopes are what each product's tools need, in the order in which getAccessibleAtlassianResources has the products.
var scopes = []struct {
	product string
	scopes  []string
}{
	{"jira", []string{"read:jira-work", "write:jira-work"}},
	{"confluence", []string{
		"search:confluence", "read:confluence-user", "read:page:confluence", "write:page:confluence", "read:comment:confluence",
		"write:comment:confluence", "read:space:confluence", "read:hierarchical-content:confluence",
	}},
	{"compass", []string{
		"read:component:compass", "write:component:compass", "read:scorecard:compass", "write:scorecard:compass", "read:event:compass",
		"read:metric:compass",
	}},
}

// resources has a site once for each of its products.
func (c *call) resources() (any, error) {
	type resource struct {
		ID     string   `json:"id"`
		URL    string   `json:"url"`
		Name   string   `json:"name"`
		Scopes []string `json:"scopes"`
		Avatar string   `json:"avatarUrl"`
	}
	const avatar = "https://site-admin-avatar-cdn.prod.public.atl-paas.net/avatars/240/jersey.png"
	all := []resource{}
	for _, set := range scopes {
		for _, s := range c.sites() {
			if c.granted(set.product) && s.has(set.product) && (set.product != "compass" || c.caller.Via == OAuth) {
				all = append(all, resource{s.ID, s.URL, s.Name, set.scopes, avatar})
			}
		}
	}
	return all, nil
}

// A hit is something that a search has found.
type hit struct {
	ID    string `json:"id"` // an ARI
	Title string `json:"title"`
	Text  string `json:"text"`
	URL   string `json:"url"`
	Type  string `json:"type"`
	score int
}

// search is Rovo's: it finds what has any of the words, in Jira and Confluence, and what has most of them first.
func (c *call) search() (any, error) {
	var args struct{ Query, CloudID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	words := strings.FieldsFunc(strings.ToLower(args.Query), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	words = slices.DeleteFunc(words, func(w string) bool { return len(w) < 2 })
	sites := c.sites()
	if c.site != nil {
		sites = []*Site{c.site}
	}
	if len(sites) == 0 {
		return nil, failf(0, trouble)
	}
	hits := []hit{}
	for _, s := range sites {
		if len(words) == 0 {
			break
		}
		var clauses []string
		for _, w := range words {
			clauses = append(clauses, fmt.Sprintf("text ~ %q", w))
		}
		found, err := c.searchSite(s, strings.Join(clauses, " OR "))
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	for i, h := range hits {
		title, text := strings.ToLower(h.Title), strings.ToLower(h.Text)
		for _, w := range words {
			hits[i].score += 2 * min(1, strings.Count(title, w))
			hits[i].score += min(1, strings.Count(text, w))
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return b.score - a.score })
	return object{
		"results":  hits[:min(len(hits), 10)],
		"metadata": object{"cloudId": sites[0].ID, "searchScope": "generic"},
	}, nil
}

// searchSite returns what a query, which JQL and CQL understand alike, finds at a site in the products that the caller may search.
func (c *call) searchSite(s *Site, query string) ([]hit, error) {
	var hits []hit
	if c.granted("jira") && s.has("jira") {
		var found struct {
			Issues []struct {
				ID, Key string
				Fields  struct{ Summary string }
			}
		}
		args := object{"cloudId": s.ID, "jql": query, "maxResults": 50, "fields": []string{"summary"}}
		if err := c.have("searchJiraIssuesUsingJql", args, &found); err != nil {
			return nil, err
		}
		for _, i := range found.Issues {
			hits = append(hits, hit{
				ID: "ari:cloud:jira:" + s.ID + ":issue/" + i.ID, Title: i.Key + ": " + i.Fields.Summary, URL: s.URL + "/browse/" + i.Key, Type: "issue",
			})
		}
	}
	if c.granted("confluence") && s.has("confluence") {
		var found struct {
			Results []struct {
				Content        struct{ ID, Type, Title string }
				Title, Excerpt string
				URL            string
			}
		}
		args := object{"cloudId": s.ID, "cql": "type = page AND (" + query + ")", "limit": 50}
		if err := c.have("searchConfluenceUsingCql", args, &found); err != nil {
			return nil, err
		}
		for _, r := range found.Results {
			hits = append(hits, hit{
				ID: "ari:cloud:confluence:" + s.ID + ":page/" + r.Content.ID, Title: cmp.Or(r.Content.Title, r.Title), Text: r.Excerpt,
				URL: absolute(s.URL+"/wiki", r.URL), Type: "page",
			})
		}
	}
	return hits, nil
}

// absolute returns a URL that may be relative to another.
func absolute(base, ref string) string {
	if strings.HasPrefix(ref, "/") {
		return base + ref
	}
	return ref
}

// have has another tool do something, as relay does, and reads the result into v.
func (c *call) have(name string, args object, v any) error {
	result, err := c.relay(name, args)
	if err != nil {
		return err
	}
	text, ok := result.(string)
	if !ok {
		text = compactJSON(result)
	}
	return json.Unmarshal([]byte(text), v)
}

// relay has another tool of the first generation do the whole thing, in its usual shape. Arguments need not be in the tool's schema: its
// function knows those of later years.
func (c *call) relay(name string, args object) (any, error) {
	tool := toolNamed(v1(), name)
	if tool == nil {
		panic("there is no tool " + name)
	}
	inner := *c
	inner.view.FiveNodes = nil
	return inner.at(tool, json.RawMessage(compactJSON(args)))
}

// fetch gets an issue, a page or a component by its ARI.
func (c *call) fetch() (any, error) {
	var args struct{ ID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	product, site, kind, id, ok := parseARI(args.ID)
	switch {
	case !ok:
	case product == "jira" && kind == "issue":
		return c.relay("getJiraIssue", object{"cloudId": site, "issueIdOrKey": id})
	case product == "confluence" && kind == "page":
		return c.relay("getConfluencePage", object{"cloudId": site, "pageId": id})
	}
	return nil, failf(0, "Invalid ARI format: %s", args.ID)
}

// parseARI takes an Atlassian resource identifier apart, such as ari:cloud:jira:<cloud ID>:issue/10107.
func parseARI(ari string) (product, site, kind, id string, ok bool) {
	parts := strings.SplitN(ari, ":", 5)
	if len(parts) != 5 || parts[0] != "ari" || parts[1] != "cloud" {
		return "", "", "", "", false
	}
	kind, id, ok = strings.Cut(parts[4], "/")
	return parts[2], parts[3], kind, id, ok && id != ""
}

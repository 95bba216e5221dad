package rovo

import (
	"net/url"
	"slices"
	"strings"
)

// This file is the Teamwork Graph: what has to do with what, across products. Nobody has published the schemas and results of its tools.

func graphTools() []Tool {
	return bind("graph", map[string]func(*call) (any, error){
		"getTeamworkGraphContext": (*call).graphContext,
		"getTeamworkGraphObject":  (*call).graphObjects,
		"addTeamworkGraphContext": (*call).addGraphContext,
	})
}

// An Edge says what one thing has to do with another, both by their ARIs. Only what people have added is kept: the rest is read off the
// products.
type Edge struct {
	From string `json:"from"`
	Kind string `json:"relationship"`
	To   string `json:"to"`
}

type graphNode struct {
	ID    string `json:"id"` // an ARI
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// graphRef returns the ARI of what an ARI, a URL or an issue's key stands for.
func (c *call) graphRef(ref string) string {
	if u, err := url.Parse(ref); err == nil && u.Host != "" {
		site := c.siteNamed(u.Host)
		if site == nil {
			return ref
		}
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		switch {
		case len(parts) == 2 && parts[0] == "browse":
			return "ari:cloud:jira:" + site.ID + ":issue/" + parts[1]
		case len(parts) >= 5 && parts[0] == "wiki" && parts[3] == "pages":
			return "ari:cloud:confluence:" + site.ID + ":page/" + parts[4]
		case len(parts) == 3 && parts[0] == "compass" && parts[1] == "component":
			return "ari:cloud:compass:" + site.ID + ":component/" + parts[2]
		}
		return ref
	}
	if !strings.HasPrefix(ref, "ari:") && c.site != nil {
		return "ari:cloud:jira:" + c.site.ID + ":issue/" + ref
	}
	return ref
}

// graphIssue is what the graph reads off an issue.
type graphIssue struct {
	ID, Key string
	Fields  struct {
		Summary    string
		IssueLinks []struct {
			Type         struct{ Inward, Outward string }
			InwardIssue  *graphIssue
			OutwardIssue *graphIssue
		}
	}
}

func (i *graphIssue) node(s *Site) graphNode {
	return graphNode{"ari:cloud:jira:" + s.ID + ":issue/" + i.ID, "issue", i.Key + ": " + i.Fields.Summary, s.URL + "/browse/" + i.Key}
}

// object returns what an ARI stands for, and what its product says that it has to do with.
func (c *call) object(ari string) (graphNode, []relatedNode, error) {
	product, cloud, kind, id, ok := parseARI(ari)
	site := c.siteNamed(cloud)
	if !ok || site == nil {
		return graphNode{}, nil, failf(404, "Object %q not found", ari)
	}
	related := []relatedNode{}
	args := object{"cloudId": cloud}
	switch product + " " + kind {
	case "jira issue":
		args["issueIdOrKey"] = id
		var links []struct {
			Object struct{ URL, Title string }
		}
		if err := c.have("getJiraIssueRemoteIssueLinks", args, &links); err != nil {
			return graphNode{}, nil, err
		}
		args["fields"] = []string{"summary", "issuelinks"}
		var issue graphIssue
		if err := c.have("getJiraIssue", args, &issue); err != nil {
			return graphNode{}, nil, err
		}
		for _, l := range issue.Fields.IssueLinks {
			if l.InwardIssue != nil {
				related = append(related, relatedNode{l.Type.Inward, l.InwardIssue.node(site)})
			}
			if l.OutwardIssue != nil {
				related = append(related, relatedNode{l.Type.Outward, l.OutwardIssue.node(site)})
			}
		}
		for _, l := range links {
			related = append(related, relatedNode{"mentioned in", graphNode{c.graphRef(l.Object.URL), "page", l.Object.Title, l.Object.URL}})
		}
		return issue.node(site), related, nil
	case "confluence page":
		args["pageId"] = id
		var page struct{ Title string }
		if err := c.have("getConfluencePage", args, &page); err != nil {
			return graphNode{}, nil, err
		}
		return graphNode{ari, "page", page.Title, site.URL + "/wiki/pages/viewpage.action?pageId=" + id}, related, nil
	case "compass component":
		args["componentId"] = id[strings.LastIndex(id, "/")+1:]
		var found struct{ Component componentNode }
		if err := c.have("getCompassComponent", args, &found); err != nil {
			return graphNode{}, nil, err
		}
		k := found.Component
		for _, r := range k.Relationships.Outward {
			related = append(related, relatedNode{strings.ToLower(r.Type), graphNode{ID: r.End.ID, Type: "component", Title: r.End.Name}})
		}
		for _, r := range k.Relationships.Inward {
			start := graphNode{ID: r.Start.ID, Type: "component", Title: r.Start.Name}
			related = append(related, relatedNode{"inverse of " + strings.ToLower(r.Type), start})
		}
		for _, l := range k.Links {
			related = append(related, relatedNode{"links to", graphNode{c.graphRef(l.URL), strings.ToLower(l.Type), l.Name, l.URL}})
		}
		return graphNode{k.ID, "component", k.Name, k.URL}, related, nil
	}
	return graphNode{}, nil, failf(404, "Object %q not found", ari)
}

type relatedNode struct {
	Relationship string    `json:"relationship"`
	Object       graphNode `json:"object"`
}

func (c *call) graphContext() (any, error) {
	var args struct{ Object string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	node, related, err := c.object(c.graphRef(args.Object))
	if err != nil {
		return nil, err
	}
	for _, s := range c.sites() {
		for _, e := range s.Graph {
			kind, other := e.Kind, e.To
			if e.To == node.ID {
				kind, other = "inverse of "+e.Kind, e.From
			} else if e.From != node.ID {
				continue
			}
			if n, _, err := c.object(other); err == nil { // others are gone, or not for this person's eyes
				related = append(related, relatedNode{kind, n})
			}
		}
	}
	return object{"object": node, "related": related}, nil
}

func (c *call) graphObjects() (any, error) {
	var args struct{ Objects []string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	nodes := []graphNode{}
	for _, ref := range args.Objects {
		n, _, err := c.object(c.graphRef(ref))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return object{"objects": nodes}, nil
}

func (c *call) addGraphContext() (any, error) {
	var args struct{ From, To, Relationship string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	from, _, err := c.object(c.graphRef(args.From))
	if err != nil {
		return nil, err
	}
	to, _, err := c.object(c.graphRef(args.To))
	if err != nil {
		return nil, err
	}
	e := Edge{from.ID, args.Relationship, to.ID}
	if !slices.Contains(c.site.Graph, e) {
		c.site.Graph = append(c.site.Graph, e)
	}
	return object{"from": from, "relationship": e.Kind, "to": to}, nil
}

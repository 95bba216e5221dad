package rovo

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

func (c *call) getJiraIssueRemoteIssueLinks() (any, error) {
	var args struct{ IssueIDOrKey, GlobalID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	shown := []any{}
	for _, l := range i.RemoteLinks {
		switch {
		case !c.mayFollow(l):
		case args.GlobalID == "":
			shown = append(shown, c.showRemoteLink(i, l))
		case args.GlobalID == l.GlobalID:
			return c.showRemoteLink(i, l), nil
		}
	}
	if args.GlobalID != "" {
		return nil, failf(404, "No remote issue link with globalId '%s' found.", args.GlobalID)
	}
	return shown, nil
}

// mayFollow reports whether the person may see what the link leads to, as far as it is a page of this site.
func (c *call) mayFollow(l *RemoteLink) bool {
	id, ok := c.site.pageOf(l.URL)
	return !ok || c.site.Confluence == nil || c.site.Confluence.page(c.person.Account, id) != nil
}

// pageOf returns the ID of the page of the site's that has this address.
func (s *Site) pageOf(address string) (id int, ok bool) {
	path, ok := strings.CutPrefix(address, s.URL+"/wiki/")
	if !ok {
		return 0, false
	}
	_, rest, ok := strings.Cut(path, "/pages/")
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, "/")
	id, err := strconv.Atoi(number)
	return id, err == nil
}

func (c *call) showRemoteLink(i *Issue, l *RemoteLink) object {
	application := object{}
	if _, ok := c.site.pageOf(l.URL); ok {
		application = object{"type": "com.atlassian.confluence", "name": "System Confluence"}
	}
	return object{
		"id": l.ID, "self": c.jiraURL("issue/" + i.ID + "/remotelink/" + strconv.Itoa(l.ID)), "globalId": l.GlobalID, "application": application,
		"relationship": l.Relationship, "object": object{"url": l.URL, "title": l.Title, "icon": object{}, "status": object{"icon": object{}}},
	}
}

var issueKeys = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b[A-Z][A-Z0-9_]+-[1-9][0-9]*\b`) })

// linkMentions links every issue whose key, or the address of whose page, is in what an account has written on a page to that page, as Confluence does
// when the page is saved. Issues that the account can't see have no links of its making; those that are linked already stay so.
func (s *Site) linkMentions(account, pageURL, title, body string) {
	if s.Jira == nil {
		return
	}
	seen := map[string]bool{}
	for _, at := range issueKeys().FindAllStringIndex(body, -1) {
		key := body[at[0]:at[1]]
		if seen[key] {
			continue
		}
		seen[key] = true
		if i := s.Jira.issue(key); i != nil && s.Jira.sees(account, i) {
			s.linkPage(i, pageURL, title)
		}
	}
}

func (s *Site) linkPage(i *Issue, pageURL, title string) {
	global := pageURL
	if id, ok := s.pageOf(pageURL); ok {
		global = "appId=" + s.ID + "&pageId=" + strconv.Itoa(id)
	}
	if l := firstOf(i.RemoteLinks, func(l *RemoteLink) bool { return l.GlobalID == global }); l != nil {
		l.URL, l.Title = pageURL, title // which may have a new name
		return
	}
	last := 10000
	for _, i := range s.Jira.Issues {
		for _, l := range i.RemoteLinks {
			last = max(last, l.ID)
		}
	}
	i.RemoteLinks = append(i.RemoteLinks, &RemoteLink{ID: last + 1, GlobalID: global, Relationship: "mentioned in", URL: pageURL, Title: title})
}

func (c *call) getIssueLinkTypes() (any, error) {
	shown := []any{}
	for _, t := range c.jira().LinkTypes {
		shown = append(shown, c.showLinkType(t))
	}
	return object{"issueLinkTypes": shown}, nil
}

func (c *call) createIssueLink() (any, error) {
	var args struct {
		formats
		InwardIssue, OutwardIssue, Type, Comment string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	j := c.jira()
	t := j.linkType(args.Type)
	if t == nil {
		return nil, failf(404, "No issue link type with name '%s' found.", args.Type)
	}
	inward, err := c.findIssue(args.InwardIssue)
	if err != nil {
		return nil, err
	}
	outward, err := c.findIssue(args.OutwardIssue)
	if err != nil {
		return nil, err
	}
	if inward == outward {
		return nil, failf(400, "You cannot link an issue to itself.")
	}
	now := c.org.now()
	same := func(l *IssueLink) bool { return l.Type == t.Name && l.Inward == inward.Key && l.Outward == outward.Key }
	if !slices.ContainsFunc(j.Links, same) { // a link that is there is there once
		j.Links = append(j.Links, &IssueLink{strconv.Itoa(c.org.number()), t.Name, inward.Key, outward.Key})
	}
	inward.Updated, outward.Updated = now, now
	if strings.TrimSpace(args.Comment) != "" {
		body, err := prose(args.Comment, args.ContentFormat)
		if err != nil {
			return nil, err
		}
		outward.Comments = append(outward.Comments, &IssueComment{ID: strconv.Itoa(c.org.number()), Author: c.person.Account, Body: body, Created: now})
	}
	return object{"success": true}, nil
}

// issueURL returns the address of an issue's page.
func (s *Site) issueURL(i *Issue) string { return s.URL + "/browse/" + url.PathEscape(i.Key) }

package rovo

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strings"
)

// nodesShown is how many issues a search showed in mid-2026, whatever it was asked for.
const nodesShown = 5

func (c *call) searchJiraIssuesUsingJQL() (any, error) {
	args := struct {
		formats
		JQL              string
		MaxResults       int
		Fields           []string
		NextPageToken    string
		SearchResultMode string
	}{MaxResults: 50}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	if q, err := parseJQL(args.JQL); err == nil && q.where == nil {
		return nil, failf(400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
	}
	found, err := c.searchJQL(args.JQL)
	if err != nil {
		return nil, err
	}
	start, ok := readPageToken(args.NextPageToken, args.JQL)
	if !ok {
		return nil, failf(400, "Invalid request payload. Refer to the REST API documentation and try again.")
	}
	window := portion(found, start, max(args.MaxResults, 1))
	token := ""
	if next := start + len(window); next < len(found) {
		token = pageToken(next, args.JQL)
	}
	if c.view.FiveNodes != nil && c.view.FiveNodes() {
		return c.fiveNodes(found, window, token), nil
	}
	if args.Fields == nil {
		args.Fields = []string{"summary", "description", "status", "issuetype", "priority", "created"}
	}
	shown := []any{}
	for _, i := range window {
		shown = append(shown, c.showIssue(i, args.Fields, args.ResponseContentFormat))
	}
	result := object{"issues": shown, "isLast": token == ""}
	if token != "" {
		result["nextPageToken"] = token
	}
	switch args.SearchResultMode {
	case "count":
		return object{"totalCount": len(found)}, nil
	case "all":
		result["totalCount"] = len(found)
	}
	return result, nil
}

// fiveNodes shows what a search has found as Atlassian did in mid-2026: the first five of a page, with fields that nobody has chosen, and
// nothing to say that the next page doesn't go on from there (atlassian/atlassian-mcp-server issues 221 and 225).
func (c *call) fiveNodes(found, window []*Issue, token string) any {
	nodes := []any{}
	for _, i := range portion(window, 0, nodesShown) {
		shown := c.showIssue(i, []string{"*navigable"}, "markdown")
		shown.Expand, shown.WebURL = "", c.site.issueURL(i)
		nodes = append(nodes, shown)
	}
	var cursor any
	if token != "" {
		cursor = token
	}
	return struct {
		TotalCount     int    `json:"totalCount"`
		Nodes          []any  `json:"nodes"`
		RemainingCount int    `json:"remainingCount"`
		PageInfo       object `json:"pageInfo"`
	}{len(found), nodes, len(window) - len(nodes), object{"hasNextPage": token != "", "endCursor": cursor}}
}

// pageToken returns the token of a search's page that begins at start.
func pageToken(start int, jql string) string {
	h := fnv.New32a()
	h.Write([]byte(strings.TrimSpace(jql)))
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%08x:%d", h.Sum32(), start))
}

// readPageToken returns where a page begins, and whether the token belongs to this search. Without a token it is the first page.
func readPageToken(token, jql string) (start int, ok bool) {
	if token == "" {
		return 0, true
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, false
	}
	if _, digits, found := strings.Cut(string(text), ":"); found {
		_, err = fmt.Sscanf(digits, "%d", &start)
	}
	return start, err == nil && start > 0 && token == pageToken(start, jql)
}

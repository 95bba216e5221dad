package rovo

import (
	"encoding/json"
	"slices"
	"strings"
)

// executor returns which tool runs this one.
func (t Tool) executor() string {
	switch {
	case t.Annotations.ReadOnlyHint:
		return "executeRead"
	case t.Annotations.DestructiveHint:
		return "executeDestructive"
	}
	return "executeWrite"
}

// discover looks through the catalogue for words.
func (c *call) discover() (any, error) {
	var args struct {
		Query string
		Limit int
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	type entry struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"inputSchema"`
		Execute     string          `json:"executeWith"`
		score       int
	}
	words := strings.Fields(strings.ToLower(args.Query))
	entries := []entry{}
	readOnly := c.view.readOnly()
	for _, t := range catalogue() {
		if readOnly && t.writes() {
			continue
		}
		e := entry{Name: t.Name, Description: t.Description, InputSchema: t.InputSchema, Execute: t.executor()}
		name, text := strings.ToLower(t.Name), strings.ToLower(t.Description)
		for _, w := range words {
			w = strings.TrimSuffix(w, "s") // people look for comments and for a comment
			if strings.Contains(name, w) {
				e.score += 2
			} else if strings.Contains(text, w) {
				e.score++
			}
		}
		if e.score > 0 || len(words) == 0 {
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return b.score - a.score })
	if args.Limit > 0 {
		entries = entries[:min(len(entries), args.Limit)]
	}
	return object{"tools": entries}, nil
}

// execute returns the tool of that name, which runs those of its kind in the catalogue. Inputs that a tool doesn't know are dropped.
func execute(executor string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var args struct {
			Name, CloudID string
			Inputs        object
		}
		if err := c.decode(&args); err != nil {
			return nil, err
		}
		tool := toolNamed(v2(true), args.Name)
		if tool == nil {
			return nil, failf(404, "Unknown tool %q. Use discover to find available tools.", args.Name)
		}
		if tool.executor() != executor {
			return nil, failf(400, "Tool %q can't be run with %s. Use %s.", args.Name, executor, tool.executor())
		}
		var s schema
		if err := json.Unmarshal(tool.InputSchema, &s); err != nil {
			return nil, err
		}
		inputs := object{}
		for _, p := range s.Properties {
			if v, ok := args.Inputs[p.name]; ok {
				inputs[p.name] = v
			}
			if p.name == "cloudId" && args.CloudID != "" {
				inputs[p.name] = args.CloudID
			}
		}
		return c.use(tool, args.Name, json.RawMessage(compactJSON(inputs)))
	}
}

// loomVideo finds no video: the organization has none.
func (c *call) loomVideo() (any, error) {
	var args struct{ VideoID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	return nil, failf(404, "Video %q not found", args.VideoID)
}

// getContent2 gets a page or a blog post.
func (c *call) getContent2() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	var p shownPage
	format := format2(args)
	where := object{"cloudId": args["cloudId"], "pageId": args["content_id"], "contentFormat": format}
	if err := c.have("getConfluencePage", where, &p); err != nil {
		return nil, err
	}
	content := object{
		"id": p.ID, "type": p.Type, "title": p.Title, "spaceId": p.Space, "version": p.Version.Number, "url": p.Links["base"] + p.Links["webui"],
	}
	if args["detail"] != "summary" {
		content["body"], content["appliedContentFormat"] = p.Body, format
	}
	if args["include_metadata"] == true {
		content["status"], content["parentId"], content["authorId"], content["createdAt"] = p.Status, p.Parent, p.Author, p.Created
	}
	return object{"data": content}, nil
}

// updateContent2 replaces a page's body, or says what the page would be.
func (c *call) updateContent2() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	args["pageId"] = args["content_id"]
	result, err := c.relay2("updateConfluencePage", args)
	if err == nil && args["dryRun"] == true {
		c.org.restore()
	}
	return result, err
}

// comments2 lists the comments of a page, of both kinds or of one.
func (c *call) comments2() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	args["pageId"] = args["content_id"]
	all := object{}
	for kind, tool := range map[string]string{"footer": "getConfluencePageFooterComments", "inline": "getConfluencePageInlineComments"} {
		if args["commentType"] != nil && args["commentType"] != kind {
			continue
		}
		if all[kind], err = c.relay2(tool, args); err != nil {
			return nil, err
		}
	}
	return object{"data": all}, nil
}

// createComment2 comments on a page, or on a piece of its text.
func (c *call) createComment2() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	tool := "createConfluenceFooterComment"
	if args["inlineCommentProperties"] != nil {
		tool = "createConfluenceInlineComment"
	}
	if id, ok := args["content_id"]; ok && args["parentCommentId"] == nil {
		args["pageId"] = id
	}
	return c.relay2(tool, args)
}

// issueComments lists the comments of an issue.
func (c *call) issueComments() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	args["fields"] = []string{"comment"}
	issue, err := c.relay2("getJiraIssue", args)
	if err != nil {
		return nil, err
	}
	fields, _ := issue.(object)["fields"].(object)
	found, _ := fields["comment"].(object)
	comments, _ := found["comments"].([]any)
	return object{"startAt": 0, "maxResults": len(comments), "total": len(comments), "isLast": true, "comments": append([]any{}, comments...)}, nil
}

// deleteIssue deletes an issue, if whoever signed in has been granted more than there is by default.
func (c *call) deleteIssue() (any, error) {
	var args struct{ IssueIDOrKey string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	if !slices.Contains(c.caller.Products, "delete_jira") {
		return nil, failf(403, "The permission groups delete_jira and manage_jira are off by default. "+
			"Ask your organization admin to turn delete_jira on.")
	}
	issue, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, failf(404, "Issue %q not found", args.IssueIDOrKey)
	}
	jira := c.site.Jira
	jira.Issues = slices.DeleteFunc(jira.Issues, func(i *Issue) bool { return i == issue })
	jira.Links = slices.DeleteFunc(jira.Links, func(l *IssueLink) bool { return l.Inward == issue.Key || l.Outward == issue.Key })
	return object{"deleted": issue.Key}, nil
}

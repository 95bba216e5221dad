package rovo

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// This file has the tools of September 2026. Most do what one of the first generation does, under another name. What an agent needs often is
// listed; the rest is found with discover and called through executeRead, executeWrite and executeDestructive (v2_execute.go).

// v2 returns the tools of the second generation: what is listed, or all by their own names.
func v2(all bool) []Tool {
	listed := bind("v2", map[string]func(*call) (any, error){
		"addGraphContext":                 as("addTeamworkGraphContext"),
		"addOrEditJiraIssueComment":       as("addCommentToJiraIssue"),
		"atlassianUserInfo":               (*call).userInfo,
		"createConfluenceContent":         as("createConfluencePage"),
		"createJiraIssue":                 (*call).createIssue2,
		"discover":                        (*call).discover,
		"editJiraIssue":                   as("editJiraIssue"),
		"executeDestructive":              execute("executeDestructive"),
		"executeRead":                     execute("executeRead"),
		"executeWrite":                    execute("executeWrite"),
		"getAccessibleAtlassianResources": (*call).resources,
		"getConfluenceContent":            (*call).getContent2,
		"getGraphContext":                 as("getTeamworkGraphContext"),
		"getGraphObject":                  as("getTeamworkGraphObject"),
		"getJiraIssue":                    data2(as("getJiraIssue")),
		"getLoomVideo":                    (*call).loomVideo,
		"search":                          (*call).search,
		"searchConfluence":                as("searchConfluenceUsingCql"),
		"searchJiraIssuesUsingJql":        as("searchJiraIssuesUsingJql"),
		"transitionJiraIssue":             (*call).transition2,
		"updateConfluenceContent":         (*call).updateContent2,
	})
	if !all {
		return listed
	}
	tools := slices.Concat(catalogue(), slices.DeleteFunc(slices.Clone(listed), Tool.indirect))
	slices.SortFunc(tools, func(a, b Tool) int { return strings.Compare(a.Name, b.Name) })
	return tools
}

// catalogue returns the tools that are not listed.
func catalogue() []Tool {
	return bind("v2_catalogue", map[string]func(*call) (any, error){
		"addOrEditJiraIssueWorklog":         as("addWorklogToJiraIssue"),
		"createConfluenceComment":           (*call).createComment2,
		"createJiraIssueLink":               as("createIssueLink"),
		"deleteJiraIssue":                   (*call).deleteIssue,
		"getConfluenceContentDescendants":   as("getConfluencePageDescendants", "content_id", "pageId"),
		"getJiraIssueTypeMetaWithFields":    as("getJiraIssueTypeMetaWithFields"),
		"listConfluenceComments":            (*call).comments2,
		"listConfluenceContent":             as("getPagesInConfluenceSpace"),
		"listConfluenceSpaces":              as("getConfluenceSpaces"),
		"listJiraIssueComments":             data2((*call).issueComments),
		"listJiraIssueLinkTypes":            as("getIssueLinkTypes"),
		"listJiraIssueRemoteIssueLinks":     as("getJiraIssueRemoteIssueLinks"),
		"listJiraIssueTransitions":          as("getTransitionsForJiraIssue"),
		"listJiraProjectIssueTypesMetadata": as("getJiraProjectIssueTypesMetadata"),
		"listJiraProjects":                  as("getVisibleJiraProjects"),
		"lookupJiraAccountId":               as("lookupJiraAccountId", "query", "searchString"),
	})
}

// indirect reports whether the tool only leads to others.
func (t Tool) indirect() bool { return t.Name == "discover" || strings.HasPrefix(t.Name, "execute") }

// as returns what a tool of the first generation does. rename are pairs of what an argument is called here and there.
func as(name string, rename ...string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		args, err := c.arguments()
		if err != nil {
			return nil, err
		}
		for i := 0; i < len(rename); i += 2 {
			if v, ok := args[rename[i]]; ok {
				delete(args, rename[i])
				args[rename[i+1]] = v
			}
		}
		return c.relay2(name, args)
	}
}

func (c *call) arguments() (object, error) {
	args := object{}
	return args, c.decode(&args)
}

// prose2 are the arguments that hold what people write, Markdown unless contentFormat says otherwise.
var prose2 = [...]string{"description", "commentBody", "comment", "body"}

// relay2 has a tool of the first generation do something with arguments of the second, and turns ADF into what people read.
func (c *call) relay2(name string, args object) (any, error) {
	format := format2(args)
	args = maps.Clone(args)
	if args["contentFormat"] == "html" {
		for _, arg := range prose2 {
			if text, ok := args[arg].(string); ok {
				args[arg] = string(htmlToADF(text))
			}
		}
		args["contentFormat"] = "adf"
	}
	args["responseContentFormat"] = "adf"
	result, err := c.relay(name, args)
	if err != nil {
		return nil, worded2(err, args)
	}
	if text, ok := result.(string); ok {
		return text, nil
	}
	var v any
	if err := json.Unmarshal([]byte(compactJSON(result)), &v); err != nil {
		return nil, err
	}
	return readable(v, format), nil
}

// format2 returns the format in which the answer is to be.
func format2(args object) string {
	for _, arg := range []string{"responseContentFormat", "content_format", "contentFormat"} {
		if format, ok := args[arg].(string); ok {
			return format
		}
	}
	return "markdown"
}

// worded2 says that there is no such issue in the words of the second generation.
func worded2(err error, args object) error {
	var failed *toolError
	if issue, ok := args["issueIdOrKey"].(string); ok && errors.As(err, &failed) && strings.HasPrefix(failed.text, "Issue does not exist") {
		return failf(404, "Issue %q not found", issue)
	}
	return err
}

// readable replaces ADF documents anywhere in v with text in a format.
func readable(v any, format string) any {
	if format == "adf" {
		return v
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = readable(v[i], format)
		}
	case object:
		if _, ok := v["content"].([]any); ok && v["type"] == "doc" {
			doc := json.RawMessage(compactJSON(v))
			if format == "html" {
				return adfToHTML(doc)
			}
			return adfToMarkdown(doc)
		}
		for k := range v {
			v[k] = readable(v[k], format)
		}
	}
	return v
}

// data2 returns a tool that wraps what another one returns, and says in which format texts are.
func data2(run func(*call) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		args, err := c.arguments()
		if err != nil {
			return nil, err
		}
		result, err := run(c)
		if err != nil {
			return nil, err
		}
		if fields, ok := result.(object); ok {
			fields["appliedContentFormat"] = format2(args)
		}
		return object{"data": result}, nil
	}
}

// createIssue2 creates an issue; what the first generation takes as additional_fields has arguments of its own.
func (c *call) createIssue2() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	if sprint, ok := args["assignToSprint"]; ok {
		return nil, failf(404, "Sprint \"%v\" not found", sprint)
	}
	fields, _ := args["additional_fields"].(object)
	fields = maps.Clone(fields)
	if fields == nil {
		fields = object{}
	}
	if labels, ok := args["labels"]; ok {
		fields["labels"] = labels
	}
	if priority, ok := args["priority"]; ok {
		fields["priority"] = object{"name": priority}
	}
	if assignee, ok := args["assignee"]; ok {
		args["assignee_account_id"] = assignee
	}
	args["additional_fields"], args["issueTypeName"] = fields, args["issueType"]
	result, err := c.relay2("createJiraIssue", args)
	if err != nil {
		return nil, err
	}
	issue, _ := result.(object)
	return object{"id": issue["id"], "key": issue["key"]}, nil
}

// transition2 moves an issue by the transition's ID or its name.
func (c *call) transition2() (any, error) {
	args, err := c.arguments()
	if err != nil {
		return nil, err
	}
	where := object{"cloudId": args["cloudId"], "issueIdOrKey": args["issueIdOrKey"]}
	var possible struct{ Transitions []struct{ ID, Name string } }
	if err := c.have("getTransitionsForJiraIssue", where, &possible); err != nil {
		return nil, worded2(err, args)
	}
	id, _ := args["transitionId"].(string)
	if name, ok := args["transitionName"].(string); ok && id == "" {
		for _, t := range possible.Transitions {
			if strings.EqualFold(t.Name, name) {
				id = t.ID
			}
		}
		if id == "" {
			return nil, failf(400, "Transition %q is not available for issue %q", name, args["issueIdOrKey"])
		}
	}
	where["transition"] = object{"id": id}
	if fields, ok := args["fields"]; ok {
		where["fields"] = fields
	}
	return c.relay2("transitionJiraIssue", where)
}

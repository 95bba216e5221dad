package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// demoWork is what the demo does, as an agent does it: by calling tools, one after the other, with what the last ones returned.
type demoWork struct {
	client *demoClient
	server *sandbox.Server
	person *demoPerson
	faults demoFaults

	site    string // cloud ID
	spaces  map[string]string
	created []string // keys of the issues made here
}

// steps returns everything, in order.
func (w *demoWork) steps() []demoStep {
	steps := []demoStep{
		{"start, initialize", w.client.initialize},
		{"sign in, list the tools", w.listTools},
		{"who am I, and where?", w.findSite},
		{"find all open bugs in Project Alpha", w.findBugs},
		{"create a story titled 'Redesign onboarding'", w.createStory},
		{"make five issues from the onboarding notes", w.issuesFromNotes},
		{"summarize the Q2 planning page", w.summarize},
		{"create a page titled 'Team Goals Q3'", w.createPage},
		{"which spaces may I see?", w.listSpaces},
		{"create a service component", w.createComponent},
		{"import components and fields from CSV", w.importComponents},
		{"what depends on api-gateway?", w.dependents},
		{"link three tickets to the 'Release Plan' page", w.linkTickets},
		{"fetch the page linked to api-gateway", w.linkedPage},
		{"close", w.end},
	}
	if w.faults.has("cloudflare") {
		steps = slices.Insert(steps, len(steps)-1, demoStep{"ask as a library that gives its own name", w.askNameless})
	}
	return steps
}

// listTools waits for the sign-in, longer than the relay does: until then that lists a tool to sign in with, and no other.
func (w *demoWork) listTools() (string, error) {
	names, err := w.toolNames()
	if err == nil && len(names) == 1 {
		w.person.Close()
		names, err = w.toolNames()
	}
	if err != nil {
		return "", err
	}
	if len(names) < 4 {
		return "", fmt.Errorf("only these are listed: %s", strings.Join(names, ", "))
	}
	return fmt.Sprintf("%d tools", len(names)), nil
}

func (w *demoWork) toolNames() ([]string, error) {
	var tools mcp.ListToolsResult
	if err := w.client.call(mcp.MethodToolsList, struct{}{}, &tools); err != nil {
		return nil, err
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
	}
	return names, nil
}

// findSite finds the site on which all the rest is done.
func (w *demoWork) findSite() (string, error) {
	var who struct{ Name string }
	if err := w.client.tool("atlassianUserInfo", nil, &who); err != nil {
		return "", err
	}
	var sites []struct{ ID, Name, URL string }
	if err := w.client.tool("getAccessibleAtlassianResources", nil, &sites); err != nil {
		return "", err
	}
	for _, s := range sites {
		if s.Name == "acme" {
			w.site = s.ID
			return fmt.Sprintf("%s, at %s", who.Name, s.URL), nil
		}
	}
	return "", errors.New("the site acme, where all the rest is done, was not chosen at the sign-in")
}

// on returns arguments for a tool of the site.
func (w *demoWork) on(pairs ...any) map[string]any {
	arguments := map[string]any{"cloudId": w.site}
	for i := 0; i+1 < len(pairs); i += 2 {
		arguments[pairs[i].(string)] = pairs[i+1]
	}
	return arguments
}

type demoIssue struct {
	Key    string
	Fields struct{ Summary string }
}

func (w *demoWork) findBugs() (string, error) {
	var found struct {
		Issues    []demoIssue
		Nodes     []demoIssue // instead, in mid-2026
		Remaining int         `json:"remainingCount"` // which nothing leads to
	}
	jql := `project = ALPHA AND issuetype = Bug AND statusCategory != Done ORDER BY priority DESC`
	if err := w.client.tool("searchJiraIssuesUsingJql", w.on("jql", jql, "maxResults", 50), &found); err != nil {
		return "", err
	}
	switch {
	case found.Remaining > 0:
		return "", fmt.Errorf("%d are listed, and there is no way to %d more", len(found.Nodes), found.Remaining)
	case len(found.Issues) == 0:
		return "", errors.New("there are none")
	}
	return fmt.Sprintf("%d, the first is %s %q", len(found.Issues), found.Issues[0].Key, found.Issues[0].Fields.Summary), nil
}

func (w *demoWork) createIssue(kind, summary, description string) (string, error) {
	var issue struct{ Key string }
	err := w.client.tool("createJiraIssue", w.on("projectKey", "ALPHA", "issueTypeName", kind, "summary", summary, "description", description), &issue)
	if err == nil && issue.Key == "" {
		err = errors.New("the new issue has no key")
	}
	if err == nil {
		w.created = append(w.created, issue.Key)
	}
	return issue.Key, err
}

func (w *demoWork) createStory() (string, error) {
	key, err := w.createIssue("Story", "Redesign onboarding", "New people should be productive on their **first day**.")
	if err != nil {
		return "", err
	}
	var issue demoIssue
	if err := w.client.tool("getJiraIssue", w.on("issueIdOrKey", key), &issue); err != nil {
		return "", err
	}
	if issue.Fields.Summary != "Redesign onboarding" {
		return "", fmt.Errorf("%s is titled %q", key, issue.Fields.Summary)
	}
	return key, nil
}

// page returns the title and the text of the one page with that title.
func (w *demoWork) page(title string) (id, body string, err error) {
	var found struct {
		Results []struct{ Content struct{ ID string } }
	}
	if err := w.client.tool("searchConfluenceUsingCql", w.on("cql", fmt.Sprintf("type = page AND title = %q", title)), &found); err != nil {
		return "", "", err
	}
	if len(found.Results) != 1 {
		return "", "", fmt.Errorf("%d pages are titled %q", len(found.Results), title)
	}
	id = found.Results[0].Content.ID
	body, err = w.pageText(id)
	return id, body, err
}

func (w *demoWork) pageText(id string) (string, error) {
	var page struct{ Body string }
	err := w.client.tool("getConfluencePage", w.on("pageId", id), &page)
	return page.Body, err
}

// items returns the items of the lists in Markdown.
func items(markdown string) []string {
	var items []string
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		number, text, ok := strings.Cut(line, ". ")
		if ok && strings.Trim(number, "0123456789") == "" {
			items = append(items, text)
		} else if len(line) > 2 && (line[0] == '-' || line[0] == '*') && line[1] == ' ' {
			items = append(items, strings.TrimPrefix(strings.TrimPrefix(line[2:], "[ ] "), "[x] "))
		}
	}
	return items
}

func (w *demoWork) issuesFromNotes() (string, error) {
	_, notes, err := w.page("Onboarding notes")
	if err != nil {
		return "", err
	}
	todo := items(notes)
	if len(todo) < 5 {
		return "", fmt.Errorf("the notes have %d items only", len(todo))
	}
	var keys []string
	for _, item := range todo[:5] {
		summary, _, _ := strings.Cut(item, ". ")
		key, err := w.createIssue("Task", cut(summary, 120), item)
		if err != nil {
			return "", err
		}
		keys = append(keys, key)
	}
	return strings.Join(keys, ", "), nil
}

func (w *demoWork) summarize() (string, error) {
	_, body, err := w.page("Q2 Planning")
	if err != nil {
		return "", err
	}
	var headings []string
	for line := range strings.Lines(body) {
		if text := strings.TrimLeft(line, "#"); text != line {
			headings = append(headings, strings.TrimSpace(text))
		}
	}
	return fmt.Sprintf("%d words under %s", len(strings.Fields(body)), strings.Join(headings, ", ")), nil
}

func (w *demoWork) createPage() (string, error) {
	if err := w.findSpaces(); err != nil {
		return "", err
	}
	var page struct{ ID, Title string }
	err := w.client.tool("createConfluencePage", w.on("spaceId", w.spaces["TEAM"], "title", "Team Goals Q3",
		"body", "## Goals\n\n- Ship the new onboarding\n- Halve the open bugs"), &page)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("page %s, %q", page.ID, page.Title), nil
}

func (w *demoWork) findSpaces() error {
	var found struct{ Results []struct{ ID, Key string } }
	if err := w.client.tool("getConfluenceSpaces", w.on(), &found); err != nil {
		return err
	}
	w.spaces = make(map[string]string)
	for _, s := range found.Results {
		w.spaces[s.Key] = s.ID
	}
	return nil
}

func (w *demoWork) listSpaces() (string, error) {
	if err := w.findSpaces(); err != nil {
		return "", err
	}
	return strings.Join(slices.Sorted(maps.Keys(w.spaces)), ", "), nil
}

type demoComponent struct {
	ID            string
	Name          string
	Links         []struct{ Name, Type, URL string }
	CustomFields  []struct{ Name, Value string }
	Relationships struct {
		Inward []struct {
			Type      string
			StartNode struct{ Name string }
		}
	}
}

func (w *demoWork) createComponent() (string, error) {
	return w.newComponent("notification-service", "Sends mail and push messages.")
}

func (w *demoWork) newComponent(name, description string, values ...map[string]any) (string, error) {
	var created struct{ Component demoComponent }
	err := w.client.tool("createCompassComponent", w.on("name", name, "typeId", "SERVICE", "description", description,
		"customFields", append([]map[string]any{}, values...)), &created)
	if err == nil && (created.Component.Name != name || len(created.Component.CustomFields) != len(values)) {
		err = fmt.Errorf("the new component is %+v", created.Component)
	}
	return name, err
}

// demoCSV is what somebody has exported from a spreadsheet.
const demoCSV = `name,description,cost centre
search-indexer,Keeps the search index fresh.,4711
image-resizer,Makes thumbnails.,4711
audit-writer,Writes down who did what.,0815
`

func (w *demoWork) importComponents() (string, error) {
	rows, err := csv.NewReader(strings.NewReader(demoCSV)).ReadAll()
	if err != nil {
		return "", err
	}
	var field struct{ CustomFieldDefinition struct{ ID string } }
	if err := w.client.tool("createCompassCustomFieldDefinition", w.on("name", rows[0][2], "type", "TEXT"), &field); err != nil {
		return "", err
	}
	var imported []string
	for _, row := range rows[1:] {
		value := map[string]any{"definitionId": field.CustomFieldDefinition.ID, "value": row[2]}
		if _, err := w.newComponent(row[0], row[1], value); err != nil {
			return "", err
		}
		c, err := w.component(row[0])
		if err != nil {
			return "", err
		}
		if len(c.CustomFields) != 1 || c.CustomFields[0].Name != rows[0][2] || c.CustomFields[0].Value != row[2] {
			return "", fmt.Errorf("%s has the fields %+v", row[0], c.CustomFields)
		}
		imported = append(imported, c.Name+" "+c.CustomFields[0].Value)
	}
	return strings.Join(imported, ", "), nil
}

// component returns the component of that name.
func (w *demoWork) component(name string) (c demoComponent, err error) {
	var found struct{ Components []demoComponent }
	if err := w.client.tool("getCompassComponents", w.on("query", name), &found); err != nil {
		return c, err
	}
	i := slices.IndexFunc(found.Components, func(c demoComponent) bool { return c.Name == name })
	if i < 0 {
		return c, fmt.Errorf("there is no component %q", name)
	}
	var got struct{ Component demoComponent }
	err = w.client.tool("getCompassComponent", w.on("componentId", found.Components[i].ID), &got)
	return got.Component, err
}

func (w *demoWork) dependents() (string, error) {
	c, err := w.component("api-gateway")
	if err != nil {
		return "", err
	}
	var names []string
	for _, r := range c.Relationships.Inward {
		if r.Type == "DEPENDS_ON" {
			names = append(names, r.StartNode.Name)
		}
	}
	if len(names) == 0 {
		return "", errors.New("nothing does")
	}
	return strings.Join(names, ", "), nil
}

func (w *demoWork) linkTickets() (string, error) {
	id, body, err := w.page("Release Plan")
	if err != nil {
		return "", err
	}
	if len(w.created) < 3 {
		return "", errors.New("there are no three tickets to link")
	}
	tickets := w.created[:3]
	body += "\n\n## Tickets\n\n- " + strings.Join(tickets, "\n- ") + "\n"
	var page struct{ ID string }
	if err := w.client.tool("updateConfluencePage", w.on("pageId", id, "body", body), &page); err != nil {
		return "", err
	}
	for _, key := range tickets {
		var links []struct{ Object struct{ Title string } }
		if err := w.client.tool("getJiraIssueRemoteIssueLinks", w.on("issueIdOrKey", key), &links); err != nil {
			return "", err
		}
		if len(links) == 0 || links[0].Object.Title != "Release Plan" {
			return "", fmt.Errorf("%s does not show the page", key)
		}
	}
	return strings.Join(tickets, ", "), nil
}

func (w *demoWork) linkedPage() (string, error) {
	c, err := w.component("api-gateway")
	if err != nil {
		return "", err
	}
	for _, link := range c.Links {
		_, path, ok := strings.Cut(link.URL, "/pages/")
		if !ok {
			continue
		}
		id, _, _ := strings.Cut(path, "/")
		text, err := w.pageText(id)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%q, %d words", link.Name, len(strings.Fields(text))), nil
	}
	return "", errors.New("it has no link to a page")
}

func (w *demoWork) end() (string, error) {
	if err := w.client.close(); err != nil {
		return "", err
	}
	if n := w.server.Counts().Open; n > 0 {
		return "", fmt.Errorf("%d sessions were left open", n)
	}
	return "exit status 0", nil
}

// measured says what came of it all.
func (w *demoWork) measured(out io.Writer) {
	counts := w.server.Counts()
	carriedOut, twice := 0, 0
	for _, n := range counts.Tools {
		carriedOut += n
	}
	for _, n := range counts.Executed {
		if n > 1 {
			twice++
		}
	}
	fmt.Fprintf(out, "%d tool calls, %.1f ms each (median); %d carried out by the server, %d of them twice\n",
		w.client.tools, median(w.client.took), carriedOut, twice)
	fmt.Fprintf(out, "registrations: %d, sign-ins: %d, renewals: %d; sessions opened: %d, left open: %d\n",
		counts.Issuer.Registrations, counts.Issuer.Grants, counts.Issuer.Refreshes, counts.Opened, counts.Open)
}

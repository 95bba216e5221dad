package rovo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// This file plays what Atlassian's README says that one can ask for, as the tool calls that an agent makes of it, with the tools of both
// generations.

// An agent uses tools for Ben, at acme.
type agent struct {
	*testing.T
	org  *Org
	view View
}

func (a agent) use(name string, args object, result any) {
	a.Helper()
	full := object{"cloudId": acmeID}
	if name == "atlassianUserInfo" || name == "search" || name == "fetch" {
		full = object{}
	}
	maps.Copy(full, args)
	play(a.T, a.org, Caller{Account: ben}, a.view, name, full, result)
}

// run uses a tool of the second generation that has to be discovered.
func (a agent) run(executor, words, name string, inputs object, result any) {
	a.Helper()
	var found struct {
		Tools []struct{ Name, ExecuteWith string }
	}
	play(a.T, a.org, Caller{Account: ben}, a.view, "discover", object{"query": words, "limit": 3}, &found)
	if !slices.Contains(found.Tools, struct{ Name, ExecuteWith string }{name, executor}) {
		a.Fatalf("looking for %q finds %+v, not %s", words, found.Tools, name)
	}
	play(a.T, a.org, Caller{Account: ben}, a.view, executor, object{"cloudId": acmeID, "name": name, "inputs": inputs}, result)
}

// generations runs an example with the tools of both generations.
func generations(t *testing.T, first, second func(agent)) {
	t.Run("v1", func(t *testing.T) { first(agent{t, open(t), View{}}) })
	t.Run("v2", func(t *testing.T) { second(agent{t, open(t), View{V2: true}}) })
}

type issues struct {
	Issues []struct {
		ID, Key string
		Fields  struct {
			Summary   string
			Status    struct{ Name string }
			IssueType struct{ Name string }
		}
	}
}

// "Find all open bugs in Project Alpha."
func TestExampleOpenBugs(t *testing.T) {
	ask := func(a agent) {
		var found issues
		a.use("searchJiraIssuesUsingJql", object{
			"jql":    `project = "Project Alpha" AND issuetype = Bug AND statusCategory != Done ORDER BY created DESC`,
			"fields": []string{"summary", "status", "issuetype"},
		}, &found)
		if len(found.Issues) == 0 {
			a.Fatal("no bugs")
		}
		for _, i := range found.Issues {
			if i.Fields.IssueType.Name != "Bug" || i.Fields.Status.Name == "Done" || !strings.HasPrefix(i.Key, "ALPHA-") {
				a.Errorf("found %+v", i)
			}
		}
		var all issues
		a.use("searchJiraIssuesUsingJql", object{"jql": `project = ALPHA AND issuetype = Bug`}, &all)
		if len(all.Issues) <= len(found.Issues) {
			a.Errorf("%d of %d bugs are open", len(found.Issues), len(all.Issues))
		}
	}
	generations(t, ask, ask)
}

// "Create a story titled 'Redesign onboarding'."
func TestExampleCreateStory(t *testing.T) {
	check := func(a agent, key string) {
		var found issues
		a.use("searchJiraIssuesUsingJql", object{"jql": `summary ~ "Redesign onboarding" AND reporter = currentUser()`}, &found)
		if len(found.Issues) != 1 || found.Issues[0].Key != key || found.Issues[0].Fields.IssueType.Name != "Story" {
			a.Errorf("%s was created, %+v is found", key, found)
		}
	}
	generations(t, func(a agent) {
		var created struct{ Key, Self string }
		a.use("createJiraIssue", object{"projectKey": "ALPHA", "issueTypeName": "Story", "summary": "Redesign onboarding"}, &created)
		check(a, created.Key)
	}, func(a agent) {
		var created struct{ Key string }
		a.use("createJiraIssue", object{
			"projectKey": "ALPHA", "issueType": "Story", "summary": "Redesign onboarding", "labels": []string{"onboarding"},
			"priority": "High", "assignee": chen,
			"description": "<p>It takes <strong>too long</strong>.</p>", "contentFormat": "html",
		}, &created)
		check(a, created.Key)
		var got struct {
			Data struct {
				AppliedContentFormat string
				Fields               struct {
					Description string
					Labels      []string
					Priority    struct{ Name string }
					Assignee    struct{ AccountID string }
				}
			}
		}
		a.use("getJiraIssue", object{"issueIdOrKey": created.Key}, &got)
		f := got.Data.Fields
		if strings.TrimSpace(f.Description) != "It takes **too long**." || f.Labels[0] != "onboarding" ||
			f.Priority.Name != "High" || f.Assignee.AccountID != chen ||
			got.Data.AppliedContentFormat != "markdown" {
			a.Errorf("created %+v", got.Data)
		}
	})
}

// "Make five Jira issues from these meeting notes."
func TestExampleIssuesFromNotes(t *testing.T) {
	generations(t, func(a agent) {
		var page struct{ Body string }
		a.use("getConfluencePage", object{"pageId": "65603"}, &page)
		fromNotes(a, page.Body, "issueTypeName")
	}, func(a agent) {
		var page struct{ Data struct{ Body string } }
		a.use("getConfluenceContent", object{"content_id": "65603"}, &page)
		fromNotes(a, page.Data.Body, "issueType")
	})
}

// fromNotes makes an issue of each item of a list.
func fromNotes(a agent, notes, typeArg string) {
	var keys []string
	for line := range strings.Lines(notes) {
		line = strings.TrimSpace(line)
		if len(line) < 4 || !strings.ContainsAny(line[:1], "*-1234567890") || !strings.Contains(line[:3], " ") {
			continue
		}
		var created struct{ Key string }
		a.use("createJiraIssue", object{"projectKey": "ALPHA", typeArg: "Task", "summary": strings.TrimLeft(line, "*-[]x1234567890. ")}, &created)
		keys = append(keys, created.Key)
	}
	if len(keys) != 5 {
		a.Fatalf("made %q of\n%s", keys, notes)
	}
	var found issues
	a.use("searchJiraIssuesUsingJql", object{"jql": "key in (" + strings.Join(keys, ", ") + ") ORDER BY key"}, &found)
	if len(found.Issues) != 5 {
		a.Errorf("of %q %+v are found", keys, found)
	}
}

// "Summarise the Q2 planning page."
func TestExampleSummarise(t *testing.T) {
	has := func(a agent, body string) {
		for _, word := range []string{"Goals", "Risks", "|"} {
			if !strings.Contains(body, word) {
				a.Errorf("there is nothing on %q to summarise in\n%s", word, body)
			}
		}
	}
	generations(t, func(a agent) {
		var found searchResult
		a.use("search", object{"query": "Q2 planning"}, &found)
		var page struct{ Title, Body string }
		a.use("fetch", object{"id": found.Results[0].ID}, &page)
		if page.Title != "Q2 Planning" {
			a.Errorf("found %q", page.Title)
		}
		has(a, page.Body)
	}, func(a agent) {
		var found struct {
			Results []struct{ Content struct{ ID string } }
		}
		a.use("searchConfluence", object{"cql": `title ~ "Q2 planning" AND type = page`}, &found)
		var page struct{ Data struct{ Body string } }
		a.use("getConfluenceContent", object{"content_id": found.Results[0].Content.ID}, &page)
		has(a, page.Data.Body)
	})
}

// "Create a page titled 'Team Goals Q3'."
func TestExampleCreatePage(t *testing.T) {
	args := object{"spaceId": "98306", "title": "Team Goals Q3", "body": "# Goals\n\n- Ship the new onboarding\n"}
	found := func(a agent, search string) {
		var found struct {
			Results []struct{ Content struct{ Title string } }
		}
		a.use(search, object{"cql": `space = TEAM AND title = "Team Goals Q3"`}, &found)
		if len(found.Results) != 1 {
			a.Errorf("found %+v", found)
		}
	}
	generations(t, func(a agent) {
		a.use("createConfluencePage", args, nil)
		found(a, "searchConfluenceUsingCql")
	}, func(a agent) {
		a.use("createConfluenceContent", args, nil)
		found(a, "searchConfluence")
	})
}

// "What spaces do I have access to?"
func TestExampleListSpaces(t *testing.T) {
	type spaces struct{ Results []struct{ Key string } }
	check := func(a agent, got spaces) {
		var keys []string
		for _, s := range got.Results {
			keys = append(keys, s.Key)
		}
		if !slices.Contains(keys, "ENG") || !slices.Contains(keys, "TEAM") || slices.Contains(keys, "HR") {
			a.Errorf("Ben sees %q", keys)
		}
	}
	generations(t, func(a agent) {
		var got spaces
		a.use("getConfluenceSpaces", nil, &got)
		check(a, got)
	}, func(a agent) {
		var got spaces
		a.run("executeRead", "list confluence spaces", "listConfluenceSpaces", object{}, &got)
		check(a, got)
	})
}

// "Link these three tickets to the 'Release Plan' page."
func TestExampleLinkTickets(t *testing.T) {
	keys := []string{"ALPHA-1", "ALPHA-2", "ALPHA-3"}
	mention := "Part of this release:\n\n"
	for _, key := range keys {
		mention += fmt.Sprintf("- https://acme.atlassian.net/browse/%s\n", key)
	}
	type links []struct{ Object struct{ Title, URL string } }
	linked := func(a agent, key string, got links) {
		if !slices.ContainsFunc(got, func(l struct{ Object struct{ Title, URL string } }) bool {
			return strings.Contains(l.Object.URL, "/pages/65602")
		}) {
			a.Errorf("%s has the links %+v", key, got)
		}
	}
	generations(t, func(a agent) {
		a.use("createConfluenceFooterComment", object{"pageId": "65602", "body": mention}, nil)
		for _, key := range keys {
			var got links
			a.use("getJiraIssueRemoteIssueLinks", object{"issueIdOrKey": key}, &got)
			linked(a, key, got)
		}
	}, func(a agent) {
		a.run("executeWrite", "create confluence comment", "createConfluenceComment", object{"content_id": "65602", "body": mention}, nil)
		for _, key := range keys {
			var got links
			a.run("executeRead", "remote links of an issue", "listJiraIssueRemoteIssueLinks", object{"issueIdOrKey": key}, &got)
			linked(a, key, got)
		}
	})
}

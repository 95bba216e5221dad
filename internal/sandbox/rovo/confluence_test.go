package rovo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// args are a tool's arguments. The site is acme unless they say another.
type args map[string]any

// wiki has somebody use a tool, which must work, and reads the result into v unless that is nil.
func wiki(t *testing.T, o *Org, account, tool string, a args, v any) {
	t.Helper()
	out := wikiOutcome(t, o, account, View{}, tool, a)
	if out.IsError || out.Invalid != "" {
		t.Fatalf("%s %v: %s%s", tool, a, out.Text, out.Invalid)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(out.Text), v); err != nil {
			t.Fatalf("%s: %v in %s", tool, err, out.Text)
		}
	}
}

func wikiOutcome(t *testing.T, o *Org, account string, v View, tool string, a args) Outcome {
	t.Helper()
	with := args{"cloudId": acmeID}
	for name, value := range a {
		with[name] = value
	}
	text, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	return o.Call(Caller{Account: account}, v, tool, text)
}

// wikiFails has somebody use a tool, which must say that it has failed, and why.
func wikiFails(t *testing.T, o *Org, account, tool string, a args, want string) {
	t.Helper()
	out := wikiOutcome(t, o, account, View{}, tool, a)
	if !out.IsError || !strings.Contains(out.Text, want) {
		t.Errorf("%s %v = %s%s, want the error %q", tool, a, out.Text, out.Invalid, want)
	}
}

type wikiPage struct {
	ID, Type, Subtype, Status, Title, SpaceID, ParentID, AuthorID, Body string
	Position                                                            int
	Version                                                             struct {
		Number            int
		Message, AuthorID string
	}
	Links struct{ Webui, Tinyui, Base string } `json:"_links"`
}

type wikiList struct {
	Results []struct {
		wikiPage
		Key, Name        string
		Depth            int
		ResolutionStatus string
		ParentCommentID  string
		PageID           string
		Properties       struct{ InlineOriginalSelection string }
		Content          wikiPage
		URL, Excerpt     string
		Space            struct{ Key string }
	}
	TotalSize int
	Links     struct{ Next, Prev string } `json:"_links"`
}

func (l wikiList) titles() []string {
	titles := []string{}
	for _, r := range l.Results {
		titles = append(titles, r.Title)
	}
	return titles
}

func TestListSpaces(t *testing.T) {
	o := open(t)
	for _, test := range []struct {
		account string
		args    args
		want    string
	}{
		{ada, nil, "[ENG TEAM HR]"},
		{ben, nil, "[ENG TEAM]"},
		{ben, args{"keys": "ENG"}, "[ENG]"},
		{ben, args{"keys": []string{"eng", "HR"}}, "[ENG]"},
		{ben, args{"ids": []int{98306, 98307}}, "[TEAM]"},
		{ada, args{"sort": "-key"}, "[TEAM HR ENG]"},
		{ada, args{"type": "collaboration"}, "[TEAM]"},
		{ada, args{"status": "archived"}, "[]"},
		{ada, args{"labels": "engineering"}, "[ENG]"},
		{ada, args{"favoritedBy": ben}, "[ENG]"},
		{ada, args{"limit": 1}, "[ENG]"},
		{ben, args{"cloudId": "https://acme-labs.atlassian.net"}, "[LABS]"},
	} {
		var list wikiList
		wiki(t, o, test.account, "getConfluenceSpaces", test.args, &list)
		keys := []string{}
		for _, s := range list.Results {
			keys = append(keys, s.Key)
		}
		if fmt.Sprint(keys) != test.want {
			t.Errorf("getConfluenceSpaces(%v) = %v, want %s", test.args, keys, test.want)
		}
	}
	out := wikiOutcome(t, o, ada, View{}, "getConfluenceSpaces", args{"descriptionFormat": "plain", "includeIcon": true, "keys": "ENG"})
	if !strings.Contains(out.Text, `"plain":{"representation":"plain","value":"Plans, runbooks`) || !strings.Contains(out.Text, `"icon":{`) {
		t.Errorf("a space is %s", out.Text)
	}
}

func TestGetPage(t *testing.T) {
	o := open(t)
	var p wikiPage
	wiki(t, o, ben, "getConfluencePage", args{"pageId": "65601"}, &p)
	if p.ID != "65601" || p.Title != "Q2 Planning" || p.SpaceID != "98305" || p.ParentID != "65537" || p.Version.Number != 4 || p.Status != "current" {
		t.Errorf("Q2 Planning is %+v", p)
	}
	for _, want := range []string{"## Goals", "## Risks", "| Alpha 2.0 for everybody | 2026-06-30 | Ada Marsh | at risk |", "within two minutes.**"} {
		if !strings.Contains(p.Body, want) {
			t.Errorf("Q2 Planning doesn't say %q but\n%s", want, p.Body)
		}
	}
	var again wikiPage
	wiki(t, o, ben, "getConfluencePage", args{"pageId": strings.TrimPrefix(p.Links.Tinyui, "/x/")}, &again)
	if again.Body != p.Body || p.Links.Tinyui != "/x/QQAB" {
		t.Errorf("by its short link %s there is %q", p.Links.Tinyui, again.Title)
	}
	for _, id := range []string{"1", "x", "-65601", "", "99999999999999999999", "65642"} {
		wikiFails(t, o, ben, "getConfluencePage", args{"pageId": id}, "Cannot find [page] entity with id ["+id+"]")
	}
	wiki(t, o, ada, "getConfluencePage", args{"pageId": "65642"}, &p)

	out := wikiOutcome(t, o, ben, View{HugePage: func() int { return 1 << 20 }}, "getConfluencePage", args{"pageId": "65604"})
	if err := json.Unmarshal([]byte(out.Text), &p); err != nil || len(p.Body) < 1<<20 || len(p.Body) > 1<<20+1000 || !strings.Contains(p.Body, "gwctl upstreams") {
		t.Errorf("a huge page has %d bytes (%v)", len(p.Body), err)
	}
}

// The pages of the seed are told as they are written there.
func TestSeedPages(t *testing.T) {
	o := open(t)
	text, err := seeds.ReadFile("seed/confluence.json")
	if err != nil {
		t.Fatal(err)
	}
	var sites map[string]struct {
		Pages []struct {
			ID   int
			Body []string
		}
	}
	if err := json.Unmarshal(text, &sites); err != nil {
		t.Fatal(err)
	}
	for _, p := range sites["acme"].Pages {
		var got wikiPage
		wiki(t, o, ada, "getConfluencePage", args{"pageId": strconv.Itoa(p.ID)}, &got)
		want, got2 := adfText(markdownToADF(strings.Join(p.Body, "\n"))), adfText(markdownToADF(got.Body))
		if want != got2 || want == "" || strings.Contains(want, "**") || strings.Contains(want, "<custom") {
			t.Errorf("page %d says\n%s\ninstead of\n%s", p.ID, got2, want)
		}
	}
}

func TestPagesInSpace(t *testing.T) {
	o := open(t)
	for _, test := range []struct {
		args args
		want string
	}{
		{args{"title": "release plan"}, "[Release Plan]"},
		{args{"status": "archived"}, "[Roadmap 2024]"},
		{args{"depth": "root"}, "[Engineering]"},
		{args{"sort": "-modified-date", "limit": 2}, "[Q2 Planning Incident 2026-06-11: slow sign-in]"},
		{args{"sort": "title", "limit": 1}, "[ADR 7: Sessions are cached in the gateway]"},
		{args{"subtype": "live"}, "[]"},
	} {
		test.args["spaceId"] = "98305"
		var list wikiList
		wiki(t, o, ben, "getPagesInConfluenceSpace", test.args, &list)
		if got := fmt.Sprint(list.titles()); got != test.want {
			t.Errorf("getPagesInConfluenceSpace(%v) = %v, want %s", test.args, got, test.want)
		}
	}
	wikiFails(t, o, ben, "getPagesInConfluenceSpace", args{"spaceId": "98307"}, "Cannot find [space] entity with id [98307]")
	wikiFails(t, o, ben, "getPagesInConfluenceSpace", args{"spaceId": "98305", "cursor": "?"}, "Invalid cursor")

	var titles []string
	next, batches := "", 0
	for {
		a := args{"spaceId": "98305", "limit": 6}
		if next != "" {
			a["cursor"] = next
		}
		var list wikiList
		wiki(t, o, ben, "getPagesInConfluenceSpace", a, &list)
		titles = append(titles, list.titles()...)
		batches++
		if next = list.Links.Next; next == "" || batches > 5 {
			break
		}
	}
	slices.Sort(titles)
	if all := len(titles); batches != 3 || all != 15 || len(slices.Compact(titles)) != all {
		t.Errorf("in %d batches there were %d pages: %q", batches, all, titles)
	}
}

func TestDescendants(t *testing.T) {
	o := open(t)
	var list wikiList
	wiki(t, o, ben, "getConfluencePageDescendants", args{"pageId": "65601"}, &list)
	if got := fmt.Sprint(list.titles()); got != "[Release Plan Onboarding notes Load test June 2026 Release notes Alpha 1.9]" || list.Results[3].Depth != 2 {
		t.Errorf("below Q2 Planning there are %s", got)
	}
	wiki(t, o, ben, "getConfluencePageDescendants", args{"pageId": "65601", "depth": 1, "limit": 1}, &list)
	if got := fmt.Sprint(list.titles()); got != "[Release Plan]" || list.Links.Next == "" {
		t.Errorf("the first page below Q2 Planning is %s", got)
	}
	wikiFails(t, o, ben, "getConfluencePageDescendants", args{"pageId": "65641"}, "Cannot find [page]")
}

func TestCreatePage(t *testing.T) {
	o := open(t)
	var p wikiPage
	wiki(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "title": "Team Goals Q3", "body": "# Goals\n\n- gift cards\n- **one** page a week"}, &p)
	if p.Title != "Team Goals Q3" || p.ParentID != "65631" || p.Version.Number != 1 || p.AuthorID != ben || p.Body != "# Goals\n\n- gift cards\n- **one** page a week" {
		t.Errorf("the new page is %+v", p)
	}
	var list wikiList
	wiki(t, o, chen, "searchConfluenceUsingCql", args{"cql": `title = "Team Goals Q3" AND creator = "` + ben + `"`}, &list)
	if len(list.Results) != 1 || list.Results[0].Content.ID != p.ID {
		t.Errorf("searching finds %+v", list.Results)
	}
	wikiFails(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "title": "team goals q3", "body": "x"}, "already exists with the same TITLE")
	wikiFails(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "body": "x"}, "Title is required")
	wikiFails(t, o, ben, "createConfluencePage", args{"spaceId": "98307", "title": "x", "body": "x"}, "Cannot find [space]")
	wikiFails(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "title": "x", "body": "x", "parentId": "65601"}, "not in the same space")
	wikiFails(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "title": "x", "body": "x", "parentId": "65641"}, "Cannot find [page]")

	var private, below wikiPage
	wiki(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "title": "Mine", "body": "quokka", "isPrivate": true, "subtype": "live"}, &private)
	wiki(t, o, ben, "createConfluencePage", args{"spaceId": "98306", "title": "Below", "body": "quokka", "parentId": private.ID}, &below)
	if private.Subtype != "live" || below.ParentID != private.ID {
		t.Errorf("private is %+v, below is %+v", private, below)
	}
	for account, want := range map[string]int{ben: 2, ada: 0} {
		wiki(t, o, account, "searchConfluenceUsingCql", args{"cql": `text ~ quokka`}, &list)
		if len(list.Results) != want {
			t.Errorf("%s finds %v", account, list.titles())
		}
	}
	wikiFails(t, o, ada, "getConfluencePage", args{"pageId": below.ID}, "Cannot find [page]")
}

func TestUpdatePage(t *testing.T) {
	o := open(t)
	var before, p wikiPage
	wiki(t, o, ben, "getConfluencePage", args{"pageId": "65632"}, &before)
	wiki(t, o, ben, "updateConfluencePage", args{"pageId": "65632", "body": "later", "status": "draft"}, &p)
	if p.Status != "draft" || p.Body != "later" {
		t.Errorf("the draft is %+v", p)
	}
	wiki(t, o, ben, "getConfluencePage", args{"pageId": "65632"}, &p)
	if p.Body != before.Body || p.Version.Number != 2 {
		t.Errorf("after a draft the page is %+v", p)
	}
	wiki(t, o, ben, "updateConfluencePage", args{"pageId": "65632", "body": "new", "title": "Goals", "versionMessage": "shorter", "parentId": "65634"}, nil)
	wiki(t, o, chen, "getConfluencePage", args{"pageId": "65632"}, &p)
	if p.Body != "new" || p.Title != "Goals" || p.ParentID != "65634" || p.Version.Number != 3 || p.Version.Message != "shorter" || p.Version.AuthorID != ben || p.AuthorID != ada {
		t.Errorf("the page is %+v", p)
	}
	wikiFails(t, o, ben, "updateConfluencePage", args{"pageId": "65632", "body": "x", "title": "Vacations summer 2026"}, "same TITLE")
	wikiFails(t, o, ben, "updateConfluencePage", args{"pageId": "65634", "body": "x", "parentId": "65632"}, "cannot be moved under itself")
	wikiFails(t, o, ben, "updateConfluencePage", args{"pageId": "65642", "body": "x"}, "Cannot find [page]")

	wiki(t, o, ben, "updateConfluencePage", args{"pageId": "65634", "body": "x", "spaceId": "98305"}, &p)
	if p.SpaceID != "98305" || p.ParentID != "65537" {
		t.Errorf("the page moved to %+v", p)
	}
	if wiki(t, o, ben, "getConfluencePage", args{"pageId": "65632"}, &p); p.SpaceID != "98305" {
		t.Error("what was under the page has stayed")
	}
}

// Three tickets become part of a release when its page names them.
func TestLinkTickets(t *testing.T) {
	o := open(t)
	var found struct{ Issues []struct{ Key string } }
	wiki(t, o, ben, "searchJiraIssuesUsingJql", args{"jql": "project = ALPHA ORDER BY key ASC", "maxResults": 3}, &found)
	if len(found.Issues) != 3 {
		t.Fatalf("Project Alpha has %v", found.Issues)
	}
	var p wikiPage
	wiki(t, o, ben, "getConfluencePage", args{"pageId": "65602"}, &p)
	body := p.Body + "\n"
	for _, i := range found.Issues {
		body += "\n- https://acme.atlassian.net/browse/" + i.Key
	}
	wiki(t, o, ben, "updateConfluencePage", args{"pageId": "65602", "body": body}, &p)
	for _, i := range found.Issues {
		out := wikiOutcome(t, o, ben, View{}, "getJiraIssueRemoteIssueLinks", args{"issueIdOrKey": i.Key})
		if strings.Count(out.Text, "/pages/65602/Release+Plan") != 1 {
			t.Errorf("%s has the links %s", i.Key, out.Text)
		}
		if !strings.Contains(p.Body, "/browse/"+i.Key) {
			t.Errorf("the page says\n%s", p.Body)
		}
	}
}

func TestTinyID(t *testing.T) {
	for id, tiny := range map[int]string{1194950668: "DIA5Rw", 7: "Bw", 65601: "QQAB", 64702: "vvw"} {
		if got := tinyID(id); got != tiny || pageID(tiny) != id {
			t.Errorf("tinyID(%d) = %q and back %d, want %q", id, got, pageID(tiny), tiny)
		}
	}
}

package rovo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCallErrors(t *testing.T) {
	o := open(t)
	const notUp = `{"error":true,"message":"We are having trouble completing this action. Please try again shortly."}`
	tenant := func(id string) string {
		return `{"error":true,"message":"Failed to fetch tenant info for cloud ID: ` + id + `. Status: 404"}`
	}
	for _, tt := range []struct {
		what          string
		caller        Caller
		tool, args    string
		text, invalid string
	}{
		{"an unknown tool", Caller{Account: ada}, "getEverything", `{}`, "", "Tool getEverything not found"},
		{"a tool for tokens", Caller{Account: ada}, "getJsmOpsAlerts", `{}`, "", "Tool getJsmOpsAlerts not found"},
		{"a tool for browsers", Caller{Account: ada, Via: APIToken}, "getCompassComponentTypes", `{}`, "", "Tool getCompassComponentTypes not found"},
		{"an unscoped token", Caller{Account: ada, Via: UnscopedToken}, "getJiraIssue", `{}`, "", "Tool getJiraIssue not found"},
		{"no cloud ID", Caller{Account: ada}, "getConfluenceSpaces", ``, "", `Invalid arguments for tool getConfluenceSpaces: ` +
			`[{"code":"invalid_type","expected":"string","received":"undefined","path":["cloudId"],"message":"Required"}]`},
		{"no such site", Caller{Account: ada}, "getConfluenceSpaces", `{"cloudId":"nowhere.atlassian.net"}`, tenant("nowhere.atlassian.net"), ""},
		{"somebody else's site", Caller{Account: dana}, "getCompassComponents", `{"cloudId":"` + labsID + `"}`, tenant(labsID), ""},
		{"a site that was not chosen", Caller{Account: ada, Sites: []string{labsID}}, "getCompassComponents", `{"cloudId":"` + acmeID + `"}`, tenant(acmeID), ""},
		{"a product that was not chosen", Caller{Account: ada, Products: []string{"jira"}}, "getConfluenceSpaces", `{"cloudId":"` + acmeID + `"}`, notUp, ""},
		{"a product that the site lacks", Caller{Account: ada, Via: APIToken}, "getJsmOpsAlerts", `{"cloudId":"` + labsID + `"}`, notUp, ""},
		{"nobody", Caller{Account: "712020:gone"}, "atlassianUserInfo", `{}`,
			`{"error":true,"message":"Authentication failed: {\"code\":401,\"message\":\"Unauthorized\"}"}`, ""},
		{"not an ARI", Caller{Account: ada}, "fetch", `{"id":"ALPHA-1"}`, `{"error":true,"message":"Invalid ARI format: ALPHA-1"}`, ""},
		{"no component", Caller{Account: ada}, "getCompassComponent", `{"cloudId":"` + acmeID + `","componentId":"nothing"}`,
			`{"error":true,"message":"Component \"nothing\" not found","statusCode":404}`, ""},
	} {
		got := o.Call(tt.caller, View{}, tt.tool, json.RawMessage(tt.args))
		if got.Text != tt.text || got.Invalid != tt.invalid || got.IsError != (tt.text != "") || got.Structured != nil {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
}

func TestCloudID(t *testing.T) {
	o := open(t)
	for _, id := range []string{
		acmeID, strings.ToUpper(acmeID), "acme.atlassian.net", "https://acme.atlassian.net", "https://acme.atlassian.net/",
		"https://ACME.atlassian.net/wiki/spaces/ENG",
	} {
		play(t, o, Caller{Account: dana}, View{}, "getCompassComponents", object{"cloudId": id}, nil)
	}
}

func TestUserInfo(t *testing.T) {
	var got struct {
		ID      string `json:"account_id"`
		Email   string
		Zone    string `json:"zoneinfo"`
		Profile object `json:"extended_profile"`
	}
	play(t, open(t), Caller{Account: ben}, View{}, "atlassianUserInfo", nil, &got)
	if got.ID != ben || got.Email != "ben@acme.example" || got.Zone != "Africa/Lagos" || got.Profile["job_title"] != "Software engineer" {
		t.Errorf("user: %+v", got)
	}
}

func TestResources(t *testing.T) {
	type resource struct {
		ID, Name string
		Scopes   []string
	}
	for _, tt := range []struct {
		caller Caller
		want   []string // site and first scope
	}{
		{Caller{Account: dana}, []string{"acme read:jira-work", "acme search:confluence", "acme read:component:compass"}},
		{Caller{Account: dana, Via: APIToken}, []string{"acme read:jira-work", "acme search:confluence"}},
		{Caller{Account: dana, Products: []string{"confluence"}}, []string{"acme search:confluence"}},
		{Caller{Account: ada, Products: []string{"jira"}}, []string{"acme read:jira-work", "acme-labs read:jira-work"}},
		{Caller{Account: ada, Products: []string{"jira"}, Sites: []string{labsID}}, []string{"acme-labs read:jira-work"}},
		{Caller{Account: dana, Sites: []string{labsID}}, nil},
	} {
		var found []resource
		play(t, open(t), tt.caller, View{}, "getAccessibleAtlassianResources", nil, &found)
		var got []string
		for _, r := range found {
			got = append(got, r.Name+" "+r.Scopes[0])
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.caller, got, tt.want)
		}
	}
}

type searchResult struct {
	Results  []hit
	Metadata struct{ CloudID, SearchScope string }
}

func TestSearchAndFetch(t *testing.T) {
	o := open(t)
	var found searchResult
	play(t, o, Caller{Account: ben}, View{}, "search", object{"query": "Q2 planning"}, &found)
	if len(found.Results) == 0 || found.Results[0].Title != "Q2 Planning" || found.Metadata.CloudID != acmeID || found.Metadata.SearchScope != "generic" {
		t.Fatalf("found %+v", found)
	}
	var page struct{ ID, Title string }
	play(t, o, Caller{Account: ben}, View{}, "fetch", object{"id": found.Results[0].ID}, &page)
	if page.ID != "65601" || page.Title != "Q2 Planning" {
		t.Errorf("page: %+v", page)
	}

	for _, title := range []string{"Release Plan", "Onboarding notes", "api-gateway runbook"} { // what has all the words comes first
		var found searchResult
		play(t, o, Caller{Account: ben}, View{}, "search", object{"query": "where is the " + title + "?"}, &found)
		if len(found.Results) < 2 || found.Results[0].Title != title {
			t.Errorf("looking for %q finds %+v", title, found.Results)
		}
	}

	var issues searchResult
	play(t, o, Caller{Account: ben, Products: []string{"jira"}}, View{}, "search", object{"query": "login bug error"}, &issues)
	for _, h := range issues.Results {
		if h.Type != "issue" {
			t.Errorf("without Confluence there is %+v", h)
		}
	}
	if len(issues.Results) == 0 {
		t.Fatal("no issues")
	}
	var issue struct{ Key string }
	play(t, o, Caller{Account: ben}, View{}, "fetch", object{"id": issues.Results[0].ID}, &issue)
	if !strings.HasPrefix(issues.Results[0].Title, issue.Key+": ") {
		t.Errorf("%+v is %+v", issues.Results[0], issue)
	}

	for _, query := range []string{"", "??", `quoted "words" \ and -- more`} {
		play(t, o, Caller{Account: ben}, View{}, "search", object{"query": query}, nil)
	}
}

// TestHidden looks for what only Ada may see.
func TestHidden(t *testing.T) {
	o := open(t)
	for _, tt := range []struct {
		account string
		sees    bool
	}{{ada, true}, {ben, false}} {
		var found searchResult
		play(t, o, Caller{Account: tt.account}, View{}, "search", object{"query": "salary"}, &found)
		seen := slices.ContainsFunc(found.Results, func(h hit) bool { return strings.Contains(strings.ToLower(h.Title+h.Text), "salar") })
		if seen != tt.sees {
			t.Errorf("%s finds %+v", tt.account, found.Results)
		}
		if hasSalaries := strings.Contains(o.Call(Caller{Account: tt.account}, View{}, "getCompassComponent",
			json.RawMessage(`{"cloudId":"`+acmeID+`","componentId":"identity-service"}`)).Text, "salary-reports"); hasSalaries != tt.sees {
			t.Errorf("%s: salary-reports depends on identity-service: %v", tt.account, hasSalaries)
		}
	}
}

// TestPanic has a tool panic when it has changed half of a page.
func TestPanic(t *testing.T) {
	o := open(t)
	before := o.Data()
	o.Now = func() time.Time { panic("the clock is broken") }
	func() {
		defer func() {
			if cause := recover(); cause != "the clock is broken" {
				t.Errorf("panic: %v", cause)
			}
		}()
		wiki(t, o, ada, "updateConfluencePage", args{"pageId": "65602", "title": "Half", "body": "half"}, nil)
	}()
	o.Now = nil
	if !bytes.Equal(o.Data(), before) {
		t.Error("half a change has remained")
	}
}

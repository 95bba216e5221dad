package rovo

import (
	"encoding/json"
	"slices"
	"testing"
)

type graphResult struct {
	Object  graphNode
	Related []relatedNode
}

func (r graphResult) has(relationship, title string) bool {
	return slices.ContainsFunc(r.Related, func(n relatedNode) bool { return n.Relationship == relationship && n.Object.Title == title })
}

func TestGraph(t *testing.T) {
	o, who := open(t), Caller{Account: ben}
	const gateway = "https://acme.atlassian.net/compass/component/c0a80001-1b2c-4d3e-8f4a-5b6c7d8e9f01"
	var got graphResult
	play(t, o, who, View{}, "getTeamworkGraphContext", atAcme(object{"object": gateway}), &got)
	if got.Object.Title != "api-gateway" || !got.has("depends_on", "identity-service") || !got.has("inverse of depends_on", "web-shop") ||
		!got.has("links to", "api-gateway runbook") {
		t.Errorf("context: %+v", got)
	}

	play(t, o, who, View{}, "addTeamworkGraphContext", atAcme(object{
		"from": "https://acme.atlassian.net/wiki/spaces/ENG/pages/65604", "to": "https://acme.atlassian.net/browse/ALPHA-1", "relationship": "is about"}), nil)
	var page, issue graphResult
	play(t, o, who, View{V2: true}, "getGraphContext", atAcme(object{"object": "ari:cloud:confluence:" + acmeID + ":page/65604"}), &page)
	play(t, o, who, View{V2: true}, "getGraphContext", atAcme(object{"object": "ALPHA-1"}), &issue)
	if !page.has("is about", issue.Object.Title) || !issue.has("inverse of is about", "api-gateway runbook") {
		t.Errorf("added, but the page has %+v and the issue %+v", page, issue)
	}

	var objects struct{ Objects []graphNode }
	play(t, o, who, View{}, "getTeamworkGraphObject", atAcme(object{"objects": []string{issue.Object.ID, issue.Object.URL}}), &objects)
	if len(objects.Objects) != 2 || objects.Objects[0] != issue.Object || objects.Objects[1] != issue.Object {
		t.Errorf("objects: %+v", objects)
	}
	for _, ref := range []string{
		"https://elsewhere.example/browse/ALPHA-1", "ALPHA-99999", "ari:cloud:jira:nowhere:issue/1", "ari:cloud:townsquare:" + acmeID + ":goal/1", "%zz",
	} {
		if out := o.Call(who, View{}, "getTeamworkGraphObject", json.RawMessage(compactJSON(atAcme(object{"objects": []string{ref}})))); !out.IsError {
			t.Errorf("%q is %s", ref, out.Text)
		}
	}
}

package rovo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCompassPages(t *testing.T) {
	o := open(t)
	for i := range 30 {
		addComponent(t, o, fmt.Sprintf("worker-%02d", i))
	}
	var names []string
	args := object{"cloudId": acmeID, "query": "worker-", "first": 13}
	for range 5 {
		var got struct {
			Components []componentNode
			TotalCount int
			PageInfo   struct {
				HasNextPage bool
				EndCursor   string
			}
		}
		play(t, o, Caller{Account: ada}, View{}, "getCompassComponents", args, &got)
		for _, c := range got.Components {
			names = append(names, c.Name)
		}
		if got.TotalCount != 30 {
			t.Errorf("%d components in all", got.TotalCount)
		}
		if args["after"] = got.PageInfo.EndCursor; !got.PageInfo.HasNextPage {
			break
		}
	}
	if len(names) != 30 || !slices.IsSorted(names) {
		t.Errorf("components: %q", names)
	}
	args["after"] = "nonsense"
	if out := o.Call(Caller{Account: ada}, View{}, "getCompassComponents", json.RawMessage(compactJSON(args))); !out.IsError {
		t.Errorf("a wrong cursor gives %s", out.Text)
	}
}

func TestCompassRefusals(t *testing.T) {
	o := open(t)
	before := string(o.Data())
	for _, tt := range []struct{ tool, args, want string }{
		{"createCompassComponent", `"name":"api-gateway","typeId":"SERVICE"`, `A component named \"api-gateway\" already exists`},
		{"createCompassComponent", `"name":" ","typeId":"SERVICE"`, `A component needs a name`},
		{"createCompassComponent", `"name":"x","typeId":"SERVICE","ownerId":"Nobody"`, `Team \"Nobody\" not found`},
		{"createCompassComponent", `"name":"x","typeId":"SERVICE","customFields":[{"definitionId":"Data classification","value":"Secret"}]`, `Invalid value for custom field`},
		{"createCompassComponentRelationship", `"sourceComponentId":"web-shop","targetComponentId":"web-shop","relationshipType":"DEPENDS_ON"`, `with itself`},
		{"createCompassComponentRelationship", `"sourceComponentId":"web-shop","targetComponentId":"api-gateway","relationshipType":"DEPENDS_ON"`, `already exists`},
		{"createCompassCustomFieldDefinition", `"name":"contact","type":"TEXT"`, `already exists`},
		{"createCompassCustomFieldDefinition", `"name":"Size","type":"SINGLE_SELECT"`, `Options go with`},
	} {
		out := o.Call(Caller{Account: ada}, View{}, tt.tool, json.RawMessage(`{"cloudId":"`+acmeID+`",`+tt.args+`}`))
		if !out.IsError || !strings.Contains(out.Text, tt.want) {
			t.Errorf("%s %s: %+v", tt.tool, tt.args, out)
		}
	}
	if string(o.Data()) != before {
		t.Error("something has changed")
	}
}

// TestCompassReads uses what the examples don't.
func TestCompassReads(t *testing.T) {
	o := open(t)
	var labels struct{ Labels []string }
	play(t, o, Caller{Account: ben}, View{}, "getCompassComponentLabels", object{"cloudId": acmeID, "componentId": "api-gateway"}, &labels)
	if !slices.Equal(labels.Labels, []string{"edge", "go", "on-call"}) {
		t.Errorf("labels: %q", labels.Labels)
	}
	var all struct{ Labels []string }
	play(t, o, Caller{Account: ben}, View{}, "getCompassComponentLabels", object{"cloudId": acmeID}, &all)
	if slices.Contains(all.Labels, "python") { // that of a component that only Ada sees
		t.Errorf("all labels: %q", all.Labels)
	}
	var events struct{ Events []ActivityEvent }
	play(t, o, Caller{Account: ben}, View{}, "getCompassComponentActivityEvents", object{"cloudId": acmeID, "componentId": "api-gateway"}, &events)
	if len(events.Events) != 3 || events.Events[0].Type != "BUILD" {
		t.Errorf("events: %+v", events.Events)
	}
	var mine struct{ Components []componentNode }
	play(t, o, Caller{Account: ben}, View{}, "getCompassComponentsOwnedByMyTeams", object{"cloudId": acmeID}, &mine)
	if len(mine.Components) != 2 || mine.Components[0].OwnerName != "Platform" {
		t.Errorf("Ben's teams own %+v", mine.Components)
	}
	var types struct{ ComponentTypes []struct{ ID string } }
	play(t, o, Caller{Account: ben}, View{}, "getCompassComponentTypes", object{"cloudId": acmeID}, &types)
	if len(types.ComponentTypes) != 10 {
		t.Errorf("types: %+v", types)
	}
}

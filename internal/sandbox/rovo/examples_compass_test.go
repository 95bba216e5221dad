package rovo

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Compass is in the first generation only.

func compassAgent(t *testing.T) agent { return agent{t, open(t), View{}} }

// "Create a service component based on the current repository."
func TestExampleCreateServiceComponent(t *testing.T) {
	a := compassAgent(t)
	var created struct{ Component componentNode }
	a.use("createCompassComponent", object{
		"name": "mailer", "typeId": "SERVICE", "description": "Sends mail", "ownerId": "Platform", "labels": []string{"go"},
		"links": []object{{"type": "REPOSITORY", "name": "acme/mailer", "url": "https://bitbucket.org/acme/mailer"}},
	}, &created)
	var got struct{ Component componentNode }
	a.use("getCompassComponent", object{"componentId": created.Component.ID}, &got)
	c := got.Component
	if c.Name != "mailer" || c.TypeID != "SERVICE" || len(c.Links) != 1 ||
		c.Links[0].URL != "https://bitbucket.org/acme/mailer" || !slices.Equal(c.Labels, []string{"go"}) {
		t.Errorf("component: %+v", c)
	}
}

// "Import components and custom fields from this CSV/JSON." An agent calls the tool once for each row.
func TestExampleBulkImport(t *testing.T) {
	const fields = `[
		{"name": "Language", "type": "TEXT"},
		{"name": "Cost centre", "type": "NUMBER", "description": "As the books have it"},
		{"name": "Region", "type": "MULTI_SELECT", "options": ["eu", "us", "ap"]}
	]`
	const components = `name,type,language,cost centre,region
stock-service,SERVICE,Go,4711,eu us
price-service,SERVICE,Java,4712,eu
price-rules,LIBRARY,Java,4712,
shop-assets,CLOUD_RESOURCE,,4713,eu us ap
`
	a := compassAgent(t)
	var rows []object
	if err := json.Unmarshal([]byte(fields), &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		a.use("createCompassCustomFieldDefinition", row, nil)
	}
	var defined struct {
		CustomFieldDefinitions []struct{ ID, Name, Type string }
	}
	a.use("getCompassCustomFieldDefinitions", nil, &defined)
	ids := map[string]string{}
	for _, d := range defined.CustomFieldDefinitions {
		ids[d.Name] = d.ID
	}

	table, err := csv.NewReader(strings.NewReader(components)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table[1:] {
		cost, err := strconv.Atoi(row[3])
		if err != nil {
			t.Fatal(err)
		}
		a.use("createCompassComponent", object{"name": row[0], "typeId": row[1], "customFields": []object{
			{"definitionId": ids["Language"], "value": row[2]},
			{"definitionId": ids["Cost centre"], "value": cost},
			{"definitionId": ids["Region"], "value": strings.Fields(row[4])},
		}}, nil)
	}
	var found struct{ Components []componentNode }
	a.use("getCompassComponents", object{"query": "price-"}, &found)
	if len(found.Components) != 2 {
		t.Fatalf("found %+v", found)
	}
	a.use("getCompassComponents", object{"typeId": "CLOUD_RESOURCE"}, &found)
	values := map[string]string{}
	for _, v := range found.Components[0].Values {
		values[v.Name] = compactJSON(v.Value)
	}
	if values["Cost centre"] != "4713" || values["Region"] != `["eu","us","ap"]` {
		t.Errorf("values: %v", values)
	}
}

// "What depends on the `api-gateway` service?"
func TestExampleDependents(t *testing.T) {
	a := compassAgent(t)
	var found struct{ Components []componentNode }
	a.use("getCompassComponents", object{"query": "api-gateway", "typeId": "SERVICE"}, &found)
	if len(found.Components) != 1 {
		t.Fatalf("found %+v", found)
	}
	var got struct{ Component componentNode }
	a.use("getCompassComponent", object{"componentId": found.Components[0].ID}, &got)
	var dependents, dependencies []string
	for _, r := range got.Component.Relationships.Inward {
		dependents = append(dependents, r.Type+" "+r.Start.Name)
	}
	for _, r := range got.Component.Relationships.Outward {
		dependencies = append(dependencies, r.Type+" "+r.End.Name)
	}
	if !slices.Equal(dependents, []string{"DEPENDS_ON payments-service", "DEPENDS_ON web-shop"}) ||
		!slices.Equal(dependencies, []string{"DEPENDS_ON identity-service"}) {
		t.Errorf("%q depend on it, it depends on %q", dependents, dependencies)
	}

	a.use("createCompassComponent", object{"name": "mailer", "typeId": "SERVICE"}, nil)
	a.use("createCompassComponentRelationship", object{
		"sourceComponentId": "mailer", "targetComponentId": found.Components[0].ID, "relationshipType": "DEPENDS_ON",
	}, nil)
	a.use("getCompassComponent", object{"componentId": found.Components[0].ID}, &got)
	if n := len(got.Component.Relationships.Inward); n != 3 {
		t.Errorf("%d depend on it", n)
	}
}

// "Fetch the Confluence documentation page linked to this Compass component."
func TestExampleLinkedPage(t *testing.T) {
	a := compassAgent(t)
	var got struct{ Component componentNode }
	a.use("getCompassComponent", object{"componentId": "api-gateway"}, &got)
	for _, l := range got.Component.Links {
		if l.Type != "DOCUMENT" {
			continue
		}
		_, rest, _ := strings.Cut(l.URL, "/pages/")
		id, _, _ := strings.Cut(rest, "/")
		var page struct{ Title, Body string }
		a.use("getConfluencePage", object{"cloudId": l.URL, "pageId": id}, &page)
		if page.Title != "api-gateway runbook" || page.Body == "" {
			t.Errorf("page: %+v", page)
		}
		return
	}
	t.Errorf("no page is linked to %+v", got.Component)
}

package rovo

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Nobody has published the schemas and results of Compass' tools: these follow its GraphQL API.

func compassTools() []Tool {
	return bind("compass", map[string]func(*call) (any, error){
		"getCompassComponent":                (*call).compassComponent,
		"getCompassComponents":               (*call).compassComponents,
		"getCompassCustomFieldDefinitions":   (*call).compassFields,
		"createCompassComponent":             (*call).createComponent,
		"createCompassComponentRelationship": (*call).createRelationship,
		"createCompassCustomFieldDefinition": (*call).createField,
		"getCompassComponentActivityEvents":  (*call).compassEvents,
		"getCompassComponentLabels":          (*call).compassLabels,
		"getCompassComponentTypes":           (*call).compassTypes,
		"getCompassComponentsOwnedByMyTeams": (*call).compassOwned,
	})
}

type componentNode struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	TypeID      string        `json:"typeId"`
	Description string        `json:"description"`
	OwnerID     string        `json:"ownerId,omitempty"`
	OwnerName   string        `json:"ownerName,omitempty"`
	Lifecycle   string        `json:"lifecycle,omitempty"`
	Tier        string        `json:"tier,omitempty"`
	Labels      []string      `json:"labels"`
	Links       []CompassLink `json:"links"`
	Values      []fieldValue  `json:"customFields"`
	URL         string        `json:"url"`
	Created     time.Time     `json:"createdAt"`
	Updated     time.Time     `json:"updatedAt"`

	Relationships *relationshipNodes `json:"relationships,omitempty"`
}

type fieldValue struct {
	ID    string `json:"definitionId"`
	Name  string `json:"name,omitempty"`
	Value any    `json:"value"`
}

// relationshipNodes are a component's relationships, seen from it: outward is what it depends on, inward is what depends on it.
type relationshipNodes struct {
	Outward []relationshipNode `json:"outward"`
	Inward  []relationshipNode `json:"inward"`
}

type relationshipNode struct {
	Type      string       `json:"type"`
	Start     componentRef `json:"startNode"`
	End       componentRef `json:"endNode"`
	Direction string       `json:"direction"`
}

type componentRef struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	TypeID string `json:"typeId"`
}

func (c *call) componentNode(k *Component) componentNode {
	n := componentNode{
		ID: k.ID, Name: k.Name, TypeID: k.Type, Description: k.Description, OwnerID: k.Owner, Lifecycle: k.Lifecycle, Tier: k.Tier,
		Labels: append([]string{}, k.Labels...), Links: append([]CompassLink{}, k.Links...), Values: []fieldValue{},
		URL: c.site.URL + "/compass/component/" + k.ID[strings.LastIndex(k.ID, "/")+1:], Created: k.Created, Updated: k.Updated,
	}
	if team := c.org.team(k.Owner); team != nil {
		n.OwnerName = team.Name
	}
	for _, f := range c.site.Compass.Fields {
		if v, ok := k.Values[f.ID]; ok {
			n.Values = append(n.Values, fieldValue{f.ID, f.Name, v})
		}
	}
	return n
}

// theComponent returns the component that ref stands for.
func (c *call) theComponent(ref string) (*Component, error) {
	if k := c.site.Compass.component(c.person.Account, ref); k != nil {
		return k, nil
	}
	return nil, failf(404, "Component %q not found", ref)
}

func (c *call) compassComponent() (any, error) {
	var args struct{ ComponentID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	k, err := c.theComponent(args.ComponentID)
	if err != nil {
		return nil, err
	}
	node := c.componentNode(k)
	node.Relationships = &relationshipNodes{[]relationshipNode{}, []relationshipNode{}}
	for _, r := range c.site.Compass.Relationships {
		from, to := c.site.Compass.component(c.person.Account, r.From), c.site.Compass.component(c.person.Account, r.To)
		if from == nil || to == nil {
			continue
		}
		n := relationshipNode{Type: r.Type, Start: componentRef{from.ID, from.Name, from.Type}, End: componentRef{to.ID, to.Name, to.Type}}
		switch k {
		case from:
			n.Direction = "OUTWARD"
			node.Relationships.Outward = append(node.Relationships.Outward, n)
		case to:
			n.Direction = "INWARD"
			node.Relationships.Inward = append(node.Relationships.Inward, n)
		}
	}
	return object{"component": node}, nil
}

func (c *call) compassComponents() (any, error) {
	var args struct {
		Query, TypeID, OwnerID, After string
		Labels                        []string
		First                         int
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	var nodes []componentNode
	for _, k := range c.site.Compass.components(c.person.Account) {
		text := strings.ToLower(strings.Join(append([]string{k.Name, k.Description}, k.Labels...), "\n"))
		unlabelled := slices.ContainsFunc(args.Labels, func(l string) bool { return !slices.Contains(k.Labels, l) })
		if strings.Contains(text, strings.ToLower(args.Query)) && !unlabelled &&
			cmp.Or(args.TypeID, k.Type) == k.Type && cmp.Or(args.OwnerID, k.Owner) == k.Owner {
			nodes = append(nodes, c.componentNode(k))
		}
	}
	return page("components", nodes, args.First, args.After)
}

func (c *call) compassOwned() (any, error) {
	var args struct {
		First int
		After string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	var nodes []componentNode
	for _, k := range c.site.Compass.components(c.person.Account) {
		if team := c.org.team(k.Owner); team != nil && slices.Contains(team.Members, c.person.Account) {
			nodes = append(nodes, c.componentNode(k))
		}
	}
	return page("components", nodes, args.First, args.After)
}

// page returns a page of all as Compass' API does: the first of those after a cursor.
func page[T any](name string, all []T, first int, after string) (any, error) {
	start := 0
	if after != "" {
		text, _ := base64.StdEncoding.DecodeString(after)
		var err error
		if start, err = strconv.Atoi(string(text)); err != nil || start < 0 || start > len(all) {
			return nil, failf(400, "Invalid cursor: %s", after)
		}
	}
	end := min(len(all), start+cmp.Or(first, 25))
	info := object{"hasNextPage": end < len(all), "endCursor": nil}
	if end < len(all) {
		info["endCursor"] = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return object{name: append([]T{}, all[start:end]...), "pageInfo": info, "totalCount": len(all)}, nil
}

func (c *call) createComponent() (any, error) {
	var args struct {
		Name, TypeID, Description, OwnerID, Lifecycle, Tier string
		Labels                                              []string
		Links                                               []struct{ Type, Name, URL string }
		CustomFields                                        []struct {
			DefinitionID string
			Value        any
		}
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	compass := c.site.Compass
	if strings.TrimSpace(args.Name) == "" {
		return nil, failf(400, "A component needs a name")
	}
	if firstOf(compass.Components, func(k *Component) bool { return k.Name == args.Name }) != nil {
		return nil, failf(409, "A component named %q already exists", args.Name)
	}
	if args.OwnerID != "" && c.org.team(args.OwnerID) == nil {
		return nil, failf(404, "Team %q not found", args.OwnerID)
	}
	now := c.org.now()
	k := &Component{
		ID: c.ari("compass", "component"), Name: args.Name, Type: args.TypeID, Description: args.Description, Owner: args.OwnerID,
		Lifecycle: cmp.Or(args.Lifecycle, "Active"), Tier: args.Tier, Labels: args.Labels, Created: now, Updated: now,
	}
	for _, l := range args.Links {
		k.Links = append(k.Links, CompassLink{ID: strconv.Itoa(c.org.number()), Type: l.Type, Name: l.Name, URL: l.URL})
	}
	for _, v := range args.CustomFields {
		field := compass.field(v.DefinitionID)
		if field == nil || len(field.Components) > 0 && !slices.Contains(field.Components, k.Type) {
			return nil, failf(404, "Custom field definition %q not found", v.DefinitionID)
		}
		if !field.fits(v.Value) {
			return nil, failf(400, "Invalid value for custom field %q, which is a %s", field.Name, field.Type)
		}
		if k.Values == nil {
			k.Values = object{}
		}
		k.Values[field.ID] = v.Value
	}
	compass.Components = append(compass.Components, k)
	return object{"component": c.componentNode(k)}, nil
}

// ari returns an ARI for something new at the site.
func (c *call) ari(product, kind string) string {
	return fmt.Sprintf("ari:cloud:%s:%s:%s/%s/%s", product, c.site.ID, kind, uuid(c.site.ID, 0), uuid(c.site.ID, c.org.number()))
}

// uuid returns what looks like a UUID (version 8 of RFC 9562, section 5.8), the same each time for the same thing.
func uuid(where string, number int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", where, number))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (c *call) createRelationship() (any, error) {
	var args struct{ SourceComponentID, TargetComponentID, RelationshipType string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	from, err := c.theComponent(args.SourceComponentID)
	if err != nil {
		return nil, err
	}
	to, err := c.theComponent(args.TargetComponentID)
	if err != nil {
		return nil, err
	}
	r := Relationship{args.RelationshipType, from.ID, to.ID}
	switch {
	case from == to:
		return nil, failf(400, "A component can't have a relationship with itself")
	case slices.Contains(c.site.Compass.Relationships, r):
		return nil, failf(409, "The relationship already exists")
	}
	c.site.Compass.Relationships = append(c.site.Compass.Relationships, r)
	return object{"relationship": relationshipNode{
		Type: r.Type, Start: componentRef{from.ID, from.Name, from.Type}, End: componentRef{to.ID, to.Name, to.Type}, Direction: "OUTWARD",
	}}, nil
}

func (c *call) createField() (any, error) {
	var args struct {
		Name, Type, Description   string
		ComponentTypeIDs, Options []string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	compass := c.site.Compass
	if firstOf(compass.Fields, func(f *CustomField) bool { return strings.EqualFold(f.Name, args.Name) }) != nil {
		return nil, failf(409, "A custom field named %q already exists", args.Name)
	}
	if strings.HasSuffix(args.Type, "_SELECT") != (len(args.Options) > 0) {
		return nil, failf(400, "Options go with SINGLE_SELECT and MULTI_SELECT")
	}
	f := &CustomField{
		ID: c.ari("compass", "custom-field-definition"), Name: args.Name, Type: args.Type, Description: args.Description,
		Components: args.ComponentTypeIDs, Options: args.Options,
	}
	compass.Fields = append(compass.Fields, f)
	return object{"customFieldDefinition": fieldNode(f)}, nil
}

func fieldNode(f *CustomField) any {
	return object{
		"id": f.ID, "name": f.Name, "type": f.Type, "description": f.Description,
		"componentTypeIds": append([]string{}, f.Components...), "options": append([]string{}, f.Options...),
	}
}

func (c *call) compassFields() (any, error) {
	var args struct{ ComponentTypeID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	nodes := []any{}
	for _, f := range c.site.Compass.Fields {
		if args.ComponentTypeID == "" || len(f.Components) == 0 || slices.Contains(f.Components, args.ComponentTypeID) {
			nodes = append(nodes, fieldNode(f))
		}
	}
	return object{"customFieldDefinitions": nodes}, nil
}

func (c *call) compassEvents() (any, error) {
	var args struct {
		ComponentID, After string
		EventTypes         []string
		First              int
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	k, err := c.theComponent(args.ComponentID)
	if err != nil {
		return nil, err
	}
	var events []ActivityEvent
	for _, e := range c.site.Compass.Events {
		if e.Component == k.ID && (len(args.EventTypes) == 0 || slices.Contains(args.EventTypes, e.Type)) {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b ActivityEvent) int { return b.Time.Compare(a.Time) })
	return page("events", events, args.First, args.After)
}

func (c *call) compassLabels() (any, error) {
	var args struct{ ComponentID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	components := c.site.Compass.components(c.person.Account)
	if args.ComponentID != "" {
		k, err := c.theComponent(args.ComponentID)
		if err != nil {
			return nil, err
		}
		components = []*Component{k}
	}
	labels := []string{}
	for _, k := range components {
		labels = append(labels, k.Labels...)
	}
	slices.Sort(labels)
	return object{"labels": slices.Compact(labels)}, nil
}

func (c *call) compassTypes() (any, error) {
	nodes := []any{}
	for _, t := range componentTypes {
		nodes = append(nodes, object{"id": t.ID, "name": t.Name, "description": t.Description})
	}
	return object{"componentTypes": nodes}, nil
}

package rovo

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Compass is what Compass holds at a site. Times are in UTC.
type Compass struct {
	Components    []*Component    `json:"components"`
	Relationships []Relationship  `json:"relationships"`
	Fields        []*CustomField  `json:"fields"`
	Events        []ActivityEvent `json:"events"`
}

// A Component is a service, a library or another part of what an organization builds.
type Component struct {
	ID          string        `json:"id"` // an ARI
	Name        string        `json:"name"`
	Type        string        `json:"type"` // such as SERVICE
	Description string        `json:"description,omitempty"`
	Owner       string        `json:"owner,omitempty"` // ID of a Team
	Lifecycle   string        `json:"lifecycle,omitempty"`
	Tier        string        `json:"tier,omitempty"` // "1" is what the organization can't do without, "4" is the other end
	Labels      []string      `json:"labels,omitempty"`
	Links       []CompassLink `json:"links,omitempty"`
	Values      object        `json:"values,omitempty"` // of custom fields, by the field's ID
	Members     Audience      `json:"members,omitempty"`
	Created     time.Time     `json:"created"`
	Updated     time.Time     `json:"updated"`
}

// A CompassLink leads from a component to something elsewhere, such as its repository.
type CompassLink struct {
	ID   string `json:"id"`
	Type string `json:"type"` // such as DOCUMENT
	Name string `json:"name,omitempty"`
	URL  string `json:"url"`
}

// A Relationship says that the component From DEPENDS_ON, or is a CHILD_OF, the component To.
type Relationship struct {
	Type string `json:"type"`
	From string `json:"from"`
	To   string `json:"to"`
}

// A CustomField is something that an organization wants to know of its components.
type CustomField struct {
	ID          string   `json:"id"` // an ARI
	Name        string   `json:"name"`
	Type        string   `json:"type"` // TEXT, NUMBER, BOOLEAN, USER, SINGLE_SELECT or MULTI_SELECT
	Description string   `json:"description,omitempty"`
	Components  []string `json:"components,omitempty"` // types of components that have it; none means all
	Options     []string `json:"options,omitempty"`    // to select from
}

// An ActivityEvent is something that happened to a component.
type ActivityEvent struct {
	Component string    `json:"component"`
	Type      string    `json:"type"` // such as DEPLOYMENT
	Name      string    `json:"name"`
	State     string    `json:"state,omitempty"`
	URL       string    `json:"url,omitempty"`
	Time      time.Time `json:"time"`
}

// componentTypes are those that Compass has from the start.
var componentTypes = []struct{ ID, Name, Description string }{
	{"SERVICE", "Service", "Runs, and answers over an API"},
	{"LIBRARY", "Library", "Is built into others"},
	{"APPLICATION", "Application", "Is used by people"},
	{"CAPABILITY", "Capability", "Is what others together can do"},
	{"CLOUD_RESOURCE", "Cloud resource", "Is rented from a cloud"},
	{"DATA_PIPELINE", "Data pipeline", "Moves data, and changes it on the way"},
	{"MACHINE_LEARNING_MODEL", "Machine learning model", "Is trained"},
	{"UI_ELEMENT", "UI element", "Is a part of what people see"},
	{"WEBSITE", "Website", "Is read in a browser"},
	{"OTHER", "Other", "Is none of these"},
}

func (s *Site) plantCompass(text json.RawMessage, age time.Duration) error {
	if err := json.Unmarshal(text, &s.Compass); err != nil {
		return err
	}
	for _, c := range s.Compass.Components {
		c.Created, c.Updated = c.Created.Add(age), c.Updated.Add(age)
	}
	for i := range s.Compass.Events {
		s.Compass.Events[i].Time = s.Compass.Events[i].Time.Add(age)
	}
	return nil
}

// components returns those that the account may see.
func (k *Compass) components(account string) []*Component {
	return slices.DeleteFunc(slices.Clone(k.Components), func(c *Component) bool { return !c.Members.Has(account) })
}

// component returns the component with this ARI, or the last part of it, or this name; nil if the account sees none.
func (k *Compass) component(account, ref string) *Component {
	for _, c := range k.components(account) {
		if c.ID == ref || strings.HasSuffix(c.ID, "/"+ref) || c.Name == ref {
			return c
		}
	}
	return nil
}

func (k *Compass) field(ref string) *CustomField {
	return firstOf(k.Fields, func(f *CustomField) bool { return f.ID == ref || strings.HasSuffix(f.ID, "/"+ref) || f.Name == ref })
}

// fits reports whether v may be a value of the field.
func (f *CustomField) fits(v any) bool {
	selected := func(v any) bool {
		option, ok := v.(string)
		return ok && slices.Contains(f.Options, option)
	}
	switch f.Type {
	case "NUMBER":
		_, ok := v.(float64)
		return ok
	case "BOOLEAN":
		_, ok := v.(bool)
		return ok
	case "SINGLE_SELECT":
		return selected(v)
	case "MULTI_SELECT":
		options, ok := v.([]any)
		return ok && !slices.ContainsFunc(options, func(v any) bool { return !selected(v) })
	}
	_, ok := v.(string)
	return ok
}

package rovo

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// This file is Jira Service Management's operations: alerts, and who is to look at them. Nobody has published the schemas and results of its
// tools.

// JSM is what Jira Service Management's operations hold at a site.
type JSM struct {
	Alerts    []*Alert    `json:"alerts"`
	Schedules []*Schedule `json:"schedules"`
}

// An Alert says that something is wrong.
type Alert struct {
	ID       string      `json:"id"`
	Alias    string      `json:"alias,omitempty"`
	Message  string      `json:"message"`
	Status   string      `json:"status"` // open or closed
	Acked    bool        `json:"acknowledged,omitempty"`
	Priority string      `json:"priority"`        // P1 is worst, P5 is least
	Team     string      `json:"team"`            // ID of who is to look at it
	Owner    string      `json:"owner,omitempty"` // account of who does
	Source   string      `json:"source,omitempty"`
	Tags     []string    `json:"tags,omitempty"`
	Log      []AlertNote `json:"log,omitempty"`
	Created  time.Time   `json:"createdAt"`
	Updated  time.Time   `json:"updatedAt"`
}

// An AlertNote is what somebody did about an alert.
type AlertNote struct {
	Time   time.Time `json:"time"`
	Person string    `json:"person"` // account
	Text   string    `json:"text"`
}

// A Schedule says who of a team is on call: each of its members for a week.
type Schedule struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Team     string   `json:"team"`
	TimeZone string   `json:"timezone"`
	Rotation []string `json:"rotation"` // accounts
}

// onCall returns who is on call at a time. Weeks begin on Thursdays, as the first of Unix' did.
func (s *Schedule) onCall(t time.Time) string {
	if len(s.Rotation) == 0 {
		return ""
	}
	return s.Rotation[int(t.Unix()/int64((7*24*time.Hour).Seconds()))%len(s.Rotation)]
}

func (s *Site) plantOperations(text json.RawMessage, age time.Duration) error {
	holds := struct {
		JSM       **JSM
		Bitbucket **Bitbucket
	}{&s.JSM, &s.Bitbucket}
	if err := json.Unmarshal(text, &holds); err != nil {
		return err
	}
	if s.JSM != nil {
		for _, a := range s.JSM.Alerts {
			a.Created, a.Updated = a.Created.Add(age), a.Updated.Add(age)
			for i := range a.Log {
				a.Log[i].Time = a.Log[i].Time.Add(age)
			}
		}
	}
	if s.Bitbucket != nil {
		s.Bitbucket.grow(age)
	}
	return nil
}

func operationsTools() []Tool {
	return bind("operations", map[string]func(*call) (any, error){
		"getJsmOpsAlerts":       (*call).alerts,
		"getJsmOpsScheduleInfo": (*call).scheduleInfo,
		"getJsmOpsTeamInfo":     (*call).teamInfo,
		"updateJsmOpsAlert":     (*call).updateAlert,
	})
}

// jsm returns the operations of the site of a call.
func (c *call) jsm() (*JSM, error) {
	if c.site.JSM == nil {
		return nil, failf(0, trouble)
	}
	return c.site.JSM, nil
}

func (j *JSM) alert(ref string) (*Alert, error) {
	if a := firstOf(j.Alerts, func(a *Alert) bool { return ref != "" && (a.ID == ref || a.Alias == ref) }); a != nil {
		return a, nil
	}
	return nil, failf(404, "Alert %q not found", ref)
}

func (c *call) alerts() (any, error) {
	var args struct {
		ID, Alias, Query, Status, Priority, Since, Until string
		Size                                             int
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	jsm, err := c.jsm()
	if err != nil {
		return nil, err
	}
	if ref := cmp.Or(args.ID, args.Alias); ref != "" {
		a, err := jsm.alert(ref)
		if err != nil {
			return nil, err
		}
		return object{"alert": a}, nil
	}
	since, err := moment(args.Since)
	if err != nil {
		return nil, err
	}
	until, err := moment(args.Until)
	if err != nil {
		return nil, err
	}
	found := []*Alert{}
	for _, a := range jsm.Alerts {
		text := strings.ToLower(strings.Join(append([]string{a.Message, a.Alias, a.Source}, a.Tags...), "\n"))
		if strings.Contains(text, strings.ToLower(args.Query)) && cmp.Or(args.Status, a.Status) == a.Status &&
			cmp.Or(args.Priority, a.Priority) == a.Priority && !a.Created.Before(since) && (until.IsZero() || a.Created.Before(until)) {
			found = append(found, a)
		}
	}
	slices.SortStableFunc(found, func(a, b *Alert) int { return b.Created.Compare(a.Created) })
	return object{"alerts": found[:min(len(found), cmp.Or(args.Size, 20))], "count": len(found)}, nil
}

// moment reads a time; "" is the zero time.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, failf(400, "Invalid time: %s", text)
	}
	return t, nil
}

func (c *call) updateAlert() (any, error) {
	var args struct{ ID, Action, Note, TeamID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	jsm, err := c.jsm()
	if err != nil {
		return nil, err
	}
	a, err := jsm.alert(args.ID)
	if err != nil {
		return nil, err
	}
	switch args.Action {
	case "acknowledge", "unacknowledge":
		if a.Status == "closed" {
			return nil, failf(422, "Alert %q is closed", args.ID)
		}
		a.Acked = args.Action == "acknowledge"
		if a.Owner = ""; a.Acked {
			a.Owner = c.person.Account
		}
	case "close":
		a.Status = "closed"
	case "escalate":
		team := c.org.team(args.TeamID)
		if args.TeamID == "" || team == nil {
			return nil, failf(404, "Team %q not found", args.TeamID)
		}
		a.Team, a.Acked, a.Owner = team.ID, false, ""
	}
	a.Updated = c.org.now()
	a.Log = append(a.Log, AlertNote{a.Updated, c.person.Account, strings.TrimSuffix(args.Action+": "+args.Note, ": ")})
	return object{"alert": a}, nil
}

// who returns how a person is shown.
func (c *call) who(account string) any {
	p := c.org.person(account)
	if p == nil {
		return nil
	}
	return object{"accountId": p.Account, "displayName": p.Name}
}

func (c *call) scheduleInfo() (any, error) {
	var args struct{ ScheduleID, View string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	jsm, err := c.jsm()
	if err != nil {
		return nil, err
	}
	if args.ScheduleID == "" {
		return object{"schedules": append([]*Schedule{}, jsm.Schedules...)}, nil
	}
	s := firstOf(jsm.Schedules, func(s *Schedule) bool { return s.ID == args.ScheduleID || s.Name == args.ScheduleID })
	if s == nil {
		return nil, failf(404, "Schedule %q not found", args.ScheduleID)
	}
	now := c.org.now()
	switch args.View {
	case "currentOnCall":
		return object{"schedule": s.Name, "onCall": c.who(s.onCall(now))}, nil
	case "nextOnCall":
		return object{"schedule": s.Name, "onCall": c.who(s.onCall(now.AddDate(0, 0, 7)))}, nil
	}
	return object{"schedule": s}, nil
}

func (c *call) teamInfo() (any, error) {
	var args struct{ TeamID string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	jsm, err := c.jsm()
	if err != nil {
		return nil, err
	}
	node := func(t *Team) any {
		members, schedules := []any{}, []string{}
		for _, account := range t.Members {
			members = append(members, c.who(account))
		}
		for _, s := range jsm.Schedules {
			if s.Team == t.ID {
				schedules = append(schedules, s.Name)
			}
		}
		return object{"id": t.ID, "name": t.Name, "members": members, "schedules": schedules}
	}
	if args.TeamID != "" {
		t := c.org.team(args.TeamID)
		if t == nil {
			return nil, failf(404, "Team %q not found", args.TeamID)
		}
		return object{"team": node(t)}, nil
	}
	teams := []any{}
	for _, t := range c.org.data.Teams {
		teams = append(teams, node(t))
	}
	return object{"teams": teams}, nil
}

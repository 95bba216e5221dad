package rovo

import (
	"encoding/json"
	"time"
)

// Jira is what Jira holds at a site.
type Jira struct{}

func (s *Site) plantJira(text json.RawMessage, age time.Duration) error {
	return json.Unmarshal(text, &s.Jira)
}

func jiraTools() []Tool { return nil }

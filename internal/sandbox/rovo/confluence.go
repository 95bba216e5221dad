package rovo

import (
	"encoding/json"
	"time"
)

// Confluence is what Confluence holds at a site.
type Confluence struct{}

func (s *Site) plantConfluence(text json.RawMessage, age time.Duration) error {
	return json.Unmarshal(text, &s.Confluence)
}

func confluenceTools() []Tool { return nil }

package rovo

import (
	"encoding/json"
	"time"
)

// JSM is what Jira Service Management's operations hold at a site.
type JSM struct{}

// Bitbucket is the workspace that belongs to a site.
type Bitbucket struct{}

func (s *Site) plantOperations(text json.RawMessage, age time.Duration) error { return nil }

func graphTools() []Tool      { return nil }
func operationsTools() []Tool { return nil }
func bitbucketTools() []Tool  { return nil }

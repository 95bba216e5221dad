package issuer

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"
)

// This file issues API tokens, which need no browser.

// tokenEndpoint is where Atlassian documents API tokens.
const tokenEndpoint = "/v1/mcp"

// An apiToken is a person's API token, or the API key of a service account.
type apiToken struct {
	Person
	id, kind string
	since    time.Time
}

func (k *apiToken) grant() *Grant { return &Grant{Account: k.Account, Via: k.kind, ID: k.id} }

// IssueAPIToken returns a new API token of an account. Its kind is "token" (scoped), "unscoped" (classic) or, for service accounts,
// "key"; the first two are sent as Basic with the person's email, the third as Bearer. It returns "" if the account is not known, or
// can't have that kind.
func (s *Server) IssueAPIToken(account, kind string) string {
	people := s.cfg.People()
	i := slices.IndexFunc(people, func(p Person) bool { return p.Account == account })
	prefix, ok := map[string]string{"token": "ATATT3", "unscoped": "ATATT3", "key": "ATSTT3"}[kind]
	if i < 0 || !ok || people[i].Service != (kind == "key") {
		return ""
	}
	secret := prefix + "-canary-" + rand.Text()
	s.mu.Lock()
	defer s.unlock()
	s.issued++
	s.keys[hash(secret)] = &apiToken{people[i], fmt.Sprintf("api-token-%d", s.issued), kind, s.now()}
	s.tell("grant", account, "", "API token ("+kind+")")
	return secret
}

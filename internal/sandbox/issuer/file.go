package issuer

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// This file keeps who is signed in where another server finds it: after a restart, which the clients of a real server don't notice. API tokens and
// pages that wait for consent are not kept.

// kept is the content of the file. Of tokens and codes it has digests alone, but the secrets of clients as they are.
type kept struct {
	Clients []keptClient          `json:"clients"`
	Grants  []keptGrant           `json:"grants"`
	Codes   map[string]keptCode   `json:"codes"`
	Access  map[string]keptAccess `json:"access"`
	Refresh map[string]int        `json:"refresh"` // index in Grants
}

type keptClient struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret,omitempty"`
	Name      string    `json:"name"`
	Method    string    `json:"method"`
	Redirects []string  `json:"redirects"`
	Server    string    `json:"server"`
	Since     time.Time `json:"since"`
}

type keptGrant struct {
	Grant
	Server         string    `json:"server"`
	ClientID       string    `json:"clientID"`
	Resource       string    `json:"resource"`
	Since          time.Time `json:"since"`
	Expires        time.Time `json:"expires"`
	Offline        bool      `json:"offline"`
	Revoked        bool      `json:"revoked"`
	Live           bool      `json:"live"` // in force
	Refresh        string    `json:"refresh"`
	Previous       string    `json:"previous"`
	RefreshExpires time.Time `json:"refreshExpires"`
}

type keptCode struct {
	Grant     int       `json:"grant"` // index in Grants
	Redirect  string    `json:"redirect"`
	Challenge string    `json:"challenge"`
	Method    string    `json:"method"`
	Expires   time.Time `json:"expires"`
	Used      bool      `json:"used"`
}

type keptAccess struct {
	Grant   int       `json:"grant"` // index in Grants
	Expires time.Time `json:"expires"`
}

// Keep reads who has signed in from a file, if it is there, and from now on keeps it up to date: what a client is told is in the file before. It
// is to be called before there are clients.
func (s *Server) Keep(file string) error {
	s.mu.Lock()
	defer s.unlock()
	s.file = file
	if err := s.load(); err != nil {
		return err
	}
	return s.save()
}

// save writes the file. The caller holds mu.
func (s *Server) save() error {
	k := kept{Codes: map[string]keptCode{}, Access: map[string]keptAccess{}, Refresh: map[string]int{}}
	for _, c := range s.clients {
		k.Clients = append(k.Clients, keptClient{c.id, c.secret, c.name, c.method, c.redirects, c.server.name, c.since})
	}
	index := map[*grant]int{}
	add := func(g *grant) int {
		if i, ok := index[g]; ok {
			return i
		}
		i := len(k.Grants)
		index[g] = i
		k.Grants = append(k.Grants, keptGrant{
			Grant: g.Grant, Server: g.server.name, ClientID: g.clientID, Resource: g.resource, Since: g.since, Expires: g.expires,
			Offline: g.offline, Revoked: g.revoked, Live: s.grants[g.ID] == g,
			Refresh: g.refresh.String(), Previous: g.previous.String(), RefreshExpires: g.refreshExpires,
		})
		return i
	}
	for _, g := range s.grants {
		add(g)
	}
	for d, t := range s.refresh {
		k.Refresh[d.String()] = add(t.grant)
	}
	for d, t := range s.access {
		k.Access[d.String()] = keptAccess{add(t.grant), t.expires}
	}
	for d, c := range s.codes {
		k.Codes[d.String()] = keptCode{add(c.grant), c.req.redirect, c.req.challenge, c.req.method, c.expires, c.used}
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	temp := s.file + ".new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, s.file)
}

// load reads the file, if it is there. The caller holds mu.
func (s *Server) load() error {
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("%s: %v", s.file, err)
	}
	servers := map[string]*authServer{s.v1.name: s.v1, s.identity.name: s.identity}
	for _, c := range k.Clients {
		s.clients[c.ID] = &client{c.ID, c.Secret, c.Name, c.Method, c.Redirects, servers[c.Server], c.Since}
	}
	grants := make([]*grant, len(k.Grants))
	for i, g := range k.Grants {
		grants[i] = &grant{
			Grant: g.Grant, server: servers[g.Server], clientID: g.ClientID, resource: g.Resource, since: g.Since, expires: g.Expires,
			offline: g.Offline, revoked: g.Revoked, refresh: readDigest(g.Refresh), previous: readDigest(g.Previous), refreshExpires: g.RefreshExpires,
		}
		if g.Live {
			s.grants[g.ID] = grants[i]
		}
	}
	for d, i := range k.Refresh {
		s.refresh[readDigest(d)] = refreshToken{grants[i], grants[i].since}
	}
	for d, t := range k.Access {
		s.access[readDigest(d)] = &accessToken{grants[t.Grant], t.Expires}
	}
	for d, c := range k.Codes {
		req := &request{redirect: c.Redirect, challenge: c.Challenge, method: c.Method}
		s.codes[readDigest(d)] = &code{req: req, grant: grants[c.Grant], expires: c.Expires, used: c.Used}
	}
	return nil
}

func (d digest) String() string { return hex.EncodeToString(d[:]) }

func readDigest(text string) (d digest) {
	hex.Decode(d[:], []byte(text))
	return d
}

package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file is /control, by which tests and the live page see and change the sandbox while it runs. It asks nobody who they are: guard
// lets in what comes from this machine, and no web page but ours.

// maxData is how many bytes an organization may have that is put in by /control/data.
const maxData = 64 << 20

func (s *Server) registerControl(mux *http.ServeMux) {
	handle := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !sameOrigin(r) {
				refuseOrigin(w, r)
				return
			}
			h(w, r)
		})
	}
	show := func(path string, value func() any) {
		handle("GET /control/"+path, func(w http.ResponseWriter, r *http.Request) { writeJSON(w, value()) })
	}
	do := func(path string, f func()) {
		handle("POST /control/"+path, func(w http.ResponseWriter, r *http.Request) {
			f()
			w.WriteHeader(http.StatusNoContent)
		})
	}
	show("faults", func() any { return s.Faults() })
	show("counts", func() any { return s.Counts() })
	show("calls", func() any { return s.Calls() })
	show("events", func() any { return s.Events() })
	show("sessions", func() any { return s.Sessions() })
	do("sessions/kill", s.KillSessions)
	do("tokens/expire", s.issuer.ExpireAccess)
	do("tokens/revoke", s.issuer.RevokeAll)
	handle("POST /control/faults", s.controlFault)
	handle("POST /control/api-tokens", s.controlAPIToken)
	handle("GET /control/data", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(s.org.Data())
	})
	handle("PUT /control/data", s.controlData)
}

// controlFault takes {"name": …, "arg": …, "on": true or false}, and answers with all faults as they are then. The
// argument may be a number.
func (s *Server) controlFault(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Name string          `json:"name"`
		Arg  json.RawMessage `json:"arg"`
		On   bool            `json:"on"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	err := dec.Decode(&wanted)
	arg := ""
	if err == nil && wanted.Arg != nil && json.Unmarshal(wanted.Arg, &arg) != nil {
		arg = string(wanted.Arg)
	}
	switch {
	case err != nil:
	case wanted.On:
		err = s.SetFault(wanted.Name, arg)
	default:
		err = s.ClearFault(wanted.Name)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, s.Faults())
}

// controlAPIToken takes {"person": …}, and answers with a new API token of theirs, or the API key of a service account. Atlassian's people
// make them at id.atlassian.com.
func (s *Server) controlAPIToken(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Person string `json:"person"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token, err := s.issueAPIToken(wanted.Person)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, token)
}

// An apiToken is a new API token with whom it belongs to.
type apiToken struct {
	Email string `json:"email"`
	Kind  string `json:"kind"` // token, which goes with the email, or key, which goes alone
	Token string `json:"token"`
}

// Authorization is the header that a client sends.
func (t apiToken) Authorization() string {
	if t.Kind == "key" {
		return "Bearer " + t.Token
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(t.Email+":"+t.Token))
}

// issueAPIToken makes an API token of whoever is called name, or the API key of a service account.
func (s *Server) issueAPIToken(name string) (apiToken, error) {
	person, err := s.named(name, func(rovo.Person) bool { return true })
	if err != nil {
		return apiToken{}, err
	}
	kind := "token"
	if person.Service {
		kind = "key"
	}
	return apiToken{person.Email, kind, s.issuer.IssueAPIToken(person.Account, kind)}, nil
}

// controlData replaces the organization.
func (s *Server) controlData(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxData))
	if err == nil {
		err = s.org.Replace(text)
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	} else if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	} else {
		w.WriteHeader(http.StatusNoContent)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(append(encode(v), '\n'))
}

package auth

import (
	"net/http"
	"strings"
)

// This file implements the WWW-Authenticate header of RFC 9110 §11.6.1, with the parameters of RFC 6750 §3 and RFC 9728
// §5.1. It reads what servers send, which is more than the grammar allows; it never fails.

// A challenge is what a server's refusal says about the way in. It is zero if the refusal said nothing.
type challenge struct {
	ResourceMetadata string // URL
	Scope            string // space-separated
	Error            string
	Description      string
}

// parseChallenge returns what all Bearer challenges of h say together; what the first one says counts.
func parseChallenge(h http.Header) challenge {
	var ch challenge
	for _, line := range h.Values("WWW-Authenticate") {
		for _, s := range parseSchemes(line) {
			// The metadata of the resource is the same whatever the scheme (RFC 9728 §5.1).
			first(&ch.ResourceMetadata, s.params["resource_metadata"])
			if !strings.EqualFold(s.name, "bearer") {
				continue
			}
			first(&ch.Scope, s.params["scope"])
			first(&ch.Error, s.params["error"])
			first(&ch.Description, s.params["error_description"])
		}
	}
	return ch
}

func first(dst *string, s string) {
	if *dst == "" {
		*dst = s
	}
}

// A scheme is one challenge of a header line.
type scheme struct {
	name   string
	params map[string]string // keys in lower case; the first of several equal ones
}

// parseSchemes splits a header line into its challenges. Commas separate both challenges and the parameters of one; what
// tells them apart is that a parameter has an equals sign after its name and a challenge does not.
func parseSchemes(line string) []scheme {
	var all []scheme
	s := scanner(line)
	for {
		s.skip(" \t\r\n,;")
		if s == "" {
			return all
		}
		name := s.token()
		if name == "" {
			s = s[1:] // not a token: nothing that we know begins here
			continue
		}
		rest := s
		rest.skip(" \t\r\n")
		if !strings.HasPrefix(string(rest), "=") {
			all = append(all, scheme{name: name, params: make(map[string]string)})
			continue
		}
		rest = rest[1:]
		rest.skip(" \t\r\n")
		value := rest.value()
		s = rest
		if len(all) == 0 {
			continue // a parameter of no challenge
		}
		if key := strings.ToLower(name); all[len(all)-1].params[key] == "" {
			all[len(all)-1].params[key] = value
		}
	}
}

// A scanner is the rest of a header line.
type scanner string

func (s *scanner) skip(set string) { *s = scanner(strings.TrimLeft(string(*s), set)) }

// token takes a token (RFC 9110 §5.6.2), or a token68, off the front.
func (s *scanner) token() string {
	n := 0
	for n < len(*s) && isTokenChar((*s)[n]) {
		n++
	}
	t := (*s)[:n]
	*s = (*s)[n:]
	return string(t)
}

// value takes a quoted string, or whatever is there up to the next separator, off the front. A quoted string without its
// end is taken as it is.
func (s *scanner) value() string {
	if !strings.HasPrefix(string(*s), `"`) {
		n := strings.IndexAny(string(*s), " \t\r\n,")
		if n < 0 {
			n = len(*s)
		}
		v := (*s)[:n]
		*s = (*s)[n:]
		return string(v)
	}
	var b strings.Builder
	for i := 1; i < len(*s); i++ {
		switch c := (*s)[i]; {
		case c == '"':
			*s = (*s)[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(*s):
			i++
			b.WriteByte((*s)[i])
		default:
			b.WriteByte(c)
		}
	}
	*s = ""
	return b.String()
}

func isTokenChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~/", c) >= 0
}

package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// A registration is how an authorization server knows this program (RFC 7591 §3.2.1). The redirect URI belongs to it:
// servers compare it exactly, its port included.
type registration struct {
	ClientID      string    `json:"client_id"`
	ClientSecret  string    `json:"client_secret,omitempty"`
	SecretExpires time.Time `json:"secret_expires,omitzero"` // zero: never
	AuthMethod    string    `json:"auth_method"`             // token_endpoint_auth_method
	RedirectURI   string    `json:"redirect_uri,omitempty"`
	Dynamic       bool      `json:"dynamic,omitempty"` // made by us, so that we may make another
}

// A grant is all that a sign-in yields. One without an access token is a registration waiting for its next sign-in.
type grant struct {
	SignIn   string `json:"sign_in,omitempty"` // tells it from others, and lasts as long
	Server   string `json:"server"`            // for people; see storeKey
	Profile  string `json:"profile,omitempty"`
	Issuer   string `json:"issuer"`   // as asked for, not as answered; see PinnedIssuer
	Resource string `json:"resource"` // as published

	registration

	TokenEndpoint      string `json:"token_endpoint"`
	RevocationEndpoint string `json:"revocation_endpoint,omitempty"`

	Requested []string `json:"requested,omitempty"` // scopes
	Granted   []string `json:"granted,omitempty"`   // scopes, where the server said

	AccessToken  string    `json:"access_token,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	Issued       time.Time `json:"issued,omitzero"`
	Expires      time.Time `json:"expires,omitzero"` // of the access token; zero if the server did not say
}

// decodeGrant reads what encode wrote. What can't be a grant is an error, whatever the store returned.
func decodeGrant(data []byte) (*grant, error) {
	var g grant
	if err := json.Unmarshal(data, &g); err != nil {
		return nil, errors.New("stored sign-in is damaged") // err may quote the data
	}
	if g.Issuer == "" || g.ClientID == "" || g.TokenEndpoint == "" {
		return nil, errors.New("stored sign-in is incomplete")
	}
	if !validToken(g.AccessToken) || !validToken(g.RefreshToken) {
		return nil, errors.New("stored sign-in is damaged")
	}
	return &g, nil
}

func (g *grant) encode() []byte {
	data, err := json.Marshal(g)
	if err != nil {
		panic(err) // years beyond 9999, which newToken does not let in
	}
	return data
}

// authorization returns the header that g authorizes requests by (RFC 6750 §2.1), "" if g is nil or has no token.
func (g *grant) authorization() string {
	if g == nil || g.AccessToken == "" {
		return ""
	}
	return "Bearer " + g.AccessToken
}

// expired reports whether the access token has certainly expired.
func (g *grant) expired(now time.Time) bool { return !g.Expires.IsZero() && now.After(g.Expires) }

// due reports whether the access token has lived for 80 % of its time.
func (g *grant) due(now time.Time) bool {
	if g.Expires.IsZero() || g.AccessToken == "" {
		return false
	}
	life := g.Expires.Sub(g.Issued)
	return now.After(g.Issued.Add(life - life/5))
}

// covers reports whether all of scope was asked for. Whether it was granted is for the server to say.
func (g *grant) covers(scope []string) bool {
	for _, s := range scope {
		if !slices.Contains(g.Requested, s) {
			return false
		}
	}
	return true
}

// with returns a copy of g with the token t, obtained now.
func (g *grant) with(t *token, now time.Time) *grant {
	n := *g
	n.AccessToken = t.AccessToken
	if t.RefreshToken != "" { // RFC 6749 §6: none means that the old one stays good
		n.RefreshToken = t.RefreshToken
	}
	if t.Scope != "" {
		n.Granted = strings.Fields(t.Scope)
	}
	n.Issued, n.Expires = now, time.Time{}
	if t.Lifetime > 0 {
		n.Expires = now.Add(t.Lifetime)
	}
	return &n
}

// without returns a copy of g that is only a registration.
func (g *grant) without() *grant {
	n := *g
	n.AccessToken, n.RefreshToken = "", ""
	n.Issued, n.Expires, n.Granted = time.Time{}, time.Time{}, nil
	return &n
}

// digest names a secret in the store, whose keys may be seen by others.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// validToken reports whether s can be sent as a credential: visible ASCII (RFC 6750 §2.1, RFC 6749 appendix A.12).
func validToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

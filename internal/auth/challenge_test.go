package auth

import (
	"net/http"
	"testing"
)

func TestParseChallenge(t *testing.T) {
	const md = "https://mcp.example/.well-known/oauth-protected-resource"
	for _, test := range []struct {
		name  string
		lines []string
		want  challenge
	}{
		{"none", nil, challenge{}},
		{"empty", []string{""}, challenge{}},
		{"bare", []string{"Bearer"}, challenge{}},
		{"one parameter", []string{`Bearer resource_metadata="` + md + `"`}, challenge{ResourceMetadata: md}},
		{"all", []string{`Bearer realm="x", error="insufficient_scope", error_description="no", scope="a b", resource_metadata="` + md + `"`},
			challenge{md, "a b", "insufficient_scope", "no"}},
		{"case", []string{`bEARER Error=invalid_token, SCOPE="A"`}, challenge{Error: "invalid_token", Scope: "A"}},
		{"unquoted", []string{`Bearer scope=a,error=invalid_token`}, challenge{Scope: "a", Error: "invalid_token"}},
		{"unquoted URL", []string{`Bearer resource_metadata=` + md + `, scope=a`}, challenge{ResourceMetadata: md, Scope: "a"}},
		{"escapes", []string{`Bearer error_description="say \"no\", \\ then", scope="a"`}, challenge{Description: `say "no", \ then`, Scope: "a"}},
		{"comma in quotes", []string{`Bearer error_description="a, Basic realm=x", scope="s"`}, challenge{Description: "a, Basic realm=x", Scope: "s"}},
		{"spaces around the equals sign", []string{`Bearer scope = "a" , error = x`}, challenge{Scope: "a", Error: "x"}},
		{"no space after the comma", []string{`Bearer scope="a",error="x"`}, challenge{Scope: "a", Error: "x"}},
		{"spaces for commas", []string{`Bearer scope="a" error="x"`}, challenge{Scope: "a", Error: "x"}},
		{"tabs and folding", []string{"Bearer\tscope=\"a\",\r\n error=\"x\""}, challenge{Scope: "a", Error: "x"}},
		{"several challenges", []string{`Basic realm="a, b", Bearer scope="s", Digest nonce="Bearer scope=evil"`}, challenge{Scope: "s"}},
		{"several lines", []string{`Basic realm="x"`, `Bearer scope="s"`}, challenge{Scope: "s"}},
		{"two Bearer challenges", []string{`Bearer scope="first"`, `Bearer scope="second", error="e"`}, challenge{Scope: "first", Error: "e"}},
		{"token68 before", []string{`Negotiate YWJj==, Bearer scope="s"`}, challenge{Scope: "s"}},
		{"other scheme's error", []string{`DPoP error="use_dpop_nonce", resource_metadata="` + md + `"`}, challenge{ResourceMetadata: md}},
		{"empty list elements", []string{`, ,Bearer scope="a",, error="x",`}, challenge{Scope: "a", Error: "x"}},
		{"parameter twice", []string{`Bearer scope="a", scope="b"`}, challenge{Scope: "a"}},
		{"unfinished string", []string{`Bearer scope="a b`}, challenge{Scope: "a b"}},
		{"unfinished escape", []string{`Bearer scope="a\`}, challenge{Scope: `a\`}},
		{"no value", []string{`Bearer scope=, error="x"`}, challenge{Error: "x"}},
		{"no scheme", []string{`scope="a"`}, challenge{}},
		{"nonsense", []string{`"Bearer" (x) = {}, Bearer scope="a"`}, challenge{Scope: "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parseChallenge(http.Header{"Www-Authenticate": test.lines}); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func FuzzParseChallenge(f *testing.F) {
	f.Add(`Bearer realm="x", error="insufficient_scope", scope="a b", resource_metadata="https://x/y"`)
	f.Add(`Basic YQ==, Bearer scope=a\"`)
	f.Add("Bearer\x00=\"\\")
	f.Fuzz(func(t *testing.T, line string) {
		parseChallenge(http.Header{"Www-Authenticate": {line}})
		// What follows on another line is read whatever the first one was.
		const tail = "Bearer scope=tail"
		before := parseChallenge(http.Header{"Www-Authenticate": {line}}).Scope
		if got := parseChallenge(http.Header{"Www-Authenticate": {line, tail}}).Scope; got != "tail" && got != before {
			t.Errorf("scope %q", got)
		}
	})
}

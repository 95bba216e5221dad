package sandbox_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// control sends a request to /control.
func control(t *testing.T, s *sandbox.Server, method, path, body string, header http.Header) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(method, s.Endpoint("/control/"+path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestControlAPIToken has somebody who has no browser get in.
func TestControlAPIToken(t *testing.T) {
	s := start(t)
	for _, who := range []string{"ada", "build"} {
		status, answer := control(t, s, "POST", "api-tokens", `{"person":"`+who+`"}`, nil)
		var issued struct{ Email, Kind, Token string }
		if err := json.Unmarshal([]byte(answer), &issued); status != 200 || err != nil {
			t.Fatalf("%s: %d %s", who, status, answer)
		}
		authorization := "Bearer " + issued.Token
		if issued.Kind == "token" {
			authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(issued.Email+":"+issued.Token))
		}
		c := clientWith(t, s, "/v1/mcp", authorization)
		c.initialize()
		if text, isError := c.post(whoAmI).text(t); isError || !strings.Contains(text, issued.Email) {
			t.Errorf("%s is %s", who, text)
		}
	}
	for _, body := range []string{`{"person":"nobody"}`, `{"person":""}`, `{"name":"ada"}`, ``} {
		if status, answer := control(t, s, "POST", "api-tokens", body, nil); status != 400 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if status, _ := control(t, s, "POST", "api-tokens", `{"person":"ada"}`, http.Header{"Origin": {"http://evil.example"}}); status != 403 {
		t.Errorf("a page elsewhere got %d", status)
	}
}

func TestControlFaults(t *testing.T) {
	s := start(t)
	for _, test := range []struct {
		body   string
		status int
		want   string // part of the answer
	}{
		{`{"name":"slow","on":true}`, 200, `"name":"slow","arg":"[DURATION]"`},
		{`{"name":"slow","arg":"7","on":true}`, 200, `"on":true,"value":"7"`},
		{`{"name":"slow","arg":9,"on":true}`, 200, `"on":true,"value":"9"`},
		{`{"name":"slow","on":false}`, 200, `"on":false`},
		{`{"name":"earthquake","on":true}`, 400, `there is no fault "earthquake", only token-expiry,`},
		{`{"name":"slow","arg":"-1","on":true}`, 400, `DURATION is a number of seconds, or a time such as 1m30s or 200ms, up to 1h0m0s`},
		{`{"name":"slow","off":true}`, 400, `unknown field`},
		{``, 400, ``},
	} {
		status, answer := control(t, s, "POST", "faults", test.body, nil)
		if status != test.status || !strings.Contains(answer, test.want) {
			t.Errorf("%s: %d %s", test.body, status, answer)
		}
	}
	if status, answer := control(t, s, "GET", "faults", "", nil); status != 200 || strings.Contains(answer, `"on":true`) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestControlSessions(t *testing.T) {
	s := start(t)
	c, renew := signIn(t, s, "/v1/mcp")
	c.initialize()
	c.post(whoAmI)
	if _, answer := control(t, s, "GET", "sessions", "", nil); !strings.Contains(answer, `"client":"test 1","version":"2024-11-05"`) {
		t.Errorf("sessions: %s", answer)
	}
	if _, answer := control(t, s, "GET", "calls", "", nil); !strings.Contains(answer, `"tool":"atlassianUserInfo"`) ||
		!strings.Contains(answer, `"signedIn":"tester"`) || strings.Contains(answer, "canary-") {
		t.Errorf("calls: %s", answer)
	}
	if _, answer := control(t, s, "GET", "counts", "", nil); !strings.Contains(answer, `"executed":{"2":1}`) {
		t.Errorf("counts: %s", answer)
	}
	control(t, s, "POST", "sessions/kill", "", nil)
	if r := c.post(whoAmI); r.StatusCode != 404 {
		t.Errorf("a killed session answers %d", r.StatusCode)
	}
	control(t, s, "POST", "tokens/expire", "", nil)
	if r := c.post(whoAmI); r.StatusCode != 401 {
		t.Errorf("an expired token is answered %d", r.StatusCode)
	}
	renew()
	c.initialize()
	control(t, s, "POST", "tokens/revoke", "", nil)
	if r := c.post(whoAmI); r.StatusCode != 401 {
		t.Errorf("a revoked token is answered %d", r.StatusCode)
	}
	if n := s.Counts(); n.Issuer.Live != 0 || n.Issuer.Refreshes != 1 {
		t.Errorf("counts %+v", n)
	}
}

func TestControlData(t *testing.T) {
	s := start(t)
	_, data := control(t, s, "GET", "data", "", nil)
	if !bytes.Equal([]byte(data), s.Org().Data()) {
		t.Errorf("GET has %d bytes", len(data))
	}
	if status, answer := control(t, s, "PUT", "data", `{"name":"no one"}`, nil); status != 400 {
		t.Errorf("nobody: %d %s", status, answer)
	}
	if status, answer := control(t, s, "PUT", "data", strings.Replace(data, "Ada Marsh", "Ada Swamp", 1), nil); status != 204 {
		t.Errorf("PUT: %d %s", status, answer)
	}
	c := newClient(t, s)
	c.initialize()
	if text, _ := c.post(whoAmI).text(t); !strings.Contains(text, "Ada Swamp") {
		t.Errorf("she is called %s", text)
	}
}

// TestControlForeign comes from web pages.
func TestControlForeign(t *testing.T) {
	s := start(t)
	for _, header := range []http.Header{
		{"Origin": {"https://attacker.example"}},
		{"Origin": {"null"}},
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Origin": {"http://localhost:1"}},
	} {
		for _, request := range [][2]string{
			{"GET", "data"}, {"PUT", "data"}, {"GET", "calls"}, {"POST", "faults"}, {"POST", "sessions/kill"}, {"POST", "tokens/revoke"},
		} {
			if status, answer := control(t, s, request[0], request[1], "", header.Clone()); status != 403 {
				t.Errorf("%v %v: %d %s", header, request, status, answer)
			}
		}
	}
	if status, _ := control(t, s, "POST", "sessions/kill", "", http.Header{"Origin": {s.URL()}, "Sec-Fetch-Site": {"same-origin"}}); status != 204 {
		t.Errorf("our own page: %d", status)
	}
}

//go:build linux

package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox"
)

// faultOn reports whether a fault is on, and what its argument is.
func faultOn(s *sandbox.Server, name string) (value string, on bool) {
	for _, f := range s.Faults() {
		if f.Name == name {
			return f.Value, f.On
		}
	}
	return "", false
}

// TestPagesBrowser uses the pages in Chromium: faults are switched with the keyboard and the mouse, what clients do appears by itself, and
// what is typed is not lost. With -artifacts pictures are kept of every page, by day and by night, wide and narrow.
func TestPagesBrowser(t *testing.T) {
	s := start(t)
	tab := openTab(t)
	tab.open(s.URL() + "/")
	tab.until(`document.querySelector("#state").textContent === "Live"`)

	// What others do appears without loading the page.
	c, _ := signIn(t, s, "/v1/mcp")
	c.initialize()
	c.post(whoAmI)
	call := func(id int, tool, arguments string) {
		c.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool, arguments))
	}
	call(3, "searchJiraIssuesUsingJql", `{"cloudId":"https://acme.atlassian.net","jql":"project = ALPHA"}`)
	call(4, "createJiraIssue", `{"cloudId":"acme.atlassian.net"}`)
	call(5, "<script>alert(1)</script>", `{}`)
	tab.until(`document.querySelector("#calls").innerText.includes("searchJiraIssuesUsingJql")`)
	tab.until(`document.querySelector("#calls").innerText.includes("<script>alert(1)</script>")`)
	tab.until(`document.querySelector("#grants").innerText.includes("Ada Marsh")`)
	tab.until(`/test 1[^]* s ago/.test(document.querySelector("#sessions").innerText)`)

	// A fault by keyboard, whose focus stays where it was.
	tab.eval(`document.querySelector("#switch-ip-refused").focus()`)
	tab.press(" ", " ", 32)
	tab.until(`document.querySelector("#switch-ip-refused").ariaChecked === "true"`)
	if _, on := faultOn(s, "ip-refused"); !on {
		t.Error("the page says that ip-refused is on, and it isn't")
	}
	if at := tab.eval(`document.activeElement.id`); at != "switch-ip-refused" {
		t.Errorf("the focus is at %q", at)
	}
	call(6, "atlassianUserInfo", `{}`)
	tab.until(`document.querySelector("#calls").innerText.includes("refused")`)

	// A fault with an argument that makes no sense, and then one that does.
	tab.eval(`document.querySelector("#arg-rate-limit").focus()`)
	tab.call("Input.insertText", map[string]any{"text": "soon"}, nil)
	tab.press("Enter", "\r", 13)
	tab.until(`document.querySelector("#fault-rate-limit [role=alert]")?.innerText.includes("SECONDS is a number")`)
	if len(tab.wrong) != 1 || !strings.Contains(tab.wrong[0], "status of 400") {
		t.Errorf("console: %q", tab.wrong)
	}
	tab.wrong = nil
	polls := s.Counts().HTTP["GET / 200"]
	eventually(t, s, "polls", func(c counts) bool { return c.HTTP["GET / 200"] > polls+1 })
	if typed := tab.eval(`document.querySelector("#arg-rate-limit").value`); typed != "soon" {
		t.Errorf("what was typed is %q now", typed)
	}
	tab.eval(`document.querySelector("#arg-rate-limit").value = "7"; document.querySelector("#switch-rate-limit").click()`)
	tab.until(`document.querySelector("#switch-rate-limit").ariaChecked === "true" && !document.querySelector("[role=alert]")`)
	if value, on := faultOn(s, "rate-limit"); !on || value != "7" {
		t.Errorf("rate-limit is %v %q", on, value)
	}

	// A fault that others switch.
	if err := s.SetFault("slow", "1"); err != nil {
		t.Fatal(err)
	}
	tab.until(`document.querySelector("#switch-slow").ariaChecked === "true"`)
	for _, width := range []int{1280, 400} {
		tab.shoot("live", "light", width)
		tab.shoot("live", "dark", width)
	}
	for _, f := range s.Faults() {
		if err := s.ClearFault(f.Name); err != nil {
			t.Fatal(err)
		}
	}

	tab.eval(`document.querySelector("#kill").click()`)
	tab.until(`document.querySelector("#sessions").innerText.includes("No session is open")`)
	tab.eval(`document.querySelector("#revoke").click()`)
	tab.until(`document.querySelector("#grants").innerText.includes("Nobody")`)
	if n := s.Counts(); n.Open != 0 || n.Issuer.Live != 0 {
		t.Errorf("counts %+v", n)
	}

	tab.open(s.URL() + "/audit")
	tab.until(`document.querySelector("#actions").innerText.includes("OAuth install: first user of the site")`)
	for _, width := range []int{1280, 400} {
		tab.shoot("audit", "light", width)
		tab.shoot("audit", "dark", width)
	}

	// The data: a mistake, and then a change.
	tab.open(s.URL() + "/data")
	tab.eval(`area = document.querySelector("textarea"); area.value = area.value.replace('"name": "Ada Marsh"', '"name": Ada'); 0`)
	tab.eval(`document.querySelector("#save").click()`)
	tab.until(`document.querySelector("#result").innerText.includes("invalid character")`)
	if len(tab.wrong) != 1 || !strings.Contains(tab.wrong[0], "status of 400") {
		t.Errorf("console: %q", tab.wrong)
	}
	tab.wrong = nil
	if got := tab.eval(`area.value.slice(area.selectionStart, area.selectionEnd).trim()`); got != `"name": Ada,` {
		t.Errorf("the cursor is at %q", got)
	}
	for _, width := range []int{1280, 400} {
		tab.shoot("data", "light", width)
		tab.shoot("data", "dark", width)
	}
	tab.eval(`area.value = area.value.replace('"name": Ada', '"name": "Ada Swamp"'); document.querySelector("#save").click()`)
	tab.until(`document.querySelector("#result").innerText.includes("Saved.")`)
	if !strings.Contains(string(s.Org().Data()), "Ada Swamp") {
		t.Error("it was not saved")
	}
	if len(tab.wrong) > 0 {
		t.Errorf("console: %q", tab.wrong)
	}

	// Another mistake, and back to what was saved.
	tab.eval(`right = area.value; area.value += "}"; document.querySelector("#save").click()`)
	tab.until(`document.querySelector("#result").innerText.includes("Not saved")`)
	tab.eval(`area.value = right; document.querySelector("#save").click()`)
	tab.until(`document.querySelector("#result").innerText.includes("Saved.")`)
}

package ide

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestTOMLReplace checks what becomes of entries that are written in other ways than ours.
func TestTOMLReplace(t *testing.T) {
	const ours = "[mcp_servers.x]\ncommand = \"c\"\nargs = []\n"
	path := []string{"mcp_servers"}
	members := standard(Entry{Name: "x", Command: "c"})
	for _, tt := range []struct{ what, text, replaced, removed string }{
		{
			"a table, with comments around it",
			"# one\n\n# two\n[mcp_servers.x] # three\nurl = \"u\"\n# four\n\n[mcp_servers.x.http_headers]\na = \"b\"\n# five\n[z]\n",
			"# one\n\n# two\n# five\n[z]\n\n" + ours, "# one\n\n# two\n# five\n[z]\n",
		},
		{
			"tables apart",
			"[mcp_servers.x]\nurl = \"u\"\n\n[a]\nb = 1\n\n[mcp_servers.x.env]\nc = \"d\"\n",
			"\n[a]\nb = 1\n\n" + ours, "\n[a]\nb = 1\n",
		},
		{
			"an inline table",
			"[mcp_servers]\nx = { url = \"u\" } # here\ny = { url = \"v\" }\n",
			"[mcp_servers]\ny = { url = \"v\" }\n\n" + ours, "[mcp_servers]\ny = { url = \"v\" }\n",
		},
		{
			"dotted keys",
			"mcp_servers.x.url = \"u\"\nmcp_servers.x.env.A = \"\"\"\nb\n\"\"\"\nz = 1\n",
			"z = 1\n\n" + ours, "z = 1\n",
		},
		{
			"quoted keys",
			"[ \"mcp_servers\" . 'x' ]\nurl = \"u\"",
			ours, "",
		},
	} {
		got, err := tomlSyntax{}.set([]byte(tt.text), path, "x", members, true)
		if strings.TrimRight(string(got), "\n") != strings.TrimRight(tt.replaced, "\n") || err != nil {
			t.Errorf("replacing %s gave, error %v\n%s", tt.what, err, got)
		}
		again, err := tomlSyntax{}.set(got, path, "x", members, true)
		if string(again) != string(got) || err != nil {
			t.Errorf("replacing ours gave, error %v\n%s", err, again)
		}
		got, err = tomlSyntax{}.remove([]byte(tt.text), path, "x")
		if string(got) != tt.removed || err != nil {
			t.Errorf("removing %s gave, error %v\n%q", tt.what, err, got)
		}
	}
}

// TestTOMLByHand checks that what can't be changed where it is gives an error.
func TestTOMLByHand(t *testing.T) {
	for _, text := range []string{
		"[mcp_servers]\nx = { command = \"a\" }\n",
		"mcp_servers.x.command = \"a\"\n",
		"mcp_servers = { x = { command = \"a\" } }\n",
		"[mcp_servers.x]\nenv.A = \"b\"\n",
	} {
		e := Entry{Name: "x", Command: "c", Env: map[string]string{"B": "c"}}
		got, err := tomlSyntax{}.set([]byte(text), []string{"mcp_servers"}, "x", standard(e), false)
		if err == nil || !strings.Contains(err.Error(), "by hand") {
			t.Errorf("%q became %q, error %v", text, got, err)
		}
	}
	const text = "mcp_servers = { x = { command = \"a\" }, y = {} }\n"
	if got, err := (tomlSyntax{}).remove([]byte(text), []string{"mcp_servers"}, "x"); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("%q became %q, error %v", text, got, err)
	}
}

// TestTOMLString checks that what is written is read again.
func TestTOMLString(t *testing.T) {
	for _, text := range []string{"", "a", `C:\Users\me\bin.exe`, `it's C:\`, "tab\t\\", "\x7f\x00\n\"'", "ü😀", "<&>"} {
		var got map[string]string
		line := tomlLine(member{name: text, value: text})
		if err := toml.Unmarshal([]byte(line), &got); err != nil || len(got) != 1 || got[text] != text {
			t.Errorf("%q is read from %s as %q, error %v", text, line, got, err)
		}
	}
	if got := tomlString(`C:\a.exe`); got != `'C:\a.exe'` {
		t.Errorf("a path on Windows is %s", got)
	}
}

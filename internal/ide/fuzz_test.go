package ide

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
)

// FuzzJSON installs into any JSON. What isn't ours has to stay: without our entry the document is what it was.
func FuzzJSON(f *testing.F) {
	for _, text := range goldenTexts(f, "cursor", "vscode", "zed", "opencode") {
		f.Add(text)
	}
	f.Add([]byte(`{"mcpServers": {"a": 1 // b` + "\n" + `/**/}, "mcpServers": {"atlassian": {"env": {}}, "atlassian": [],},}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzzSyntax(t, jsonSyntax{}, "mcpServers", text, func(text []byte) any {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
			if _, err := hujson.Parse(append(bytes.Clone(text), "\n{}"...)); err == nil { // nothing but comments
				return map[string]any{}
			}
			data, err := hujson.Standardize(append(bytes.Clone(text), '\n'))
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			d := json.NewDecoder(bytes.NewReader(data))
			d.UseNumber()
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			return v
		})
	})
}

// FuzzTOML is FuzzJSON for TOML.
func FuzzTOML(f *testing.F) {
	for _, text := range goldenTexts(f, "codex") {
		f.Add(text)
	}
	f.Add([]byte("mcp_servers.a.command = 'x'\n[mcp_servers]\n"))
	f.Add([]byte("[mcp_servers]\natlassian = { command = '''\n\n''' }\n[[a.b]]\n"))
	f.Add([]byte("[mcp_servers.atlassian]\nenv.A = 'b' # c\n[mcp_servers]\nb.c=1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzzSyntax(t, tomlSyntax{}, "mcp_servers", text, func(text []byte) any {
			v := map[string]any{}
			if err := toml.Unmarshal(bytes.TrimPrefix(text, []byte(byteOrderMark)), &v); err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			return v
		})
	})
}

// fuzzSyntax sets our entry in text, twice, and removes it.
func fuzzSyntax(t *testing.T, s syntax, servers string, text []byte, decode func([]byte) any) {
	path := []string{servers}
	if _, err := s.entries(text, path); err != nil {
		return
	}
	members := copilot(example)
	after, err := s.set(text, path, example.Name, members, false)
	if err != nil {
		if _, isJSON := s.(jsonSyntax); isJSON {
			t.Fatal(err)
		}
		return // is to be done by hand
	}
	was, is := decode(text), decode(after)
	object := was.(map[string]any)
	value, present := object[servers]
	isNull := present && value == nil // which gives way to an object
	if !bytes.Contains(text, []byte(example.Name)) && !isNull && !hasAll(after, text) {
		t.Errorf("not all bytes of %q are in %q", text, after)
	}
	ours := without(is, servers, example.Name)
	without(was, servers, example.Name)
	if object[servers] == nil {
		object[servers] = map[string]any{}
	}
	if !reflect.DeepEqual(was, is) {
		t.Errorf("besides our entry, %v became %v:\n%q\n%q", was, is, text, after)
	}
	if got, _ := ours.(map[string]any); got["command"] != example.Command || !equal(got["args"], example.Args) {
		t.Errorf("our entry is %v in\n%s", ours, after)
	}
	if again, err := s.set(after, path, example.Name, members, false); err != nil || !bytes.Equal(again, after) {
		t.Errorf("a second time, error %v, %q became %q", err, after, again)
	}
	removed, err := s.remove(after, path, example.Name)
	if err != nil {
		t.Fatalf("removing from %q: %v", after, err)
	}
	left := decode(removed).(map[string]any)
	if left[servers] == nil {
		left[servers] = map[string]any{}
	}
	if !reflect.DeepEqual(left, was) {
		t.Errorf("removing left %v of %v:\n%q\n%q", left, was, after, removed)
	}
	for _, comment := range []string{"//", "#"} { // a rough measure: they are never dropped with what is not ours
		if !bytes.Contains(text, []byte(example.Name)) && bytes.Count(removed, []byte(comment)) != bytes.Count(text, []byte(comment)) {
			t.Errorf("comments of %q are not in %q", text, removed)
		}
	}
}

// hasAll reports whether the bytes of part are in whole, in their order, but for white space.
func hasAll(whole, part []byte) bool {
	for _, field := range bytes.Fields(part) {
		for _, b := range field {
			i := bytes.IndexByte(whole, b)
			if i < 0 {
				return false
			}
			whole = whole[i+1:]
		}
	}
	return true
}

// without takes a member of a member out of the decoded document, and returns it.
func without(document any, outer, name string) any {
	object, _ := document.(map[string]any)
	inner, _ := object[outer].(map[string]any)
	value := inner[name]
	delete(inner, name)
	return value
}

// goldenTexts returns what is in the golden files of clients.
func goldenTexts(f *testing.F, clients ...string) (texts [][]byte) {
	for _, client := range clients {
		files, err := filepath.Glob(filepath.Join("testdata", client, "*"))
		if err != nil || len(files) == 0 {
			f.Fatal(client, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			texts = append(texts, data, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), []byte(strings.TrimSpace(string(data))))
		}
	}
	return texts
}

package rovo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// play uses a tool that must succeed and reads its result into v, if v is not nil.
func play(t *testing.T, o *Org, c Caller, v View, name string, args object, result any) {
	t.Helper()
	out := o.Call(c, v, name, json.RawMessage(compactJSON(args)))
	if out.IsError || out.Invalid != "" {
		t.Fatalf("%s %v: %s%s", name, args, out.Text, out.Invalid)
	}
	if result != nil {
		if err := json.Unmarshal([]byte(out.Text), result); err != nil {
			t.Fatalf("%s: %v in %s", name, err, out.Text)
		}
	}
}

func addComponent(t *testing.T, o *Org, name string) {
	t.Helper()
	play(t, o, Caller{Account: ada}, View{}, "createCompassComponent", object{"cloudId": "acme.atlassian.net", "name": name, "typeId": "SERVICE"}, nil)
}

func hasComponent(t *testing.T, o *Org, name string) bool {
	t.Helper()
	var found struct{ Components []componentNode }
	play(t, o, Caller{Account: ada}, View{}, "getCompassComponents", object{"cloudId": acmeID, "query": name}, &found)
	return len(found.Components) == 1 && found.Components[0].Name == name
}

func TestDataFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "acme.json")
	o, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	addComponent(t, o, "mailer")
	text := read(t, file)
	if !bytes.Equal(text, o.Data()) || !bytes.Contains(text, []byte("mailer")) {
		t.Fatal("the file isn't what the organization is")
	}

	again, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if !hasComponent(t, again, "mailer") || !bytes.Equal(again.Data(), text) {
		t.Error("another process has another organization")
	}
	if leftover, _ := filepath.Glob(file + ".*"); leftover != nil {
		t.Errorf("%q were left", leftover)
	}
}

// TestDataFileEdited changes the file while the organization is in use.
func TestDataFileEdited(t *testing.T) {
	file := filepath.Join(t.TempDir(), "acme.json")
	o, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	addComponent(t, o, "mailer")
	text := read(t, file)
	write(t, file, bytes.ReplaceAll(text, []byte(`"mailer"`), []byte(`"postal"`))) // as long as before
	if !hasComponent(t, o, "postal") {
		t.Fatal("the edit is not seen")
	}
	write(t, file, bytes.ReplaceAll(text, []byte("Chen Li"), []byte("Chen Xu")))
	if people := o.People(); people[2].Name != "Chen Xu" {
		t.Errorf("the third person is %+v", people[2])
	}

	for _, broken := range []string{`{`, `{"name": "Acme"}`, strings.Replace(string(text), `"name": "Acme"`, `"name": "Acme", "unknown": 1`, 1)} {
		write(t, file, []byte(broken))
		for range 2 { // each time, so that nobody overwrites it
			out := o.Call(Caller{Account: ada}, View{}, "createCompassComponent", json.RawMessage(`{"cloudId":"`+acmeID+`","name":"lost","typeId":"SERVICE"}`))
			if !out.IsError || !strings.Contains(out.Text, "acme.json") {
				t.Fatalf("with a broken file: %+v", out)
			}
			if string(read(t, file)) != broken {
				t.Fatal("what somebody was writing has been overwritten")
			}
		}
	}
	write(t, file, bytes.ReplaceAll(text, []byte("\n  "), []byte("\n      "))) // laid out in another way
	laidOut := read(t, file)
	if !hasComponent(t, o, "mailer") || hasComponent(t, o, "lost") {
		t.Error("it isn't well again")
	}
	if !bytes.Equal(read(t, file), laidOut) {
		t.Error("reading has written")
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	addComponent(t, o, "printer")
	if !bytes.Contains(read(t, file), []byte("mailer")) {
		t.Error("the file has not come back")
	}
}

// TestUnwritable checks that what can't be kept doesn't happen.
func TestUnwritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o, err := Open(filepath.Join(dir, "acme.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	out := o.Call(Caller{Account: ada}, View{}, "createCompassComponent", json.RawMessage(`{"cloudId":"`+acmeID+`","name":"lost","typeId":"SERVICE"}`))
	if !out.IsError || !strings.Contains(out.Text, "writing the organization") {
		t.Errorf("outcome: %+v", out)
	}
	if hasComponent(t, o, "lost") {
		t.Error("what was refused is there")
	}
}

func TestReplace(t *testing.T) {
	o := open(t)
	before := o.Data()
	addComponent(t, o, "mailer")
	for _, broken := range []string{"", "[]", `{"people": [], "sites": []}`, `{"no": 1}`, string(before) + "}"} {
		if o.Replace([]byte(broken)) == nil {
			t.Errorf("%.40q has been taken", broken)
		}
	}
	if !hasComponent(t, o, "mailer") {
		t.Error("a broken organization has replaced the old one")
	}
	if err := o.Replace(before); err != nil {
		t.Fatal(err)
	}
	if hasComponent(t, o, "mailer") {
		t.Error("the organization has not been replaced")
	}
}

// TestDataFileBroken opens files that are no organization, as people save them.
func TestDataFileBroken(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "it is empty, where an organization is expected (a file that isn't there yet gets a new one)",
		" \n":                                  "it is empty, where an organization is expected (a file that isn't there yet gets a new one)",
		"{\n  \"name\": \"Acme\"\n":            "it ends in line 2, before all braces, brackets and quotes are closed",
		"{\n  \"name\": \"Acme\",\n}\n":        "line 3: invalid character '}' looking for beginning of object key string",
		"{\n  \"name\": \"Acme\"\n}\n{}\n":     "there is something after the organization",
		"{\n  \"name\": \"Acme\", \"x\": 1\n}": `json: unknown field "x"`,
	} {
		file := filepath.Join(t.TempDir(), "acme.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want = fmt.Sprintf("reading the organization in %q: %s", file, want)
		if _, err := Open(file); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestReplaceIncomplete leaves out, or sets to null, what all tools rely on.
func TestReplaceIncomplete(t *testing.T) {
	const person, site = `{"account": "a", "email": "a@acme.example", "name": "A"}`, `{"id": "1", "url": "https://a.example"}`
	for want, parts := range map[string][2]string{
		"people[1] is null":                                {person + ", null", site},
		"sites[0] is null":                                 {person, "null"},
		"sites[0].jira.issues[0] is null":                  {person, `{"jira": {"issues": [null]}}`},
		"sites[0].confluence.pages[0].versions[0] is null": {person, `{"confluence": {"pages": [{"versions": [null]}]}}`},
		"sites[1] needs an id and a url":                   {person, site + `, {"name": "b"}`},
		"people[0] needs an account, an email and a name":  {`{"name": "A"}`, site},
	} {
		if err := open(t).Replace([]byte(`{"people": [` + parts[0] + `], "sites": [` + parts[1] + `]}`)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	o := open(t)
	if err := o.Replace([]byte(`{"people": [` + person + `], "sites": [` + site + `]}`)); err != nil {
		t.Fatal(err)
	}
	play(t, o, Caller{Account: "a"}, View{}, "atlassianUserInfo", object{}, nil)
}

// TestDataFileShared has several processes, as far as the file can tell, write to it at the same time.
func TestDataFileShared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "acme.json")
	var all sync.WaitGroup
	for _, name := range []string{"north", "south", "east", "west"} {
		o, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for i := range 5 {
				addComponent(t, o, fmt.Sprint(name, i))
			}
		})
	}
	all.Wait()
	o, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"north", "south", "east", "west"} {
		for i := range 5 {
			if name := fmt.Sprint(name, i); !hasComponent(t, o, name) {
				t.Errorf("%s is lost", name)
			}
		}
	}
}

// TestFailureChangesNothing has a tool fail after it has taken a number.
func TestFailureChangesNothing(t *testing.T) {
	o := open(t)
	before := o.Data()
	out := o.Call(Caller{Account: ada}, View{}, "createCompassComponent", json.RawMessage(
		`{"cloudId":"`+acmeID+`","name":"x","typeId":"SERVICE","links":[{"type":"DOCUMENT","url":"https://x.example"}],"customFields":[{"definitionId":"none","value":1}]}`))
	if !out.IsError || !bytes.Equal(o.Data(), before) {
		t.Errorf("outcome: %+v", out)
	}
}

func TestPlaces(t *testing.T) {
	o := open(t)
	if got := o.Places(ada); len(got) != 2 || got[0] != (Place{acmeID, "acme", "https://acme.atlassian.net"}) {
		t.Errorf("Ada's places: %v", got)
	}
	if got := o.Places(dana); len(got) != 1 {
		t.Errorf("Dana's places: %v", got)
	}
	if len(o.People()) != 5 {
		t.Errorf("people: %v", o.People())
	}
}

func TestConcurrentCalls(t *testing.T) {
	o, err := Open(filepath.Join(t.TempDir(), "acme.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, name := range []string{"north", "south", "east", "west"} {
		all.Go(func() { addComponent(t, o, name) })
		all.Go(func() { o.Tools(Caller{Account: ada}, View{V2: true, All: true}) })
	}
	all.Wait()
	for _, name := range []string{"north", "south", "east", "west"} {
		if !hasComponent(t, o, name) {
			t.Errorf("%s is lost", name)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

package rovo

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

//go:embed seed/*.json
var seeds embed.FS

// An Org is an organization. Its methods may be used concurrently.
type Org struct {
	// Now is the time. Nil means time.Now. It must not be changed while the Org is used.
	Now func() time.Time

	mu   sync.Mutex // guards the rest: one tool is at work at a time
	data data
	text []byte // data as encode writes it, when it was last read or saved
	file string // where data is kept; "" if nowhere
	disk []byte // what was in file when it was last read or written
}

// data is an organization as it is written to a file.
type data struct {
	Name   string    `json:"name"`
	Serial int       `json:"serial"` // the last number given to anything
	People []*Person `json:"people"`
	Teams  []*Team   `json:"teams,omitempty"`
	Sites  []*Site   `json:"sites"`
}

// A Person has an Atlassian account.
type Person struct {
	Account  string `json:"account"` // such as 712020:0b9c6a52-…
	Email    string `json:"email"`
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	TimeZone string `json:"timeZone,omitempty"`
	Admin    bool   `json:"admin,omitempty"`   // of the organization
	Service  bool   `json:"service,omitempty"` // a service account, which signs in with a key only
}

// A Team is some people who work together, in every product.
type Team struct {
	ID      string   `json:"id"` // an ARI
	Name    string   `json:"name"`
	Members []string `json:"members"` // accounts
}

// A Site is a place such as acme.atlassian.net, with what the products hold there.
type Site struct {
	ID      string   `json:"id"` // the cloud ID
	Name    string   `json:"name"`
	URL     string   `json:"url"`
	Members Audience `json:"members,omitempty"`

	Jira       *Jira       `json:"jira,omitempty"`
	Confluence *Confluence `json:"confluence,omitempty"`
	Compass    *Compass    `json:"compass,omitempty"`
	JSM        *JSM        `json:"jsm,omitempty"`
	Bitbucket  *Bitbucket  `json:"bitbucket,omitempty"`
	Graph      []Edge      `json:"graph,omitempty"`
}

// An Audience is who may see something: the accounts it lists, or everybody if it lists none.
type Audience []string

// Has reports whether the account belongs to the audience.
func (a Audience) Has(account string) bool { return len(a) == 0 || slices.Contains(a, account) }

// Open returns the organization that is kept in file, or a new one that will be kept there. With no file it is kept in memory.
func Open(file string) (*Org, error) {
	o := &Org{file: file}
	if file != "" {
		if target, err := filepath.EvalSymlinks(file); err == nil {
			o.file = target // it is what is replaced, not the link
		}
		defer o.lockFile()()
		text, err := os.ReadFile(file)
		if err == nil {
			if err := o.data.parse(text); err != nil {
				return nil, fmt.Errorf("reading the organization in %q: %v", file, err)
			}
			o.text, o.disk = o.encode(), text
			return o, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading the organization: %v", err)
		}
	}
	if err := o.data.seed(time.Now()); err != nil {
		return nil, err
	}
	return o, o.save()
}

// seedTime is when everything in the seeds was written. What a new organization holds is as many days old as it was then.
var seedTime = time.Date(2026, time.June, 15, 0, 0, 0, 0, time.UTC)

// seed makes d a new organization.
func (d *data) seed(now time.Time) error {
	text, err := seeds.ReadFile("seed/org.json")
	if err != nil {
		return err
	}
	if err := d.parse(text); err != nil {
		return fmt.Errorf("seed/org.json: %v", err)
	}
	age := now.Sub(seedTime).Truncate(24 * time.Hour)
	for name, plant := range map[string]func(*Site, json.RawMessage) error{
		"jira":       func(s *Site, text json.RawMessage) error { return s.plantJira(text, age) },
		"confluence": func(s *Site, text json.RawMessage) error { return s.plantConfluence(text, age) },
		"compass":    func(s *Site, text json.RawMessage) error { return s.plantCompass(text, age) },
		"operations": func(s *Site, text json.RawMessage) error { return s.plantOperations(text, age) },
	} {
		text, err := seeds.ReadFile("seed/" + name + ".json")
		if err != nil {
			return err
		}
		var bySite map[string]json.RawMessage
		if err := json.Unmarshal(text, &bySite); err != nil {
			return fmt.Errorf("seed/%s.json: %v", name, err)
		}
		for site, text := range bySite {
			i := slices.IndexFunc(d.Sites, func(s *Site) bool { return s.Name == site })
			if i < 0 {
				return fmt.Errorf("seed/%s.json: there is no site %q", name, site)
			}
			if err := plant(d.Sites[i], text); err != nil {
				return fmt.Errorf("seed/%s.json: %v", name, err)
			}
		}
	}
	return nil
}

// parse reads an organization. What it doesn't know is an error: it would be lost when the organization is written again.
func (d *data) parse(text []byte) error {
	var read data
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	wrong := new(json.SyntaxError)
	switch err := dec.Decode(&read); {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty, where an organization is expected (a file that isn't there yet gets a new one)")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it ends in line %d, before all braces, brackets and quotes are closed", 1+bytes.Count(bytes.TrimSpace(text), []byte("\n")))
	case errors.As(err, &wrong):
		return fmt.Errorf("line %d: %v", 1+bytes.Count(text[:min(int(wrong.Offset), len(text))], []byte("\n")), err)
	case err != nil:
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is something after the organization")
	}
	if where := nullIn(reflect.ValueOf(read)); where != "" {
		return fmt.Errorf("%s is null", strings.TrimPrefix(where, "."))
	}
	if len(read.Sites) == 0 || len(read.People) == 0 {
		return errors.New("an organization has a site and a person at least")
	}
	for i, s := range read.Sites {
		if s.ID == "" || s.URL == "" {
			return fmt.Errorf("sites[%d] needs an id and a url", i)
		}
	}
	for i, p := range read.People {
		if p.Account == "" || p.Email == "" || p.Name == "" {
			return fmt.Errorf("people[%d] needs an account, an email and a name", i)
		}
	}
	*d = read
	return nil
}

// nullIn returns the place of a null in one of v's lists, such as .sites[0].jira.issues[3]; "" if there is none, as everything that goes
// through such a list relies on.
func nullIn(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return nullIn(v.Elem())
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if where := nullIn(value); where != "" {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				return "." + name + where
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // JSON as it came
			return ""
		}
		for i := range v.Len() {
			element := v.Index(i)
			if element.Kind() == reflect.Pointer && element.IsNil() {
				return fmt.Sprintf("[%d]", i)
			}
			if where := nullIn(element); where != "" {
				return fmt.Sprintf("[%d]%s", i, where)
			}
		}
	}
	return ""
}

// Data returns the whole organization as JSON, which Replace takes.
func (o *Org) Data() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.reload() // what is wrong with the file is said when a tool is used
	return layOut(o.encode())
}

// Replace makes text, which has the form of Data, the organization. If it can't be read nothing changes.
func (o *Org) Replace(text []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.lockFile()()
	if err := o.data.parse(text); err != nil {
		return err
	}
	if err := o.save(); err != nil {
		o.restore()
		return err
	}
	return nil
}

// People returns everybody in the organization.
func (o *Org) People() []Person {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.reload() // what is wrong with the file is said when a tool is used
	var people []Person
	for _, p := range o.data.People {
		people = append(people, *p)
	}
	return people
}

// A Place is a site, without what it holds.
type Place struct{ ID, Name, URL string }

// Places returns the sites that the account belongs to.
func (o *Org) Places(account string) []Place {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.reload() // what is wrong with the file is said when a tool is used
	var places []Place
	for _, s := range o.data.Sites {
		if s.Members.Has(account) {
			places = append(places, Place{s.ID, s.Name, s.URL})
		}
	}
	return places
}

// Sites returns all sites.
func (o *Org) Sites() []Place {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.reload() // what is wrong with the file is said when a tool is used
	var places []Place
	for _, s := range o.data.Sites {
		places = append(places, Place{s.ID, s.Name, s.URL})
	}
	return places
}

// encode returns the organization as JSON. It runs at each call, for which it is quick rather than readable.
func (o *Org) encode() []byte {
	text, err := json.Marshal(o.data)
	if err != nil {
		panic(err) // can't be: all of it came from JSON
	}
	return text
}

// layOut makes JSON readable.
func layOut(text []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		panic(err) // can't be: encode has written it
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// save writes the organization to its file, if it has one and anything has changed: next to it first, so that the file is whole at any time.
func (o *Org) save() error {
	text := o.encode()
	if bytes.Equal(text, o.text) {
		return nil
	}
	if o.file != "" {
		readable := layOut(text)
		if err := replaceFile(o.file, readable); err != nil {
			return fmt.Errorf("writing the organization: %v", err)
		}
		o.disk = readable
	}
	o.text = text
	return nil
}

// restore takes back what has changed since the organization was saved.
func (o *Org) restore() {
	if bytes.Equal(o.encode(), o.text) {
		return
	}
	if err := o.data.parse(o.text); err != nil {
		panic(err) // can't be: it has been read, or written by us
	}
}

// lockFile waits until no other process is between reading the organization's file and writing it. Where there can be no lock file next to it
// nobody can write either. The lock file stays: removed, it would be one file to those who have it open and another to those who come.
func (o *Org) lockFile() (unlock func()) {
	if o.file == "" {
		return func() {}
	}
	lock := flock.New(filepath.Join(filepath.Dir(o.file), "."+filepath.Base(o.file)+".lock"))
	if lock.Lock() != nil {
		return func() {}
	}
	return func() { lock.Unlock() } // which ends with the process at the latest
}

// replaceFile writes a file anew, for the same people to read as before.
func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails when all went well
	_, err = f.Write(text)
	if info, statErr := os.Stat(name); statErr == nil {
		err = errors.Join(err, f.Chmod(info.Mode().Perm()))
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// reload takes what somebody has written to the file since. If that can't be read it is an error until they have put it right, lest we
// overwrite it. A file that is gone comes back with the next change.
func (o *Org) reload() error {
	if o.file == "" {
		return nil
	}
	text, err := os.ReadFile(o.file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(text, o.disk) {
		return nil
	}
	if err == nil {
		err = o.data.parse(text)
	}
	if err != nil {
		return fmt.Errorf("reading the organization in %q, which was changed: %v", o.file, err)
	}
	o.text, o.disk = o.encode(), text
	return nil
}

// now returns the time, of which the products keep milliseconds.
func (o *Org) now() time.Time {
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	return now().UTC().Truncate(time.Millisecond)
}

// number returns the next number for something new.
func (o *Org) number() int {
	o.data.Serial++
	return o.data.Serial
}

// person returns whom the account belongs to, nil if nobody.
func (o *Org) person(account string) *Person {
	return firstOf(o.data.People, func(p *Person) bool { return p.Account == account })
}

// team returns the team with this ARI, or the last part of it, or this name; nil if there is none.
func (o *Org) team(ref string) *Team {
	return firstOf(o.data.Teams, func(t *Team) bool {
		return t.ID == ref || strings.HasSuffix(t.ID, "/"+ref) || strings.EqualFold(t.Name, ref)
	})
}

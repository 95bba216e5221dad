// Package ide writes our entry into the configuration of MCP clients, and removes it.
//
// Each [Client] knows where its configuration is on each system, in which syntax, and what an entry looks like in it. Clients are
// not asked but for one: Claude Code rewrites its file while it runs, and so is told by its own command.
//
// The path of an entry:
//
//	Client.Targets ─▶ Target.Install ─▶ syntax.set ─▶ Change.Apply
//	which files       what would be     json, toml    backup, temporary
//	                  different         at offsets    file, rename
//
// What is in a file and not ours stays as it is, byte for byte: comments, trailing commas, indentation, line ends. A file that
// does not parse is left alone.
package ide

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// An Env is the machine and the person that clients are configured for. Its fields must be set.
type Env struct {
	GOOS     string                       // a runtime.GOOS
	Home     string                       // directory of the person
	Dir      string                       // of the repository, for entries that are for it alone
	Getenv   func(string) string          // such as os.Getenv
	LookPath func(string) (string, error) // such as exec.LookPath
}

// An Entry is what a client needs to know to start us as a stdio server.
type Entry struct {
	Name    string            // of the server, in the client
	Command string            // full path of our program
	Args    []string          // for it; nil leaves those that our entry has
	Env     map[string]string // variables for it, besides what the client passes on
}

// A Target is a file in which a client looks for servers.
type Target struct {
	Client
	File    string
	project bool
	env     Env
}

// A ConflictError is the result of installing under a name that something else has.
type ConflictError struct {
	File   string
	Server Server
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%q in %s is %v", e.Server.Name, e.File, e.Server)
}

// Servers returns the servers in the file, in its order; none if there is no file.
func (t Target) Servers() ([]Server, error) {
	data, _, err := t.read()
	if err != nil || t.syntax == nil {
		return nil, err
	}
	entries, err := t.syntax.entries(data, t.path)
	if err != nil {
		return nil, t.located(err)
	}
	var servers []Server
	for _, e := range entries {
		servers = append(servers, newServer(e.name, e.members))
	}
	return servers, nil
}

// Local returns the servers that the client has in the file for single directories, under these. There they come before those of
// their names in Servers, which says what is wrong with a file.
func (t Target) Local() map[string][]Server {
	if t.local == "" || t.project {
		return nil
	}
	data, _, err := t.read()
	if err != nil {
		return nil
	}
	directories, err := t.syntax.entries(data, []string{t.local})
	if err != nil {
		return nil
	}
	local := make(map[string][]Server)
	for _, d := range directories {
		servers, _ := d.members[t.path[0]].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(servers)) {
			members, _ := servers[name].(map[string]any)
			local[d.name] = append(local[d.name], newServer(name, members))
		}
	}
	return local
}

// Install returns the change that puts e into the file and takes out the servers named in replace. If the file has e already,
// the change changes nothing. What people have added to the entry, they keep; its arguments too, if those of e are nil. A server of
// e's name that isn't ours is a [*ConflictError] if it is not in replace.
func (t Target) Install(e Entry, replace []string) (Change, error) {
	change, err := t.change()
	if err != nil {
		return change, err
	}
	if t.syntax == nil {
		change.Manual = t.manual(e)
		return change, nil
	}
	servers, err := t.Servers()
	if err != nil {
		return change, err
	}
	after, path, name := change.Before, t.path, e.Name
	var gone []string
	edits := false
	replaced := make(map[string]bool)
	for _, name := range replace {
		replaced[name] = true
	}
	for _, s := range servers {
		switch {
		case replaced[s.Name] && s.Name != e.Name:
			if after, err = t.syntax.remove(after, t.path, s.Name); err != nil {
				return change, t.located(err)
			}
			change.remove(t, s.Name)
			gone = append(gone, s.Name)
		case s.Name == e.Name && !replaced[s.Name] && !s.Ours(e.Command):
			return change, &ConflictError{t.File, s}
		case s.Name == e.Name && s.Ours(e.Command):
			edits = true
			if e.Args == nil {
				e.Args = s.argv[1:]
			}
			if s.nested {
				path, name = append(path[:len(path):len(path)], name), "transport"
			}
		}
	}
	if edits {
		change.edits(func(backup []byte) bool { return t.holds(backup, change.Before, gone) })
	}
	if after, err = t.syntax.set(after, path, name, t.shape(e), replaced[e.Name]); err != nil {
		return change, t.located(err)
	}
	change.After = after
	if change.Changed() {
		if slices.ContainsFunc(servers, func(s Server) bool { return s.Name == e.Name }) {
			change.remove(t, e.Name)
		}
		change.add(t, e.Name, after)
	}
	return change, nil
}

// holds reports whether backup has the servers of these names as text has them.
func (t Target) holds(backup, text []byte, names []string) bool {
	if len(names) == 0 {
		return true
	}
	had, err := t.syntax.entries(backup, t.path)
	if err != nil {
		return false
	}
	has, err := t.syntax.entries(text, t.path)
	return err == nil && !slices.ContainsFunc(has, func(e entry) bool {
		return slices.Contains(names, e.name) && !slices.ContainsFunc(had, func(old entry) bool { return reflect.DeepEqual(old, e) })
	})
}

// Uninstall returns the change that takes the entry of a name out of the file, if that runs our program, which is at the path
// program; else the error is a [*ConflictError]. The result is what was in the file before Install if nothing else was changed
// since and the backup is still there.
func (t Target) Uninstall(name, program string) (Change, error) {
	change, err := t.change()
	if err != nil {
		return change, err
	}
	change.After = change.Before
	servers, err := t.Servers()
	if err != nil {
		return change, err
	}
	for _, s := range servers {
		if s.Name != name {
			continue
		}
		if !s.Ours(program) {
			return change, &ConflictError{t.File, s}
		}
		if before, backup, ok := t.original(change, name); ok {
			change.After, change.Backup, change.restores = before, backup, true
		} else if change.After, err = t.syntax.remove(change.Before, t.path, name); err != nil {
			return change, t.located(err)
		} else if exists(change.Backup) { // with what may be nowhere else, while all of Before but our entry stays
			change.kept = true
		}
		change.remove(t, name)
	}
	return change, nil
}

// original returns what Install has made the current file from, nil for no file, and the backup that this is in, if that is certain:
// if installing the same entry into the backup, or where there is no file, gives the current file.
func (t Target) original(change Change, name string) (before []byte, backup string, ok bool) {
	entries, err := t.syntax.entries(change.Before, t.path)
	if err != nil {
		return nil, "", false
	}
	var ours map[string]any
	for _, e := range entries {
		if e.name == name {
			ours = e.members
		}
	}
	for _, backup := range append(backups(change.File), "") {
		var before []byte
		if backup != "" {
			if before, err = os.ReadFile(backup); err != nil {
				continue
			}
		}
		if had, err := t.syntax.entries(before, t.path); err != nil || slices.ContainsFunc(had, func(e entry) bool { return e.name == name }) {
			continue
		}
		e := Entry{Name: name, Env: stringMap(ours[t.envMember()])}
		if s := newServer(name, ours); len(s.argv) > 0 {
			e.Command, e.Args = s.argv[0], s.argv[1:]
		}
		after, err := t.syntax.set(before, t.path, name, t.shape(e), false)
		if err == nil && string(after) == string(change.Before) {
			return before, backup, true
		}
	}
	return nil, "", false
}

// located adds the file to a syntaxError, and the place in it.
func (t Target) located(err error) error {
	syntax, ok := err.(*syntaxError)
	if !ok {
		return fmt.Errorf("%s: %v", t.File, err)
	}
	return fmt.Errorf("%s:%d:%d: %s", t.File, syntax.line, syntax.column, syntax.what)
}

// change returns a change of the file that changes nothing yet.
func (t Target) change() (Change, error) {
	data, file, err := t.read()
	if err != nil {
		return Change{}, err
	}
	c := Change{File: file, Before: data, shared: t.project}
	c.backUp()
	return c, nil
}

// read returns what is in the file, nil if there is none, and which file that really is.
func (t Target) read() ([]byte, string, error) {
	file, err := realFile(t.File)
	if err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, file, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, file, err
}

// realFile follows symbolic links, also to a file that isn't there yet: whoever keeps configuration elsewhere wants to keep it there.
func realFile(file string) (string, error) {
	for range 40 { // more are a loop
		target, err := os.Readlink(file)
		if err != nil {
			return file, nil
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(file), target)
		}
		file = target
	}
	return "", fmt.Errorf("%s: too many symbolic links", file)
}

// An entry is a member of the object in which a client has its servers.
type entry struct {
	name    string
	members map[string]any
}

// A member is part of what an entry says, in order. Its value is a string, a bool, a []string or an []member.
type member struct {
	name  string
	value any
	// keep leaves the member as it is where there is one already, whatever its value.
	keep bool
}

// A syntax edits the text of configuration files. path says in which object of the document the servers are. The text nil
// stands for no file.
type syntax interface {
	// entries returns the servers, none if the object isn't there.
	entries(text []byte, path []string) ([]entry, error)
	// set makes the entry of a name have the members, and creates what is missing on the way. Other members of the entry are
	// kept, but if replace is set.
	set(text []byte, path []string, name string, members []member, replace bool) ([]byte, error)
	// remove takes the entry of a name away.
	remove(text []byte, path []string, name string) ([]byte, error)
}

// A syntaxError is what a text has at a line and column, both counted from 1, the column in bytes.
type syntaxError struct {
	line, column int
	what         string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.line, e.column, e.what) }

// syntaxErrorAt returns a syntaxError for an offset in text.
func syntaxErrorAt(text []byte, offset int, what string) error {
	before := string(text[:min(offset, len(text))])
	return &syntaxError{1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n"), what}
}

// equal reports whether a decoded value is what a member says.
func equal(decoded, value any) bool {
	switch value := value.(type) {
	case []string:
		list, ok := decoded.([]any)
		return ok && len(list) == len(value) && reflect.DeepEqual(texts(decoded), append([]string(nil), value...))
	case []member:
		return false // has members of its own
	}
	return decoded == value
}

// byteOrderMark starts files that some editors on Windows have written.
const byteOrderMark = "\ufeff"

// lineEnd returns what lines of text end with.
func lineEnd(text string) string {
	if strings.Contains(text, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

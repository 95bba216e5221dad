package ide

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Change is what installing or uninstalling would do. Nothing is done before Apply.
type Change struct {
	File     string     // that is changed, behind symbolic links
	Before   []byte     // what is in it, nil if it isn't there
	After    []byte     // what will be, nil if it is to go
	Backup   string     // where Before is kept, if there was a file, or what was there before our entry was
	Commands [][]string // programs that Apply runs, with arguments, in place of writing the file
	Manual   string     // what people have to do themselves, since we can't edit the file; else empty

	kept     bool // Backup is there already
	restores bool // After is what is in Backup, which goes
	shared   bool // by all who work on a repository
}

// Changed reports whether there is anything to do.
func (c Change) Changed() bool {
	return !bytes.Equal(c.Before, c.After) || (c.Before == nil) != (c.After == nil)
}

// remove and add note what the client's own program has to do.
func (c *Change) remove(t Target, name string) {
	if program := t.owner(); program != "" {
		c.Commands = append(c.Commands, []string{program, "mcp", "remove", "--scope", "user", name})
	}
}

func (c *Change) add(t Target, name string, after []byte) {
	program := t.owner()
	if program == "" {
		return
	}
	entries, err := t.syntax.entries(after, t.path)
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.name == name }); err == nil && i >= 0 {
		c.Commands = append(c.Commands, []string{program, "mcp", "add-json", "--scope", "user", name, compact(entries[i].members)})
	}
}

// Apply makes the change: it keeps what was there in Backup, writes a file beside File and puts that in its place. Readers see the
// one or the other, and the file keeps its permissions. It fails if the file is not any more what it was.
func (c Change) Apply(ctx context.Context) error {
	if !c.Changed() {
		return nil
	}
	now, err := os.ReadFile(c.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, c.Before) {
		return fmt.Errorf("%s has changed in the meantime; try again", c.File)
	}
	mode := fs.FileMode(0o600) // an entry may have secrets in it
	dirMode := fs.FileMode(0o700)
	if c.shared {
		mode, dirMode = 0o644, 0o755
	}
	if info, err := os.Stat(c.File); err == nil {
		if mode = info.Mode().Perm(); mode&0o200 == 0 { // which would not keep it from being replaced
			return fmt.Errorf("%s is read-only", c.File)
		}
	}
	if c.Before != nil && !c.restores && !c.kept {
		if err := writeFile(c.Backup, c.Before, mode); err != nil {
			return err
		}
	}
	switch {
	case len(c.Commands) > 0:
		err = runAll(ctx, c.Commands)
	case c.After == nil:
		err = os.Remove(c.File)
	default:
		if err = os.MkdirAll(filepath.Dir(c.File), dirMode); err == nil {
			err = writeFile(c.File, c.After, mode)
		}
	}
	if err == nil && c.restores && c.Backup != "" && len(c.Commands) == 0 {
		err = os.Remove(c.Backup) // it is where it came from
	}
	return err
}

// backupSuffixes are those of the backups of a file: of what was there before we first came, which is never overwritten, and of what
// was there before a later change, which is by the next Install.
var backupSuffixes = []string{".atlassian-mcp.bak", ".atlassian-mcp.last.bak"}

// backups returns the backups of a file that are there, the last one first.
func backups(file string) (names []string) {
	for _, suffix := range slices.Backward(backupSuffixes) {
		if exists(file + suffix) {
			names = append(names, file+suffix)
		}
	}
	return names
}

// backUp says where Before is to be kept.
func (c *Change) backUp() {
	for _, name := range backups(c.File) {
		if data, err := os.ReadFile(name); err == nil && bytes.Equal(data, c.Before) {
			c.Backup, c.kept = name, true
			return
		}
	}
	for _, suffix := range backupSuffixes {
		if c.Backup = c.File + suffix; !exists(c.Backup) {
			return
		}
	}
}

// edits says that Before has our entry already: what was there before that is worth more, if it holds all that goes besides.
func (c *Change) edits(holds func(backup []byte) bool) {
	for _, name := range backups(c.File) {
		if data, err := os.ReadFile(name); err == nil && holds(data) {
			c.Backup, c.kept = name, true
			return
		}
	}
}

// writeFile replaces a file at once.
func writeFile(file string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".atlassian-mcp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Chmod(f.Name(), mode)
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// runAll runs the commands one after the other. What they write is shown only if one fails.
func runAll(ctx context.Context, commands [][]string) error {
	for _, argv := range commands {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %v: %s", strings.Join(argv[:min(3, len(argv))], " "), err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// Diff returns the change as a unified diff of one hunk, as patch(1) reads it; "" if nothing changes.
func (c Change) Diff() string {
	if !c.Changed() {
		return ""
	}
	const context = 3
	before, after := splitLines(c.Before), splitLines(c.After)
	head := 0
	for head < min(len(before), len(after)) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	start := max(0, head-context)
	rest := min(tail, context)
	oldName, newName := c.File, c.File
	if c.Before == nil {
		oldName = os.DevNull
	}
	if c.After == nil {
		newName = os.DevNull
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	oldEnd, newEnd := len(before)-tail, len(after)-tail
	fmt.Fprintf(&b, "@@ -%s +%s @@\n", hunkRange(start, oldEnd+rest), hunkRange(start, newEnd+rest))
	write := func(sign string, lines []string) {
		for _, line := range lines {
			b.WriteString(sign + line)
			if !strings.HasSuffix(line, "\n") {
				b.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	write(" ", before[start:head])
	write("-", before[head:oldEnd])
	write("+", after[head:newEnd])
	write(" ", before[oldEnd:oldEnd+rest])
	return b.String()
}

// hunkRange writes lines start to end, counted from 0, as a diff does.
func hunkRange(start, end int) string {
	if start == end {
		return fmt.Sprintf("%d,0", start)
	}
	return fmt.Sprintf("%d,%d", start+1, end-start)
}

func splitLines(data []byte) []string { return slices.Collect(strings.Lines(string(data))) }

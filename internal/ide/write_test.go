package ide

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestPermissions checks that a file keeps its permissions, and that its backup has no others.
func TestPermissions(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644, 0o664} {
		target := target(t, "cursor", []byte("{}"))
		if err := os.Chmod(target.File, mode); err != nil {
			t.Fatal(err)
		}
		want, err := os.Stat(target.File) // Windows has fewer
		if err != nil {
			t.Fatal(err)
		}
		c, err := target.Install(example, nil)
		apply(t, c, err)
		for _, file := range []string{target.File, c.Backup} {
			if info, err := os.Stat(file); err != nil || info.Mode() != want.Mode() {
				t.Errorf("%s has mode %v, not %v; error %v", file, info.Mode(), want.Mode(), err)
			}
		}
	}
}

// TestNewPermissions checks that what others share can be read by them, and what is the person's alone, which may have secrets in it, can't.
func TestNewPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has other ones
	}
	for project, want := range map[bool]struct{ file, dir os.FileMode }{false: {0o600, 0o700}, true: {0o644, 0o755}} {
		target := client(t, "cursor").Targets(testEnv(t), project)[0]
		c, err := target.Install(example, nil)
		apply(t, c, err)
		if info, err := os.Stat(target.File); err != nil || info.Mode() != want.file {
			t.Errorf("in a repository %v: %v, %v, want %v", project, info.Mode(), err, want.file)
		}
		usual := filepath.Join(t.TempDir(), "usual") // of which the process may mask bits
		if err := os.Mkdir(usual, want.dir); err != nil {
			t.Fatal(err)
		}
		wantDir, err := os.Stat(usual)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Dir(target.File)); err != nil || info.Mode() != wantDir.Mode() {
			t.Errorf("in a repository %v: the directory has %v, %v, want %v", project, info.Mode(), err, wantDir.Mode())
		}
	}
}

// TestSymlink checks that the file behind a link is changed, and not the link, also if it is not there yet.
func TestSymlink(t *testing.T) {
	for _, before := range [][]byte{[]byte("{}\n"), nil} {
		target := target(t, "cursor", nil)
		real := filepath.Join(t.TempDir(), "dotfiles", "cursor.json")
		if err := os.MkdirAll(filepath.Dir(real), 0o755); err != nil {
			t.Fatal(err)
		}
		if before != nil {
			if err := os.WriteFile(real, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(real, target.File); err != nil {
			if runtime.GOOS == "windows" { // wants a privilege for that
				return
			}
			t.Fatal(err)
		}
		c, err := target.Install(example, nil)
		apply(t, c, err)
		if info, err := os.Lstat(target.File); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link is %v, error %v", info, err)
		}
		if !bytes.Contains(read(t, real), []byte(example.Command)) {
			t.Errorf("behind it is %s", read(t, real))
		}
		c, err = target.Uninstall(example.Name, "")
		apply(t, c, err)
		if got, _ := os.ReadFile(real); !bytes.Equal(got, before) {
			t.Errorf("after uninstalling, %s", got)
		}
	}
	target := target(t, "cursor", nil)
	if err := os.Symlink(filepath.Base(target.File), target.File); err == nil {
		if _, err := target.Install(example, nil); err == nil || !strings.Contains(err.Error(), "too many symbolic links") {
			t.Errorf("a link to itself: %v", err)
		}
	}
}

// TestUnwritable checks that what can't be written is an error, and leaves nothing behind.
func TestUnwritable(t *testing.T) {
	inside := target(t, "kiro", nil)
	if err := os.RemoveAll(filepath.Dir(inside.File)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Dir(inside.File), nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	if c, err := inside.Install(example, nil); err == nil && c.Apply(t.Context()) == nil {
		t.Error("no error for a directory that is a file")
	}

	frozen := target(t, "cursor", []byte("{}"))
	if err := os.Chmod(frozen.File, 0o444); err != nil {
		t.Fatal(err)
	}
	if c, err := frozen.Install(example, nil); err != nil {
		t.Fatal(err)
	} else if err := c.Apply(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "mcp.json is read-only") {
		t.Errorf("a read-only file: error %v", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(frozen.File)); len(files) != 1 {
		t.Errorf("beside a read-only file: %v", files)
	}

	readOnly := target(t, "cursor", []byte("{}"))
	dir := filepath.Dir(readOnly.File)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	c, err := readOnly.Install(example, nil)
	if err != nil {
		t.Fatal(err)
	}
	probe := filepath.Join(dir, "probe")
	if os.WriteFile(probe, nil, 0o600) == nil { // the superuser may, and Windows has no such directories
		os.Remove(probe)
	} else if err := c.Apply(t.Context()); err == nil {
		t.Error("no error for a directory that can't be written to")
	} else if got := string(read(t, readOnly.File)); got != "{}" {
		t.Errorf("the file is now %q", got)
	}
}

// TestChangedMeanwhile checks that what somebody else writes is not overwritten.
func TestChangedMeanwhile(t *testing.T) {
	target := target(t, "cursor", []byte("{}"))
	c, err := target.Install(example, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target.File, []byte(`{"a": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context()); err == nil || !strings.Contains(err.Error(), "changed in the meantime") {
		t.Errorf("error %v", err)
	}
	if got := string(read(t, target.File)); got != `{"a": 1}` {
		t.Errorf("the file is now %q", got)
	}
}

// TestUninstallLater checks that what was changed since the installation stays when the backup is not what it was any more.
func TestUninstallLater(t *testing.T) {
	target := target(t, "cursor", []byte("{\n  \"mcpServers\": {\"a\": {\"command\": \"b\"}}\n}\n"))
	c, err := target.Install(example, nil)
	apply(t, c, err)
	later := bytes.Replace(read(t, target.File), []byte(`"b"`), []byte(`"c"`), 1)
	if err := os.WriteFile(target.File, later, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err = target.Uninstall(example.Name, "")
	apply(t, c, err)
	if got, want := string(read(t, target.File)), "{\n  \"mcpServers\": {\"a\": {\"command\": \"c\"}}\n}\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := read(t, c.Backup); !bytes.Equal(got, later) {
		t.Errorf("the backup is\n%s", got)
	}
}

// TestBackups checks that what people had before we came is kept, however often our entry comes, changes and goes, and that an edit of
// theirs in between is kept too.
func TestBackups(t *testing.T) {
	const (
		first  = `{"mcpServers": {"rovo": {"url": "https://mcp.atlassian.com/v1/mcp"}}}`
		second = `{"mcpServers": {"other": {"command": "x"}}}`
	)
	target := target(t, "cursor", []byte(first))
	install := func(replace []string, args ...string) Change {
		t.Helper()
		change, err := target.Install(Entry{Name: "atlassian", Command: "/bin/atlassian-mcp", Args: args}, replace)
		return apply(t, change, err)
	}
	uninstall := func() Change {
		t.Helper()
		change, err := target.Uninstall("atlassian", "/bin/atlassian-mcp")
		return apply(t, change, err)
	}
	holds := func(c Change, want string) {
		t.Helper()
		if kept := string(read(t, c.Backup)); kept != want {
			t.Errorf("the backup is %q, not %q", kept, want)
		}
		if kept := string(read(t, target.File+".atlassian-mcp.bak")); kept != first {
			t.Errorf("the first backup is %q", kept)
		}
	}
	holds(install(nil), first)
	holds(install(nil, "v2"), first)
	holds(install([]string{"rovo"}, "v2", "--profile", "work"), first)
	ours := string(read(t, target.File))
	holds(uninstall(), ours) // which does not bring back what the last step has replaced

	if err := os.WriteFile(target.File, []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(install(nil), second)
	holds(install(nil, "v2"), second)
	uninstall()
	if got := string(read(t, target.File)); got != second {
		t.Errorf("in the end there is %q", got)
	}
	if left := backups(target.File); !slices.Equal(left, []string{target.File + ".atlassian-mcp.bak"}) {
		t.Errorf("the backups are %q", left)
	}
	if err := os.WriteFile(target.File, []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(install(nil), first)
	uninstall()
	if left := backups(target.File); left != nil {
		t.Errorf("the backups are %q", left)
	}
}

// TestBackupOfReplaced checks that a server that our entry is to replace later on is kept, if it was not there when we came.
func TestBackupOfReplaced(t *testing.T) {
	const (
		first  = `{"mcpServers": {"other": {"command": "x"}}}`
		second = `{"mcpServers": {"other": {"command": "x"}, "atlassian": {"command": "/bin/atlassian-mcp", "args": ["v2"]}, "rovo": {"command": "y"}}}`
	)
	target := target(t, "cursor", []byte(first))
	change, err := target.Install(Entry{Name: "atlassian", Command: "/bin/atlassian-mcp", Args: []string{"v2"}}, nil)
	apply(t, change, err)
	if err := os.WriteFile(target.File, []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	change, err = target.Install(Entry{Name: "atlassian", Command: "/bin/atlassian-mcp"}, []string{"rovo"})
	if kept := string(read(t, apply(t, change, err).Backup)); kept != second {
		t.Errorf("the backup is %q", kept)
	}
	if kept := string(read(t, target.File+".atlassian-mcp.bak")); kept != first {
		t.Errorf("the first backup is %q", kept)
	}
}

// TestBackupOutlivesUninstall checks that a server that our entry has replaced is still kept when our entry goes.
func TestBackupOutlivesUninstall(t *testing.T) {
	const rovo = `{"mcpServers": {"rovo": {"command": "y"}}}`
	e := Entry{Name: "atlassian", Command: "/bin/atlassian-mcp"}
	target := target(t, "cursor", []byte(`{"mcpServers": {"other": {"command": "x"}}}`))
	change, err := target.Install(e, nil)
	apply(t, change, err)
	if err := os.WriteFile(target.File, []byte(rovo), 0o600); err != nil {
		t.Fatal(err)
	}
	change, err = target.Install(e, []string{"rovo"})
	apply(t, change, err)
	change, err = target.Uninstall("atlassian", "/bin/atlassian-mcp")
	if kept := string(read(t, apply(t, change, err).Backup)); kept != rovo {
		t.Errorf("the backup is %q", kept)
	}
}

// TestAtomic checks that who reads the file while it is changed has all of what was there before.
func TestAtomic(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // where a file that is open isn't replaced
	}
	before := []byte(`{"mcpServers": {}}`)
	target := target(t, "cursor", before)
	reader, err := os.Open(target.File)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	c, err := target.Install(example, nil)
	apply(t, c, err)
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, before) {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestDiff checks what is shown of a change.
func TestDiff(t *testing.T) {
	c := Change{File: "f", Before: []byte("1\n2\n3\n4\n5\n6\n7\n8"), After: []byte("1\n2\n3\n4\nfive\n6\n7\n8")}
	const want = "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\\ No newline at end of file\n"
	if got := c.Diff(); got != want {
		t.Errorf("got\n%s", got)
	}
	c = Change{File: "f", After: []byte("1\n")}
	if got, want := c.Diff(), "--- "+os.DevNull+"\n+++ f\n@@ -0,0 +1,1 @@\n+1\n"; got != want {
		t.Errorf("a new file: got\n%s", got)
	}
	c = Change{File: "f", Before: []byte("1\n"), After: []byte("1\n")}
	if got := c.Diff(); got != "" {
		t.Errorf("no change: got\n%s", got)
	}
}

// TestOwnCommand checks what Claude Code is told to do itself.
func TestOwnCommand(t *testing.T) {
	env := testEnv(t)
	env.LookPath = func(name string) (string, error) { return "/usr/bin/" + name, nil }
	text := []byte(`{"mcpServers": {"Rovo": {"url": "https://mcp.atlassian.com/v1/mcp"}}}`)
	claude := client(t, "claude-code")
	file := claude.Targets(env, false)[0].File
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	e := Entry{Name: "atlassian", Command: "/bin/atlassian-mcp"}
	c, err := claude.Targets(env, false)[0].Install(e, []string{"Rovo"})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"/usr/bin/claude", "mcp", "remove", "--scope", "user", "Rovo"},
		{"/usr/bin/claude", "mcp", "add-json", "--scope", "user", "atlassian", `{"args":[],"command":"/bin/atlassian-mcp","type":"stdio"}`},
	}
	if !slices.EqualFunc(c.Commands, want, slices.Equal) {
		t.Errorf("commands %q", c.Commands)
	}
	env.LookPath = func(name string) (string, error) { return `C:\npm\claude.cmd`, nil }
	if c, err := claude.Targets(env, false)[0].Install(e, nil); err != nil || c.Commands != nil || !c.Changed() {
		t.Errorf("a batch file: commands %q, error %v", c.Commands, err)
	}
	if c, err := claude.Targets(env, true)[0].Install(e, nil); err != nil || c.Commands != nil || !c.Changed() {
		t.Errorf("in a repository: commands %q, error %v", c.Commands, err)
	}
}

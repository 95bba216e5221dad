package ide

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A TemporaryError is the result of [Env.Command] for a program that will not stay where it is.
type TemporaryError struct{ Program string }

func (e *TemporaryError) Error() string {
	return fmt.Sprintf("%s will not be there for long", e.Program)
}

// Command returns the path under which program, which is the full path of a file, will also be found after it was upgraded:
// package managers put each version into a directory of its own, and a link to the last one elsewhere. Hosts don't search PATH as
// shells do, so it is a full path in any case. A program in a cache, such as that of "go run", is a [*TemporaryError].
func (e Env) Command(program string) (string, error) {
	real := program
	if target, err := filepath.EvalSymlinks(program); err == nil {
		real = target
	}
	for _, dir := range strings.Split(filepath.ToSlash(filepath.Dir(real)), "/") {
		if strings.HasPrefix(dir, "go-build") || dir == "_npx" {
			return "", &TemporaryError{program}
		}
	}
	for _, candidate := range append(e.linksTo(real), program) {
		if sameFile(candidate, real) {
			return filepath.Clean(candidate), nil
		}
	}
	return real, nil
}

// linksTo returns where there may be links to a program, the best first.
func (e Env) linksTo(program string) (links []string) {
	name := filepath.Base(program)
	// A link that the person's shell finds is one that a package manager, or the person, keeps up to date.
	if found, err := e.LookPath(strings.TrimSuffix(name, ".exe")); err == nil && filepath.IsAbs(found) && !versioned(found) {
		links = append(links, found)
	}
	slash := filepath.ToSlash(program)
	if prefix, rest, ok := strings.Cut(slash, "/Cellar/"); ok { // Homebrew: PREFIX/Cellar/FORMULA/VERSION/bin/NAME
		formula, _, _ := strings.Cut(rest, "/")
		links = append(links, prefix+"/bin/"+name, prefix+"/opt/"+formula+"/bin/"+name)
	}
	if prefix, _, ok := strings.Cut(slash, "/Caskroom/"); ok { // Homebrew's casks: PREFIX/Caskroom/CASK/VERSION/NAME
		links = append(links, prefix+"/bin/"+name)
	}
	if prefix, _, ok := strings.Cut(slash, "/lib/node_modules/"); ok { // npm -g: PREFIX/bin/NAME, which may be a script and so another file
		links = append(links, prefix+"/bin/"+name)
	}
	if prefix, rest, ok := strings.Cut(slash, "/scoop/apps/"); ok { // Scoop: scoop/apps/APP/VERSION/..., and a junction called current
		if parts := strings.SplitN(rest, "/", 3); len(parts) == 3 {
			links = append(links, prefix+"/scoop/apps/"+parts[0]+"/current/"+parts[2])
		}
	}
	for i, link := range links {
		links[i] = filepath.FromSlash(link)
	}
	return links
}

// versioned reports whether a package manager will remove the directory of a program with its next version.
func versioned(program string) bool {
	slash := filepath.ToSlash(program)
	for _, dir := range []string{"/Cellar/", "/Caskroom/", "/nix/store/", "/.pnpm/", "/scoop/apps/"} {
		if strings.Contains(slash, dir) && !strings.Contains(slash, "/current/") {
			return true
		}
	}
	return false
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

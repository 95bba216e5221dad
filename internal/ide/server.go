package ide

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A Server is what a client has under a name in its file.
type Server struct {
	Name    string
	argv    []string          // of a local server
	url     string            // of a remote server
	headers []string          // names, for a remote server
	env     map[string]string // variables, for a local server
	nested  bool              // in a member of its entry, transport
}

// newServer returns what the members of an entry say, whichever client it is for.
func newServer(name string, members map[string]any) Server {
	s := Server{Name: name, env: make(map[string]string)}
	if transport, ok := members["transport"].(map[string]any); ok { // as Cline's command line writes it
		members, s.nested = transport, true
	}
	switch command := members["command"].(type) {
	case string:
		s.argv = append([]string{command}, texts(members["args"])...)
	case []any:
		s.argv = texts(command)
	}
	for _, member := range []string{"url", "serverUrl", "httpUrl", "uri"} {
		if text, ok := members[member].(string); ok {
			s.url = text
		}
	}
	for _, member := range []string{"env", "environment"} {
		maps.Copy(s.env, stringMap(members[member]))
	}
	for _, member := range []string{"headers", "http_headers", "env_http_headers"} {
		s.headers = slices.AppendSeq(s.headers, maps.Keys(stringMap(members[member])))
	}
	if variable, _ := members["bearer_token_env_var"].(string); variable != "" { // Codex
		s.headers = append(s.headers, "Authorization")
	}
	return s
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, e := range list {
		text, _ := e.(string)
		out = append(out, text)
	}
	return out
}

func stringMap(v any) map[string]string {
	members, _ := v.(map[string]any)
	out := make(map[string]string)
	for name, v := range members {
		if text, ok := v.(string); ok {
			out[name] = text
		}
	}
	return out
}

// Ours reports whether s runs program, which is the path of ours, or a program of its name elsewhere.
func (s Server) Ours(program string) bool {
	return len(s.argv) > 0 && (s.argv[0] == program || baseName(s.argv[0]) == "atlassian-mcp")
}

// Atlassian reports whether s leads to Atlassian's server, directly or through another program.
func (s Server) Atlassian() bool {
	words, _ := s.words()
	for _, text := range append([]string{s.url}, words...) {
		if u, err := url.Parse(text); err == nil && u.Hostname() == "mcp.atlassian.com" {
			return true
		}
	}
	return false
}

// String says what s is, in a few words without secrets: arguments may hold them.
func (s Server) String() string {
	if len(s.argv) == 0 {
		if u, err := url.Parse(s.url); err == nil && u.Host != "" {
			return "a connection to " + u.Host
		}
		return "something else"
	}
	words, plain := s.words()
	switch _, ok := afterMCPRemote(words); {
	case ok && plain:
		return "mcp-remote"
	case ok:
		return "mcp-remote, run by a shell"
	}
	return s.program()
}

// program returns the name of what s runs. Some have a whole command line in its place, which may hold secrets.
func (s Server) program() string {
	words := strings.Fields(s.argv[0])
	inPath := func(word string) bool {
		return strings.ContainsAny(word, `/\`) && !strings.HasPrefix(word, "-") && !strings.ContainsAny(word, ":=")
	}
	if len(words) < 2 || !slices.ContainsFunc(words[1:], func(word string) bool { return !inPath(word) }) {
		return baseName(s.argv[0])
	}
	first, _, _ := strings.Cut(words[0], "=")
	return baseName(first)
}

// Arguments returns those with which our program does what s does: its own, the ones of mcp-remote, or the URL of a remote server. They
// are not known of other programs, and not if it takes a shell to read them.
func (s Server) Arguments() (args []string, ok bool) {
	switch {
	case len(s.argv) == 0:
		return []string{s.url}, s.url != ""
	case s.Ours(""):
		return s.argv[1:], true
	}
	words, plain := s.words()
	args, ok = afterMCPRemote(words)
	return args, ok && plain
}

// Env returns the variables that s sets. Their values may be secrets.
func (s Server) Env() map[string]string { return s.env }

// Headers returns the names of the headers that s sends. Their values may be secrets.
func (s Server) Headers() []string { return slices.Sorted(slices.Values(s.headers)) }

// Settings returns the names of what s sets besides the server: flags, headers and variables. Their values may be secrets.
func (s Server) Settings() []string {
	var flags []string
	words, _ := s.words()
	for _, word := range words {
		if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "--") {
			flags = append(flags, name)
		}
	}
	return slices.Concat(flags, s.Headers(), slices.Sorted(maps.Keys(s.env)))
}

// words returns the command line of s. If a shell is given it as one text, plain says whether a space is all that means something to a
// shell in that.
func (s Server) words() (words []string, plain bool) {
	if _, ok := afterMCPRemote(s.argv); ok || len(s.argv) > 1 && !isShell(s.argv[0]) {
		return s.argv, true
	}
	text := strings.Join(s.argv, " ")
	words = strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'", r) })
	return words, !strings.ContainsAny(text, "\"'`$%^&|;<>()[]{}*?!#~\r\n")
}

func isShell(program string) bool {
	return slices.Contains([]string{"sh", "bash", "zsh", "dash", "ash", "ksh", "fish", "cmd", "powershell", "pwsh"}, baseName(program))
}

// afterMCPRemote returns what follows mcp-remote in a command line, and whether that is there. What starts it may name its package too,
// but before the URL.
func afterMCPRemote(words []string) (rest []string, ok bool) {
	for i, word := range words {
		if strings.Contains(word, "://") {
			break
		}
		if isMCPRemote(word) {
			rest, ok = words[i+1:], true
		}
	}
	return rest, ok
}

// isMCPRemote reports whether word is mcp-remote: a program, a package with or without a version, or a file in its directory.
func isMCPRemote(word string) bool {
	for part := range strings.FieldsFuncSeq(strings.ToLower(word), func(r rune) bool { return strings.ContainsRune(`/\:=`, r) }) {
		if name, _, _ := strings.Cut(part, "@"); strings.TrimSuffix(name, ".cmd") == "mcp-remote" {
			return true
		}
	}
	return false
}

// baseName returns the last element of the path of a program, without .exe. The path may be one of any system.
func baseName(program string) string {
	if i := strings.LastIndexAny(program, `/\`); i >= 0 {
		program = program[i+1:]
	}
	return strings.TrimSuffix(strings.ToLower(program), ".exe")
}

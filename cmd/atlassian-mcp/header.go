package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
)

// lookupEnv is how ${NAME} in a header is resolved: os.LookupEnv, but for tests.
type lookupEnv func(name string) (value string, ok bool)

// readHeaders returns the headers that lines (the --header flags) and files (--header-file)
// ask for. When a name is given more than once the last one holds, and a flag holds against
// a file. An error, always a *usageError, shows no value: it may be a secret.
func readHeaders(lines, files []string, env lookupEnv) (http.Header, error) {
	header := make(http.Header)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, &usageError{
				what:   "--header-file: " + err.Error(),
				advice: "give the full path of a file with one \"Name: value\" a line; the client decides in which directory this program starts",
			}
		}
		for i, line := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if err := setHeader(header, fmt.Sprintf("%s:%d", file, i+1), line, env); err != nil {
				return nil, err
			}
		}
	}
	for i, line := range lines {
		where := "--header"
		if len(lines) > 1 {
			where = fmt.Sprintf("--header number %d", i+1)
		}
		if err := setHeader(header, where, line, env); err != nil {
			return nil, err
		}
	}
	return header, nil
}

// setHeader parses line, "Name: value", into header. Its errors begin with where.
func setHeader(header http.Header, where, line string, env lookupEnv) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return &usageError{
			what:   where + ": no colon between name and value",
			advice: `write it as "Name: value", for example --header "Authorization: Bearer ${TOKEN}"`,
		}
	}
	name = strings.TrimSpace(name)
	if !isToken(name) {
		return &usageError{
			what:   where + ": what precedes the colon is not the name of a header",
			advice: "a name has letters, digits and hyphens, such as X-Api-Key",
		}
	}
	name = http.CanonicalHeaderKey(name)
	if isOurs(name, value) {
		return nil
	}
	if isReserved(name) {
		return &usageError{
			what:   fmt.Sprintf("%s: the header %s can't be set", where, name),
			advice: "the connection or the protocol needs it as it is; leave it out",
		}
	}
	value, err := expandEnv(value, env)
	if err != nil {
		return &usageError{
			what:   fmt.Sprintf("%s: the header %s: %v", where, name, err),
			advice: `set it, for example in the "env" block of this server in the client's configuration`,
		}
	}
	value = strings.Trim(value, " \t")
	if strings.ContainsFunc(value, isHeaderControl) {
		return &usageError{
			what:   fmt.Sprintf("%s: the value of the header %s has a control character", where, name),
			advice: "look for a line break in it, often the last character of a secret that came from a file",
		}
	}
	header.Set(name, value)
	return nil
}

// isToken reports whether s is a token as RFC 9110 §5.6.2 defines it.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// isHeaderControl reports whether a field value can't have r: RFC 9110 §5.5.
func isHeaderControl(r rune) bool {
	return r < ' ' && r != '\t' || r == 0x7f
}

// isOurs reports whether a header, in canonical form, says what every request says anyway. People write it for other programs.
func isOurs(name, value string) bool {
	value = strings.ToLower(strings.Join(strings.Fields(value), ""))
	switch name {
	case "Accept":
		return value == "application/json,text/event-stream" || value == "text/event-stream,application/json" || value == "*/*"
	case "Content-Type":
		return value == "application/json" || value == "application/json;charset=utf-8"
	}
	return false
}

// isReserved reports whether a header, in canonical form, belongs to HTTP or to MCP. Some
// would break the framing, some change what the server understands, and net/http sends
// a request with an idempotency key twice.
func isReserved(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type",
		"Expect", "Host", "Idempotency-Key", "Keep-Alive", "Last-Event-Id", "Proxy-Authorization", "Proxy-Connection",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Idempotency-Key":
		return true
	}
	return strings.HasPrefix(name, "Mcp-")
}

var envReference = regexp.MustCompile(`\$\{([^}]*)\}`)

// expandEnv replaces each ${NAME} in s by the variable of that name. A variable that is not
// set is an error: the literal text would reach the server as a wrong secret.
func expandEnv(s string, env lookupEnv) (string, error) {
	var missing error
	s = envReference.ReplaceAllStringFunc(s, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, ok := env(name)
		if !ok && missing == nil {
			missing = fmt.Errorf("the environment variable %q is not set", name)
		}
		return value
	})
	return s, missing
}

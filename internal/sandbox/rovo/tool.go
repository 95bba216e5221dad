package rovo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Tool is a tool as tools/list shows it, and what it does.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`
	Annotations Annotations     `json:"annotations"`

	Group       string `json:"-"` // what it takes to have it, as ?capabilities= names it: READ_JIRA; "" is always there
	Tokens      bool   `json:"-"` // only for API tokens
	Browser     bool   `json:"-"` // only for sign-ins in a browser
	Approximate bool   `json:"-"` // its schema is not known, and is made up

	run func(*call) (any, error)
}

// Annotations are a tool's hints (MCP 2025-06-18, "ToolAnnotations").
type Annotations struct {
	Title           string `json:"title,omitempty"`
	ReadOnlyHint    bool   `json:"readOnlyHint"`
	DestructiveHint bool   `json:"destructiveHint"`
	IdempotentHint  bool   `json:"idempotentHint"`
	OpenWorldHint   bool   `json:"openWorldHint"`
}

// A call is one use of a tool, by somebody who may use it, while nobody else uses any.
type call struct {
	org    *Org
	caller Caller
	view   View
	person *Person
	site   *Site // nil if the tool takes no cloudId
	args   json.RawMessage
}

// decode reads the arguments, which have been checked against the tool's schema, into v.
func (c *call) decode(v any) error { return json.Unmarshal(c.args, v) }

// A toolError is what a tool that fails says.
type toolError struct {
	text   string
	status int // 0 if Atlassian doesn't say one
}

func (e *toolError) Error() string { return e.text }

// failf returns an error of a tool's, in Atlassian's words.
func failf(status int, format string, args ...any) error {
	return &toolError{fmt.Sprintf(format, args...), status}
}

// outcome returns what the server says of a tool that returned v and err: v as JSON, or as it is if it is a string.
func outcome(v any, err error) Outcome {
	if err != nil {
		failed := &toolError{text: err.Error()}
		errors.As(err, &failed)
		text := compactJSON(struct {
			Error   bool   `json:"error"`
			Message string `json:"message"`
			Status  int    `json:"statusCode,omitempty"`
		}{true, failed.text, failed.status})
		return Outcome{Text: text, IsError: true}
	}
	if text, ok := v.(string); ok {
		return Outcome{Text: text}
	}
	return Outcome{Text: compactJSON(v)}
}

// compactJSON returns v as JavaScript would write it: with <, > and & as they are.
func compactJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // can't be: tools return what has a JSON form
	}
	return strings.TrimSuffix(b.String(), "\n")
}

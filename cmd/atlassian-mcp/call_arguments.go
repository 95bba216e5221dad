package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// This file turns what the command line says of a tool's arguments into the JSON that the tool's schema asks for.

// An argument is what the command line says of one.
type argument struct {
	name string
	text string
	json json.RawMessage // instead of text
}

// given returns the arguments on the command line. With --json they come as one object, whole, which is nil otherwise.
func (f *callFlags) given(cmd *cobra.Command, args []string) (given []argument, whole json.RawMessage, err error) {
	if cmd.Flags().Changed("json") {
		whole, err = f.object(cmd, args)
		return nil, whole, err
	}
	given, err = parseArguments(args)
	return given, nil, err
}

// parseArguments reads what follows the name of a tool.
func parseArguments(args []string) (given []argument, err error) {
	for _, arg := range args {
		a, err := parseArgument(arg)
		if err != nil {
			return nil, err
		}
		given = append(given, a)
	}
	return given, nil
}

// object returns what --json says.
func (f *callFlags) object(cmd *cobra.Command, args []string) (json.RawMessage, error) {
	if len(args) > 0 {
		return nil, &usageError{what: "there are arguments both in --json and after it", advice: "put all of them into the JSON object, or leave out --json"}
	}
	text := []byte(f.arguments)
	if f.arguments == "-" {
		var err error
		if text, err = io.ReadAll(cmd.InOrStdin()); err != nil {
			return nil, fmt.Errorf("reading the arguments: %v", err)
		}
	}
	if !json.Valid(text) || kindOf(text) != kindObject {
		return nil, &usageError{what: "--json is not a JSON object", advice: `it looks like this: --json '{"issueIdOrKey": "ALPHA-1"}'`}
	}
	return text, nil
}

// parseArgument reads NAME=VALUE, NAME:=JSON or either with @FILE for what follows the =.
func parseArgument(arg string) (argument, error) {
	name, text, ok := strings.Cut(arg, "=")
	name, isJSON := strings.CutSuffix(name, ":")
	if !ok || name == "" || namesServer(arg) {
		usage := &usageError{what: fmt.Sprintf("%q is not NAME=VALUE", plain(arg)), advice: "quote a value that has spaces in it"}
		if namesServer(arg) {
			usage.advice = "the URL of the server comes first, or after --server"
		}
		return argument{}, usage
	}
	if file, ok := strings.CutPrefix(text, "@"); ok {
		content, err := os.ReadFile(file)
		if err != nil {
			return argument{}, &usageError{
				what:   fmt.Sprintf("reading the argument %q: %v", plain(name), err),
				advice: fmt.Sprintf("for text that starts with @, write %s:='\"@…\"'", plain(name)),
			}
		}
		text = string(content)
	}
	if !isJSON {
		return argument{name: name, text: text}, nil
	}
	if !json.Valid([]byte(text)) {
		return argument{}, &usageError{what: fmt.Sprintf("the value of %q is not JSON", plain(name)), advice: "leave out the colon for text"}
	}
	return argument{name: name, json: json.RawMessage(text)}, nil
}

// kinds are types of JSON Schema, as a set. None at all means any.
type kinds uint

const (
	kindText kinds = 1 << iota
	kindNumber
	kindBoolean
	kindObject
	kindArray
	kindNull
)

// kindNames are what people call them, in the order of the constants.
var kindNames = []string{"text", "a number", "true or false", "a JSON object", "a JSON array", "null"}

func (k kinds) String() string {
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// kindOf returns the type of a JSON value.
func kindOf(value []byte) kinds {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return 0
	}
	switch value[0] {
	case '"':
		return kindText
	case '{':
		return kindObject
	case '[':
		return kindArray
	case 't', 'f':
		return kindBoolean
	case 'n':
		return kindNull
	}
	return kindNumber
}

// A schema is what counts of a JSON Schema for the command line. Members of a form that it doesn't know are as if they were not there: the
// server will judge.
type schema struct {
	Type        any                        `json:"type"` // a string, or an array of them
	Description string                     `json:"description"`
	AnyOf       []json.RawMessage          `json:"anyOf"`
	OneOf       []json.RawMessage          `json:"oneOf"`
	AllOf       []json.RawMessage          `json:"allOf"`
	Ref         string                     `json:"$ref"`
	Enum        []any                      `json:"enum"`
	Const       json.RawMessage            `json:"const"`
	Items       json.RawMessage            `json:"items"`
	Properties  map[string]json.RawMessage `json:"properties"`
	Additional  json.RawMessage            `json:"additionalProperties"`
	Required    []string                   `json:"required"`
}

// readSchema reads a schema, which may be a boolean too.
func readSchema(raw json.RawMessage) (s schema) {
	json.Unmarshal(raw, &s) // an error is about a member, see schema
	return s
}

// maxSchemaDepth bounds schemas that refer to themselves.
const maxSchemaDepth = 8

// kinds returns the types that s allows. Its references are to parts of the document whole.
func (s schema) kinds(whole json.RawMessage, depth int) kinds {
	if depth > maxSchemaDepth {
		return 0
	}
	var k kinds
	switch t := s.Type.(type) {
	case string:
		k = kindNamed(t)
	case []any:
		for _, name := range t {
			if name, ok := name.(string); ok {
				k |= kindNamed(name)
			}
		}
	}
	if k != 0 {
		return k
	}
	if s.Ref != "" {
		return readSchema(resolve(whole, s.Ref)).kinds(whole, depth+1)
	}
	for _, value := range s.Enum {
		raw, _ := json.Marshal(value) // has been JSON
		k |= kindOf(raw)
	}
	if s.Const != nil {
		k |= kindOf(s.Const)
	}
	for _, one := range slices.Concat(s.AnyOf, s.OneOf) {
		other := readSchema(one).kinds(whole, depth+1)
		if other == 0 {
			return 0
		}
		k |= other
	}
	for _, each := range s.AllOf {
		if other := readSchema(each).kinds(whole, depth+1); k == 0 {
			k = other
		}
	}
	return k
}

func kindNamed(name string) kinds {
	switch name {
	case "string":
		return kindText
	case "number", "integer":
		return kindNumber
	case "boolean":
		return kindBoolean
	case "object":
		return kindObject
	case "array":
		return kindArray
	case "null":
		return kindNull
	}
	return 0
}

// resolve returns the part of the document whole that a reference such as #/$defs/site names (RFC 6901), nil if there is none.
func resolve(whole json.RawMessage, ref string) json.RawMessage {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	for name := range strings.SplitSeq(path, "/") {
		var members map[string]json.RawMessage
		if json.Unmarshal(whole, &members) != nil {
			return nil
		}
		whole = members[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return whole
}

// arguments returns the JSON object that t is called with.
func (t *callable) arguments(given []argument) (json.RawMessage, error) {
	s := readSchema(t.InputSchema)
	object := make(map[string]json.RawMessage)
	for i, a := range given {
		property, known := s.Properties[a.name]
		if !known && !s.takesMore() {
			return nil, t.unknown(s, a.name)
		}
		if object[a.name] != nil {
			continue // came with the first of that name
		}
		same := slices.DeleteFunc(slices.Clone(given[i:]), func(other argument) bool { return other.name != a.name })
		value, err := t.value(readSchema(property), same)
		if err != nil {
			return nil, err
		}
		object[a.name] = value
	}
	if err := t.complete(s, object); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

// takesMore reports whether there may be properties that s doesn't name. A tool that doesn't say so would leave them out without a word.
func (s schema) takesMore() bool {
	return s.Properties == nil || s.Additional != nil && string(s.Additional) != "false"
}

// value returns the value of an argument that is given once, or several times if it may be an array.
func (t *callable) value(s schema, given []argument) (json.RawMessage, error) {
	k := s.kinds(t.InputSchema, 0)
	first := given[0]
	if len(given) == 1 {
		switch value, ok := typed(first, k); {
		case ok:
			return value, nil
		case k&kindArray == 0:
			return nil, &usageError{
				what:   fmt.Sprintf("the argument %q of %v has to be %v", plain(first.name), t, k),
				advice: fmt.Sprintf("it is %q; quote JSON for the shell: %s='…'", plain(cut(first.text, 60)), plain(first.name)),
			}
		}
	} else if k&kindArray == 0 {
		return nil, &usageError{
			what:   fmt.Sprintf("the argument %q is there twice", plain(first.name)),
			advice: fmt.Sprintf("give several values as JSON, if the tool takes them: %s:='[\"a\", \"b\"]'", plain(first.name)),
		}
	}
	items := readSchema(s.items(t.InputSchema)).kinds(t.InputSchema, 0)
	var list []json.RawMessage
	for _, a := range given {
		value, ok := typed(a, items)
		if !ok {
			return nil, &usageError{
				what:   fmt.Sprintf("the argument %q of %v has to be a JSON array, each element of it %v", plain(a.name), t, items),
				advice: fmt.Sprintf("%q is not: quote JSON for the shell: %s='[…]'", plain(cut(a.text, 60)), plain(a.name)),
			}
		}
		list = append(list, value)
	}
	return json.Marshal(list)
}

// items returns the schema of an array's elements.
func (s schema) items(whole json.RawMessage) json.RawMessage {
	if s.Ref != "" && s.Items == nil {
		return readSchema(resolve(whole, s.Ref)).Items
	}
	for _, one := range slices.Concat(s.AnyOf, s.OneOf) {
		if s.Items == nil {
			s.Items = readSchema(one).Items
		}
	}
	return s.Items
}

// typed returns a as one of the types in k. What may be text and nothing in brackets is text.
func typed(a argument, k kinds) (value json.RawMessage, ok bool) {
	if a.json != nil {
		return a.json, true
	}
	text := []byte(a.text)
	if json.Valid(text) {
		kind := kindOf(text)
		if k == 0 || kind&k != 0 && kind != kindText && (k&kindText == 0 || kind == kindObject || kind == kindArray) {
			return text, true
		}
	}
	if k == 0 || k&kindText != 0 {
		value, _ = json.Marshal(a.text) // a string always can
		return value, true
	}
	return nil, false
}

// complete returns an error if a required argument is missing.
func (t *callable) complete(s schema, object map[string]json.RawMessage) error {
	var missing, examples []string
	for _, name := range s.Required {
		if object[name] == nil {
			missing = append(missing, plain(name))
			examples = append(examples, plain(name)+"=…")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &usageError{what: fmt.Sprintf("%v needs %s", t, strings.Join(missing, ", ")), advice: "add " + strings.Join(examples, " ")}
}

// closestName is closest for names with capitals inside.
func closestName(word string, names []string) string {
	var lower []string
	for _, name := range names {
		lower = append(lower, strings.ToLower(name))
	}
	if i := slices.Index(lower, closest(word, lower)); i >= 0 {
		return names[i]
	}
	return ""
}

// unknown returns the error for an argument that the tool doesn't take.
func (t *callable) unknown(s schema, name string) error {
	names := slices.Sorted(maps.Keys(s.Properties))
	advice := "it takes none"
	if len(names) > 0 {
		advice = "it takes " + plain(strings.Join(names, ", "))
	}
	if near := closestName(name, names); near != "" {
		advice = fmt.Sprintf("did you mean %s?", plain(near))
	}
	return &usageError{what: fmt.Sprintf("%v takes no argument %q", t, plain(name)), advice: advice}
}

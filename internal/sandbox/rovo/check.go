package rovo

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file implements as much of JSON Schema as Atlassian's tools use: type, properties, required, additionalProperties, items, enum, anyOf,
// oneOf, pattern and the bounds of numbers. References, conditions and formats are left out.

// A schema is a JSON schema.
type schema struct {
	Type       oneOrMore        `json:"type"`
	Enum       []any            `json:"enum"`
	Properties ordered          `json:"properties"`
	Required   []string         `json:"required"`
	Additional *json.RawMessage `json:"additionalProperties"` // false, or a schema
	Items      *schema          `json:"items"`
	AnyOf      []*schema        `json:"anyOf"`
	OneOf      []*schema        `json:"oneOf"`
	Minimum    *float64         `json:"minimum"`
	Above      *float64         `json:"exclusiveMinimum"`
	Maximum    *float64         `json:"maximum"`
	Pattern    string           `json:"pattern"`
}

// oneOrMore is a string, or several.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// ordered is the properties of an object in the order in which they were written, which is that of zod's complaints.
type ordered []property

type property struct {
	name string
	*schema
}

func (o *ordered) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		p := property{name: name.(string)}
		if err := dec.Decode(&p.schema); err != nil {
			return err
		}
		*o = append(*o, p)
	}
	return nil
}

// A complaint is what zod calls an issue.
type complaint struct {
	Code       string       `json:"code"`
	Validation string       `json:"validation,omitempty"`
	Minimum    *float64     `json:"minimum,omitempty"`
	Maximum    *float64     `json:"maximum,omitempty"`
	Expected   string       `json:"expected,omitempty"`
	Received   string       `json:"received,omitempty"`
	Type       string       `json:"type,omitempty"`
	Inclusive  *bool        `json:"inclusive,omitempty"`
	Exact      *bool        `json:"exact,omitempty"`
	Options    []any        `json:"options,omitempty"`
	Keys       []string     `json:"keys,omitempty"`
	Union      []complaints `json:"unionErrors,omitempty"`
	Path       []any        `json:"path"`
	Message    string       `json:"message"`
}

type complaints struct {
	Issues []complaint `json:"issues"`
	Name   string      `json:"name"`
}

// check returns what is wrong with the arguments of a tool, in zod's words, which Atlassian's server passes on. "" means nothing is.
func check(tool Tool, args json.RawMessage) string {
	var s schema
	if err := json.Unmarshal(tool.InputSchema, &s); err != nil {
		panic(fmt.Sprintf("schema of %s: %v", tool.Name, err)) // can't be: a test reads them all
	}
	var v any
	if err := json.Unmarshal(args, &v); err != nil {
		return fmt.Sprintf("Invalid arguments for tool %s: %v", tool.Name, err)
	}
	found := s.judge(v, []any{})
	if len(found) == 0 {
		return ""
	}
	return fmt.Sprintf("Invalid arguments for tool %s: %s", tool.Name, compactJSON(found))
}

// judge returns what is wrong with v, which is to be found at path.
func (s *schema) judge(v any, path []any) []complaint {
	if options := slices.Concat(s.AnyOf, s.OneOf, s.types()); len(options) > 0 {
		return union(options, v, path)
	}
	if len(s.Enum) > 0 {
		return s.judgeEnum(v, path)
	}
	if len(s.Type) == 1 && !s.fits(v) {
		return []complaint{wrongType(s.Type[0], v, path)}
	}
	switch v := v.(type) {
	case float64:
		return s.judgeNumber(v, path)
	case string:
		return s.judgeString(v, path)
	case []any:
		var found []complaint
		if s.Items != nil {
			for i, item := range v {
				found = append(found, s.Items.judge(item, below(path, i))...)
			}
		}
		return found
	case map[string]any:
		return s.judgeObject(v, path)
	}
	return nil
}

// types returns a schema for each of the types that s allows, if there are several.
func (s *schema) types() []*schema {
	if len(s.Type) < 2 {
		return nil
	}
	var each []*schema
	for _, t := range s.Type {
		one := *s
		one.Type = oneOrMore{t}
		each = append(each, &one)
	}
	return each
}

// undefined is what is not there, and should be.
type undefined struct{}

func wrongType(expected string, v any, path []any) complaint {
	c := complaint{Code: "invalid_type", Expected: expected, Received: kind(v), Path: path}
	if expected == "integer" && c.Received == "number" {
		c.Received = "float"
	}
	if c.Message = fmt.Sprintf("Expected %s, received %s", expected, c.Received); v == (undefined{}) {
		c.Message = "Required"
	}
	return c
}

func union(options []*schema, v any, path []any) []complaint {
	c := complaint{Code: "invalid_union", Path: path, Message: "Invalid input"}
	for _, option := range options {
		found := option.judge(v, path)
		if len(found) == 0 {
			return nil
		}
		c.Union = append(c.Union, complaints{found, "ZodError"})
	}
	return []complaint{c}
}

func (s *schema) judgeEnum(v any, path []any) []complaint {
	if slices.ContainsFunc(s.Enum, func(option any) bool { return reflect.DeepEqual(option, v) }) {
		return nil
	}
	var quoted []string
	for _, option := range s.Enum {
		quoted = append(quoted, fmt.Sprintf("'%v'", option))
	}
	expected := strings.Join(quoted, " | ")
	text, ok := v.(string)
	if !ok {
		return []complaint{wrongType(expected, v, path)}
	}
	return []complaint{{Code: "invalid_enum_value", Received: text, Options: s.Enum, Path: path,
		Message: fmt.Sprintf("Invalid enum value. Expected %s, received '%s'", expected, text)}}
}

func (s *schema) judgeNumber(v float64, path []any) []complaint {
	bound := func(code string, limit float64, inclusive bool, words string) complaint {
		exact := false
		c := complaint{Code: code, Type: "number", Inclusive: &inclusive, Exact: &exact, Path: path,
			Message: "Number must be " + words + " " + strconv.FormatFloat(limit, 'f', -1, 64)}
		if code == "too_big" {
			c.Maximum = &limit
		} else {
			c.Minimum = &limit
		}
		return c
	}
	var found []complaint
	if s.Minimum != nil && v < *s.Minimum {
		found = append(found, bound("too_small", *s.Minimum, true, "greater than or equal to"))
	}
	if s.Above != nil && v <= *s.Above {
		found = append(found, bound("too_small", *s.Above, false, "greater than"))
	}
	if s.Maximum != nil && v > *s.Maximum {
		found = append(found, bound("too_big", *s.Maximum, true, "less than or equal to"))
	}
	return found
}

func (s *schema) judgeString(v string, path []any) []complaint {
	if s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(v) {
		return nil
	}
	return []complaint{{Code: "invalid_string", Validation: "regex", Path: path, Message: "Invalid"}}
}

func (s *schema) judgeObject(v object, path []any) []complaint {
	var found []complaint
	for _, p := range s.Properties {
		value, given := v[p.name]
		if !given && !slices.Contains(s.Required, p.name) {
			continue
		}
		if !given {
			value = undefined{}
		}
		found = append(found, p.judge(value, below(path, p.name))...)
	}
	var unknown []string
	for name := range v {
		if !slices.ContainsFunc(s.Properties, func(p property) bool { return p.name == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown) // JavaScript would keep the order in which they came
	if s.Additional == nil || len(unknown) == 0 {
		return found
	}
	if string(*s.Additional) == "false" {
		return append(found, complaint{Code: "unrecognized_keys", Keys: unknown, Path: path,
			Message: "Unrecognized key(s) in object: '" + strings.Join(unknown, "', '") + "'"})
	}
	var rest schema
	if json.Unmarshal(*s.Additional, &rest) == nil { // true is no schema, and allows everything
		for _, name := range unknown {
			found = append(found, rest.judge(v[name], below(path, name))...)
		}
	}
	return found
}

// fits reports whether v is of the schema's only type.
func (s *schema) fits(v any) bool {
	if s.Type[0] == "integer" {
		f, ok := v.(float64)
		return ok && f == math.Trunc(f)
	}
	return s.Type[0] == kind(v)
}

// kind returns what zod, and JSON Schema, call the type of v.
func kind(v any) string {
	switch v.(type) {
	case undefined:
		return "undefined"
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// below returns the path to a member of what is at path.
func below(path []any, member any) []any { return append(slices.Clip(path), member) }

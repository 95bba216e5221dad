package rovo

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed tools/*.json
var schemas embed.FS

// bound holds the tools of each file that has been read. Most runs of the program read none.
var bound sync.Map // of []Tool by the file's name

// bind returns the tools that tools/<file>.json describes, in its order, each with the function of its name. Everything in the file must
// have a function, and every function an entry.
func bind(file string, funcs map[string]func(*call) (any, error)) []Tool {
	if tools, ok := bound.Load(file); ok {
		return tools.([]Tool)
	}
	text, err := schemas.ReadFile("tools/" + file + ".json")
	if err != nil {
		panic(err)
	}
	var entries []struct {
		Tool
		Group       string `json:"group"`
		Tokens      bool   `json:"tokens"`
		Browser     bool   `json:"browser"`
		Approximate bool   `json:"approximate"`
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&entries); err != nil {
		panic(fmt.Sprintf("tools/%s.json: %v", file, err))
	}
	var tools []Tool
	for _, e := range entries {
		tool := e.Tool
		tool.Group, tool.Tokens, tool.Browser, tool.Approximate = e.Group, e.Tokens, e.Browser, e.Approximate
		if tool.run = funcs[tool.Name]; tool.run == nil {
			panic(fmt.Sprintf("tools/%s.json: %s does nothing", file, tool.Name))
		}
		tools = append(tools, tool)
	}
	for name := range funcs {
		if !slices.ContainsFunc(tools, func(t Tool) bool { return t.Name == name }) {
			panic(fmt.Sprintf("tools/%s.json lacks %s", file, name))
		}
	}
	bound.Store(file, tools)
	return tools
}

// v1 returns the tools of the first generation, in Atlassian's order.
func v1() []Tool {
	common := commonTools() // who and where first, search and fetch after the products they search
	n := min(2, len(common))
	return slices.Concat(common[:n], confluenceTools(), jiraTools(), common[n:], compassTools(), graphTools(), operationsTools(),
		bitbucketTools())
}

// Tools returns what tools/list shows the caller at an endpoint with this view. Which products the caller has chosen makes no difference:
// the tools of the others are listed too, and don't work.
func (o *Org) Tools(c Caller, v View) []Tool {
	tools := v1()
	if v.V2 {
		tools = v2(v.All)
	}
	readOnly := v.readOnly()
	return slices.DeleteFunc(slices.Clone(tools), func(t Tool) bool { return !t.offered(c, v) || readOnly && t.writes() })
}

func (v View) readOnly() bool { return v.ReadOnly != nil && v.ReadOnly() }

// writes reports whether the tool belongs to a permission group that writes or deletes.
func (t Tool) writes() bool {
	return strings.HasPrefix(t.Group, "WRITE_") || strings.HasPrefix(t.Group, "DELETE_")
}

// offered reports whether the tool is there for a caller who has signed in this way.
func (t Tool) offered(c Caller, v View) bool {
	switch {
	case c.Via == UnscopedToken:
		return t.Group == ""
	case c.Via == OAuth && t.Tokens, c.Via != OAuth && t.Browser:
		return false
	}
	return v.V2 || v.Capabilities == nil || t.Group == "" || slices.Contains(v.Capabilities, t.Group)
}

// product returns which product the tool needs, in lower case; "" if none.
func (t Tool) product() string {
	_, product, _ := strings.Cut(t.Group, "_")
	switch product {
	case "JIRA", "CONFLUENCE", "COMPASS":
		return strings.ToLower(product)
	}
	return ""
}

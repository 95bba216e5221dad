package rovo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// trouble is what Atlassian says when it doesn't want to say what is wrong.
const trouble = "We are having trouble completing this action. Please try again shortly."

// An invalidError is what is wrong with how a tool was called, which is a JSON-RPC error.
type invalidError string

func (e invalidError) Error() string { return string(e) }

// Call has the caller use a tool. A tool that fails or panics changes nothing. What a tool has changed is in the organization's file, if there is one,
// when Call returns.
func (o *Org) Call(c Caller, v View, name string, args json.RawMessage) Outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.lockFile()()
	if err := o.reload(); err != nil {
		return outcome(nil, err)
	}
	if args = bytes.TrimSpace(args); len(args) == 0 || string(args) == "null" {
		args = json.RawMessage("{}")
	}
	settled := false
	defer func() {
		if !settled { // the tool has panicked
			o.restore()
		}
	}()
	hidden := v
	hidden.ReadOnly = nil // what is not listed for that reason is refused in other words
	tool := toolNamed(o.Tools(c, hidden), name)
	result, err := (&call{org: o, caller: c, view: v, person: o.person(c.Account)}).use(tool, name, args)
	if tool != nil && !tool.Annotations.ReadOnlyHint { // to see that nothing has changed takes long with large pages
		if err == nil {
			err = o.save()
		}
		if err != nil {
			o.restore()
		}
	}
	settled = true
	var invalid invalidError
	if errors.As(err, &invalid) {
		return Outcome{Invalid: invalid.Error()}
	}
	out := outcome(result, err)
	if v.V2 {
		out.Structured = json.RawMessage(compactJSON(structured{[]textContent{{"text", out.Text}}, out.IsError}))
	}
	return out
}

// structured is what the second generation puts into a result's structuredContent: the result once more.
type structured struct {
	Content []textContent `json:"content"`
	IsError bool          `json:"isError"`
}

type textContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// toolNamed returns the tool of that name, nil if there is none.
func toolNamed(tools []Tool, name string) *Tool {
	i := slices.IndexFunc(tools, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &tools[i]
}

// use runs a tool with arguments that nobody has looked at yet.
func (c *call) use(tool *Tool, name string, args json.RawMessage) (any, error) {
	if tool == nil {
		return nil, invalidError("Tool " + name + " not found")
	}
	if wrong := check(*tool, args); wrong != "" {
		return nil, invalidError(wrong)
	}
	if c.person == nil {
		return nil, failf(0, `Authentication failed: {"code":401,"message":"Unauthorized"}`)
	}
	return c.at(tool, args)
}

// at runs a tool at the site that its arguments name, if they name any.
func (c *call) at(tool *Tool, args json.RawMessage) (any, error) {
	var where struct{ CloudID string }
	if err := json.Unmarshal(args, &where); err != nil {
		return nil, err
	}
	inner := *c
	inner.args = args
	if where.CloudID != "" {
		if inner.site = c.siteNamed(where.CloudID); inner.site == nil {
			return nil, failf(0, "Failed to fetch tenant info for cloud ID: %s. Status: 404", where.CloudID)
		}
	}
	if tool.writes() && c.view.readOnly() {
		return nil, failf(403, "The permission group %s is off. Ask your organization admin to turn it on.", strings.ToLower(tool.Group))
	}
	if product := tool.product(); product != "" && (!c.granted(product) || inner.site != nil && !inner.site.has(product)) {
		return nil, failf(0, trouble)
	}
	return tool.run(&inner)
}

// granted reports whether the caller may use the product.
func (c *call) granted(product string) bool {
	return c.caller.Products == nil || slices.Contains(c.caller.Products, product)
}

// sites returns where the caller may go.
func (c *call) sites() []*Site {
	var sites []*Site
	for _, s := range c.org.data.Sites {
		if s.Members.Has(c.person.Account) && (c.caller.Sites == nil || slices.Contains(c.caller.Sites, s.ID)) {
			sites = append(sites, s)
		}
	}
	return sites
}

// siteNamed returns the site with this cloud ID, URL or host name, nil if the caller knows none.
func (c *call) siteNamed(name string) *Site {
	host := strings.TrimSuffix(name, "/")
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		host = u.Host
	}
	for _, s := range c.sites() {
		if strings.EqualFold(s.ID, name) || strings.EqualFold(strings.TrimPrefix(s.URL, "https://"), host) {
			return s
		}
	}
	return nil
}

// has reports whether the site has the product.
func (s *Site) has(product string) bool {
	switch product {
	case "jira":
		return s.Jira != nil
	case "confluence":
		return s.Confluence != nil
	case "compass":
		return s.Compass != nil
	}
	panic(fmt.Sprintf("no such product: %q", product))
}

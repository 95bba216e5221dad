package rovo

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A shownPage is a page as the API returns it.
type shownPage struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Subtype    string            `json:"subtype,omitempty"`
	Status     string            `json:"status"`
	Title      string            `json:"title"`
	Space      string            `json:"spaceId"`
	Parent     any               `json:"parentId"`
	ParentType any               `json:"parentType"`
	Position   int               `json:"position"`
	Author     string            `json:"authorId"`
	Owner      string            `json:"ownerId"`
	LastOwner  any               `json:"lastOwnerId"`
	Created    string            `json:"createdAt"`
	Version    shownVersion      `json:"version"`
	Body       any               `json:"body,omitempty"`
	Links      map[string]string `json:"_links"`
}

type shownVersion struct {
	Number  int    `json:"number"`
	Message string `json:"message"`
	Minor   bool   `json:"minorEdit"`
	Author  string `json:"authorId"`
	Created string `json:"createdAt"`
}

func (c *call) version(p *Page) shownVersion {
	v := Version{Author: p.Author, Created: p.Created}
	if n := len(p.Versions); n > 0 {
		v = *p.Versions[n-1]
	}
	return shownVersion{max(len(p.Versions), 1), v.Message, false, v.Author, v.Created.Format(timeFormat)}
}

// shown returns a page with its body.
func (c *call) shown(p *Page, body any) shownPage {
	f := c.site.Confluence
	space := f.space(c.person.Account, p.Space)
	id := strconv.Itoa(p.ID)
	shown := shownPage{
		ID: id, Type: p.kind(), Status: p.status(), Title: p.Title, Space: strconv.Itoa(p.Space), Parent: orNull(p.Parent),
		Author: p.Author, Owner: p.Author, Created: p.Created.Format(timeFormat), Version: c.version(p), Body: body,
		Links: map[string]string{
			"base": c.wiki(), "webui": p.path(space), "editui": "/pages/resumedraft.action?draftId=" + id,
			"edituiv2": space.path() + "/pages/edit-v2/" + id, "tinyui": "/x/" + tinyID(p.ID),
		},
	}
	if p.Live {
		shown.Subtype = "live"
	}
	if p.Parent != 0 {
		shown.ParentType = "page"
	}
	for _, other := range f.Pages {
		if other.Parent == p.Parent && other.Space == p.Space && other.ID < p.ID {
			shown.Position++
		}
	}
	return shown
}

// filler makes pages long, for those who want to see what becomes of a huge answer.
const filler = "This paragraph is repeated so that the page is as long as the sandbox has been told to make pages. It says nothing else."

// bodyOf returns a page's body in a format: adf, html or markdown, which is also "".
func (c *call) bodyOf(p *Page, format string) any { return c.body(newDocument(p.Body), format) }

// body returns the body of a page in a format, as bodyOf does.
func (c *call) body(d document, format string) any {
	size := 0
	if c.view.HugePage != nil {
		size = c.view.HugePage()
	}
	if missing := size - len(d.markdown()); size > 0 && missing > 0 {
		blocks := d.blocks()
		for range missing/len(filler+"\n\n") + 1 {
			blocks = append(blocks, paragraph(&adfNode{Type: "text", Text: filler}))
		}
		d = writtenDocument(blocks)
	}
	return d.in(format)
}

// readBody returns a document that somebody has written in a format.
func readBody(text, format string) (document, error) {
	switch format {
	case "adf":
		if !isADF(text) {
			return document{}, failf(400, "Invalid ADF document: the body must be a JSON object of type \"doc\"")
		}
		return newDocument(json.RawMessage(text)), nil
	case "html", "storage":
		return writtenDocument(parseHTMLBlocks(text)), nil
	}
	return writtenDocument(parseMarkdown(text)), nil
}

func (c *call) confluencePage() (any, error) {
	var args struct{ PageID, ContentType, ContentFormat string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	p, err := c.pageNumbered(args.PageID)
	if err != nil {
		return nil, err
	}
	if args.ContentType == "page" && p.kind() != "page" || strings.HasPrefix(args.ContentType, "blog") && p.kind() != "blogpost" {
		return nil, failf(404, "Cannot find [%s] entity with id [%s]", args.ContentType, args.PageID)
	}
	return c.shown(p, c.bodyOf(p, args.ContentFormat)), nil
}

// taken reports whether a space has another page of that title, which it may not.
func (c *call) taken(space *Space, title string, but *Page) bool {
	return slices.ContainsFunc(c.site.Confluence.Pages, func(p *Page) bool {
		return p != but && p.Space == space.ID && p.kind() == "page" && p.status() == "current" && strings.EqualFold(p.Title, title)
	})
}

const titleTaken = "A page with this title already exists: A page already exists with the same TITLE in this space"

func (c *call) createPage() (any, error) {
	var args struct {
		SpaceID, Title, ParentID, Body, Subtype string
		Status, ContentType, ContentFormat      string // what later versions of the tool have
		IsPrivate                               bool
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	space, err := c.spaceNumbered(args.SpaceID)
	if err != nil {
		return nil, err
	}
	now := c.org.now()
	p := &Page{
		Space: space.ID, Parent: space.Home, Title: strings.TrimSpace(args.Title), Live: args.Subtype == "live",
		Author: c.person.Account, Created: now, Versions: []*Version{{Author: c.person.Account, Created: now}},
	}
	if strings.HasPrefix(args.ContentType, "blog") {
		p.Type, p.Parent = "blogpost", 0
	}
	if args.Status == "draft" {
		p.Status = "draft"
	}
	switch {
	case p.Title == "" && p.Status != "draft":
		return nil, failf(400, "Title is required if page status is not draft")
	case len(p.Title) > 255:
		return nil, failf(400, "Title cannot be longer than 255 characters")
	case p.kind() == "page" && c.taken(space, p.Title, nil):
		return nil, failf(400, titleTaken)
	}
	if args.ParentID != "" {
		parent, err := c.pageNumbered(args.ParentID)
		if err != nil {
			return nil, err
		}
		if parent.Space != space.ID {
			return nil, failf(400, "The parent page is not in the same space")
		}
		p.Parent = parent.ID
	}
	if args.IsPrivate {
		p.Members = Audience{c.person.Account}
	}
	body, err := readBody(args.Body, args.ContentFormat)
	if err != nil {
		return nil, err
	}
	p.ID, p.Body = c.org.number(), body.text
	c.site.Confluence.Pages = append(c.site.Confluence.Pages, p)
	c.mention(p, space, body)
	return c.shown(p, c.body(body, args.ContentFormat)), nil
}

func (c *call) updatePage() (any, error) {
	var args struct {
		PageID, Title, Status, SpaceID, ParentID, Body, VersionMessage, ContentFormat string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	p, err := c.pageNumbered(args.PageID)
	if err != nil {
		return nil, err
	}
	space, title, parent := c.site.Confluence.space(c.person.Account, p.Space), p.Title, p.Parent
	if args.SpaceID != "" && args.SpaceID != strconv.Itoa(p.Space) {
		if space, err = c.spaceNumbered(args.SpaceID); err != nil {
			return nil, err
		}
		parent = space.Home
	}
	if t := strings.TrimSpace(args.Title); t != "" {
		title = t
	}
	if args.ParentID != "" {
		above, err := c.pageNumbered(args.ParentID)
		switch {
		case err != nil:
			return nil, err
		case above.Space != space.ID:
			return nil, failf(400, "The parent page is not in the same space")
		case above == p, slices.Contains(c.site.Confluence.ancestors(above), p):
			return nil, failf(400, "A page cannot be moved under itself or its descendants")
		}
		parent = above.ID
	}
	if p.kind() == "page" && c.taken(space, title, p) {
		return nil, failf(400, titleTaken)
	}
	body, err := readBody(args.Body, args.ContentFormat)
	if err != nil {
		return nil, err
	}
	if args.Status == "draft" {
		p.Draft = &Draft{title, body.text}
		shown := c.shown(p, body.in(args.ContentFormat))
		shown.Title, shown.Status = title, "draft"
		return shown, nil
	}
	if space.ID != p.Space {
		c.move(p, space.ID)
	}
	p.Title, p.Parent, p.Body, p.Draft, p.Status = title, parent, body.text, nil, ""
	p.Versions = append(p.Versions, &Version{Author: c.person.Account, Created: c.org.now(), Message: args.VersionMessage})
	c.mention(p, space, body)
	return c.shown(p, c.body(body, args.ContentFormat)), nil
}

// move puts a page and what is under it in another space.
func (c *call) move(p *Page, space int) {
	f := c.site.Confluence
	for _, below := range f.Pages {
		if slices.Contains(f.ancestors(below), p) {
			below.Space = space
		}
	}
	p.Space = space
}

// mention makes the issues that the person names in a text on a page, and may see, link to the page.
func (c *call) mention(p *Page, space *Space, text document) {
	c.site.linkMentions(c.person.Account, c.wiki()+p.path(space), p.Title, text.markdown())
}

// formatGuide says how to write what other tools take.
func (c *call) formatGuide() (any, error) {
	var args struct{ ToolName string }
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	guide := map[string]any{
		"formats": map[string]string{
			"markdown": "CommonMark with GitHub's tables, task lists and strikethrough. " +
				"What Markdown cannot say, such as macros, comes as a code block of the language adf or as <custom> elements: keep them as they are.",
			"adf":  "The Atlassian Document Format, a JSON object {\"type\":\"doc\",\"version\":1,\"content\":[…]} passed as text. Nothing is lost.",
			"html": "Headings, paragraphs, lists, tables, links, code, quotes and text marks.",
		},
		"default": "markdown",
	}
	if args.ToolName != "" {
		guide["toolName"] = args.ToolName
	}
	return guide, nil
}

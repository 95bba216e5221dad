package rovo

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The tools answer as the Confluence Cloud REST API v2 does, searches as version 1's search. This file has what lists spaces, pages and what a
// query finds; confluence_page.go reads and writes single pages, confluence_comment.go comments.

func confluenceTools() []Tool {
	return bind("confluence", map[string]func(*call) (any, error){
		"getConfluenceSpaces":             (*call).confluenceSpaces,
		"getConfluencePage":               (*call).confluencePage,
		"getPagesInConfluenceSpace":       (*call).confluencePages,
		"getConfluencePageFooterComments": (*call).footerComments,
		"getConfluencePageInlineComments": (*call).inlineComments,
		"getConfluenceCommentChildren":    (*call).commentReplies,
		"getConfluencePageDescendants":    (*call).pageDescendants,
		"createConfluencePage":            (*call).createPage,
		"updateConfluencePage":            (*call).updatePage,
		"createConfluenceFooterComment":   (*call).createFooterComment,
		"createConfluenceInlineComment":   (*call).createInlineComment,
		"searchConfluenceUsingCql":        (*call).searchCQL,
		"getContentFormatGuide":           (*call).formatGuide,
	})
}

// timeFormat is how the API writes times.
const timeFormat = "2006-01-02T15:04:05.000Z"

// A batch is a page of results, as tools ask for it.
type batch struct {
	Cursor string
	Limit  float64
}

// A batchOf is a list of results, with a way to the next ones.
type batchOf struct {
	Results any               `json:"results"`
	Links   map[string]string `json:"_links"`
}

// window returns which of n results a batch has, and the cursors of the batches before and after, "" if there are none.
func (b batch) window(n int) (from, to int, prev, next string, err error) {
	limit := 25
	if b.Limit >= 1 {
		limit = int(min(b.Limit, 250))
	}
	if b.Cursor != "" {
		cursor := b.Cursor
		if _, query, ok := strings.Cut(cursor, "?"); ok { // a whole link, rather than the cursor in it
			values, _ := url.ParseQuery(query)
			cursor = values.Get("cursor")
		}
		text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(cursor, "="))
		if err == nil {
			_, err = fmt.Sscanf(string(text), "from:%d", &from)
		}
		if err != nil || from < 0 {
			return 0, 0, "", "", failf(400, "Invalid cursor: %s", b.Cursor)
		}
	}
	from = min(from, n)
	to = min(from+limit, n)
	if from > 0 {
		prev = cursorAt(max(from-limit, 0))
	}
	if to < n {
		next = cursorAt(to)
	}
	return from, to, prev, next, nil
}

func cursorAt(from int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("from:" + strconv.Itoa(from)))
}

// listed returns the batch of results that is asked for, each as show makes it, with a link to the next at path.
func listed[T any](c *call, b batch, all []T, path string, show func(T) any) (any, error) {
	from, to, _, next, err := b.window(len(all))
	if err != nil {
		return nil, err
	}
	results := []any{}
	for _, one := range all[from:to] {
		results = append(results, show(one))
	}
	links := map[string]string{"base": c.wiki()}
	if next != "" {
		links["next"] = "/wiki/api/v2" + path + "?" + url.Values{"limit": {strconv.Itoa(to - from)}, "cursor": {next}}.Encode()
	}
	return batchOf{results, links}, nil
}

// wiki returns the address of the site's Confluence.
func (c *call) wiki() string { return c.site.URL + "/wiki" }

// oneOrMany is an argument that is a text or a list of texts or numbers.
type oneOrMany []string

// UnmarshalJSON takes a text, in which commas separate, or a list.
func (m *oneOrMany) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		for part := range strings.SplitSeq(one, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*m = append(*m, part)
			}
		}
		return nil
	}
	var many []any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&many); err != nil {
		return err
	}
	for _, one := range many {
		*m = append(*m, fmt.Sprint(one))
	}
	return nil
}

func (c *call) confluenceSpaces() (any, error) {
	var args struct {
		batch
		IDs, Keys, Labels           oneOrMany
		Type, Status, Sort          string
		FavoritedBy, NotFavoritedBy string
		DescriptionFormat           string
		IncludeIcon                 bool
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	var spaces []*Space
	for _, s := range c.site.Confluence.Spaces {
		if s.Members.Has(c.person.Account) &&
			(args.IDs == nil || slices.Contains(args.IDs, strconv.Itoa(s.ID))) &&
			(args.Keys == nil || slices.ContainsFunc(args.Keys, func(key string) bool { return strings.EqualFold(key, s.Key) })) &&
			(args.Labels == nil || slices.ContainsFunc(args.Labels, func(label string) bool { return slices.Contains(s.Labels, label) })) &&
			(args.Type == "" || args.Type == s.Type) &&
			(args.Status == "" || args.Status == s.status()) &&
			(args.FavoritedBy == "" || slices.Contains(s.Favorite, args.FavoritedBy)) &&
			(args.NotFavoritedBy == "" || !slices.Contains(s.Favorite, args.NotFavoritedBy)) {
			spaces = append(spaces, s)
		}
	}
	by, desc := strings.CutPrefix(args.Sort, "-")
	slices.SortStableFunc(spaces, func(a, b *Space) int {
		n := a.ID - b.ID
		switch by {
		case "key":
			n = cmp.Compare(a.Key, b.Key)
		case "name":
			n = cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		}
		if desc {
			return -n
		}
		return n
	})
	return listed(c, args.batch, spaces, "/spaces", func(s *Space) any {
		shown := map[string]any{
			"id": strconv.Itoa(s.ID), "key": s.Key, "name": s.Name, "type": s.Type, "status": s.status(), "authorId": s.Author, "spaceOwnerId": s.Author,
			"currentActiveAlias": s.Key, "createdAt": s.Created.Format(timeFormat), "homepageId": orNull(s.Home), "description": nil, "icon": nil,
			"_links": map[string]string{"webui": s.path()},
		}
		if args.DescriptionFormat != "" {
			value := s.Description
			if args.DescriptionFormat == "view" {
				value = "<p>" + html.EscapeString(value) + "</p>"
			}
			shown["description"] = map[string]any{args.DescriptionFormat: map[string]string{"value": value, "representation": args.DescriptionFormat}}
		}
		if args.IncludeIcon {
			shown["icon"] = map[string]string{"path": "/images/logo/default-space-logo.svg", "apiDownloadLink": c.wiki() + "/images/logo/default-space-logo.svg"}
		}
		return shown
	})
}

// orNull returns an ID as the API does, null if there is none.
func orNull(id int) any {
	if id == 0 {
		return nil
	}
	return strconv.Itoa(id)
}

// spaceNumbered returns a space that the caller may see by its ID.
func (c *call) spaceNumbered(id string) (*Space, error) {
	n, _ := strconv.Atoi(id)
	if s := c.site.Confluence.space(c.person.Account, n); s != nil {
		return s, nil
	}
	return nil, failf(404, "Cannot find [space] entity with id [%s]", id)
}

// pageNumbered returns a page that the caller may see by its ID or that of its short link.
func (c *call) pageNumbered(id string) (*Page, error) {
	if p := c.site.Confluence.page(c.person.Account, pageID(id)); p != nil && p.status() != "deleted" {
		return p, nil
	}
	return nil, failf(404, "Cannot find [page] entity with id [%s]", id)
}

func (c *call) confluencePages() (any, error) {
	var args struct {
		batch
		SpaceID, Status, Title, Sort, Depth, Subtype, ContentType, ContentFormat string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	space, err := c.spaceNumbered(args.SpaceID)
	if err != nil {
		return nil, err
	}
	kind := "page"
	if args.ContentType == "blog" || args.ContentType == "blogpost" {
		kind = "blogpost"
	}
	pages := slices.DeleteFunc(c.site.Confluence.visiblePages(c.person.Account), func(p *Page) bool {
		return p.Space != space.ID || p.kind() != kind || p.status() != cmp.Or(args.Status, "current") ||
			args.Title != "" && !strings.EqualFold(p.Title, args.Title) ||
			args.Depth == "root" && p.Parent != 0 ||
			args.Subtype != "" && p.Live != (args.Subtype == "live")
	})
	by, desc := strings.CutPrefix(args.Sort, "-")
	slices.SortStableFunc(pages, func(a, b *Page) int {
		n := a.ID - b.ID
		switch by {
		case "created-date":
			n = a.Created.Compare(b.Created)
		case "modified-date":
			n = a.modified().Compare(b.modified())
		case "title":
			n = cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
		}
		if desc {
			return -n
		}
		return n
	})
	return listed(c, args.batch, pages, "/spaces/"+args.SpaceID+"/pages", func(p *Page) any { return c.shown(p, c.bodyOf(p, args.ContentFormat)) })
}

// maxDepth is how deep the API looks for descendants unless told.
const maxDepth = 5

func (c *call) pageDescendants() (any, error) {
	var args struct {
		batch
		PageID string
		Depth  float64
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	top, err := c.pageNumbered(args.PageID)
	if err != nil {
		return nil, err
	}
	depth := maxDepth
	if args.Depth >= 1 {
		depth = int(min(args.Depth, maxDepth))
	}
	type descendant struct {
		ID       string `json:"id"`
		Status   string `json:"status"`
		Title    string `json:"title"`
		Type     string `json:"type"`
		Parent   string `json:"parentId"`
		Depth    int    `json:"depth"`
		Position int    `json:"childPosition"`
	}
	var found []descendant
	pages := c.site.Confluence.visiblePages(c.person.Account)
	var descend func(*Page, int)
	descend = func(above *Page, level int) {
		position := 0
		for _, p := range pages {
			if p.Parent == above.ID && p.status() == "current" && p.kind() == "page" && level <= depth {
				found = append(found, descendant{strconv.Itoa(p.ID), p.status(), p.Title, "page", strconv.Itoa(above.ID), level, position})
				position++
				descend(p, level+1)
			}
		}
	}
	descend(top, 1)
	slices.SortStableFunc(found, func(a, b descendant) int { return a.Depth - b.Depth })
	return listed(c, args.batch, found, "/pages/"+strconv.Itoa(top.ID)+"/descendants", func(d descendant) any { return d })
}

func (c *call) searchCQL() (any, error) {
	var args struct {
		batch
		CQL    string
		Expand string
		Prev   *bool
		Next   *bool
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	query, ok := parseCQL(args.CQL)
	if !ok {
		return nil, failf(400, "Could not parse cql : %s", args.CQL)
	}
	began := time.Now()
	found := contentSearch{c}.find(query)
	from, to, prev, next, err := args.window(len(found))
	if err != nil {
		return nil, err
	}
	results := []any{}
	for _, m := range found[from:to] {
		results = append(results, c.result(m, args.Expand))
	}
	limit := 25
	if args.Limit >= 1 {
		limit = int(min(args.Limit, 250))
	}
	links := map[string]string{"base": c.wiki(), "context": "/wiki", "self": c.wiki() + "/rest/api/search?cql=" + url.QueryEscape(args.CQL)}
	link := func(rel, cursor string, start int) {
		links[rel] = "/rest/api/search?" + url.Values{
			rel: {"true"}, "cursor": {cursor}, "limit": {strconv.Itoa(limit)}, "start": {strconv.Itoa(start)}, "cql": {args.CQL},
		}.Encode()
	}
	if next != "" && (args.Next == nil || *args.Next) {
		link("next", next, to)
	}
	if prev != "" && (args.Prev == nil || *args.Prev) {
		link("prev", prev, max(from-limit, 0))
	}
	return map[string]any{
		"results": results, "start": from, "limit": limit, "size": len(results), "totalSize": len(found), "cqlQuery": args.CQL,
		"searchDuration": time.Since(began).Milliseconds(), "_links": links,
	}, nil
}

// result returns what a search has found as the API does.
func (c *call) result(m *cqlItem, expand string) any {
	path := m.space.path()
	shown := map[string]any{
		"title": m.title(), "excerpt": excerpt(m.text()), "entityType": "content", "iconCssClass": "aui-iconfont-page-default",
		"resultGlobalContainer": map[string]string{"title": m.space.Name, "displayUrl": path}, "breadcrumbs": []any{},
		"lastModified": m.modified().Format(timeFormat), "friendlyLastModified": m.modified().Format("Jan 02, 2006"), "score": m.score,
	}
	if m.page == nil {
		shown["entityType"], shown["iconCssClass"] = "space", "aui-iconfont-space-default"
		shown["space"] = map[string]any{
			"id": m.space.ID, "key": m.space.Key, "name": m.space.Name, "type": m.space.Type, "status": m.space.status(),
			"_links": map[string]string{"webui": path, "self": c.wiki() + "/rest/api/space/" + m.space.Key},
		}
	} else {
		path = m.page.path(m.space)
		id := strconv.Itoa(m.id())
		content := map[string]any{"id": id, "type": m.kind(), "status": m.page.status(), "title": m.title()}
		if m.comment != nil {
			path += "?focusedCommentId=" + id
			shown["iconCssClass"] = "aui-iconfont-comment"
		}
		content["_links"] = map[string]string{"webui": path, "self": c.wiki() + "/rest/api/content/" + id, "tinyui": "/x/" + tinyID(m.id())}
		if strings.Contains(expand, "space") {
			content["space"] = map[string]any{"id": m.space.ID, "key": m.space.Key, "name": m.space.Name}
		}
		if strings.Contains(expand, "version") && m.comment == nil {
			content["version"] = c.version(m.page)
		}
		if strings.Contains(expand, "body") && m.comment == nil {
			content["body"] = map[string]any{"storage": map[string]any{"value": c.bodyOf(m.page, "html"), "representation": "storage"}}
		}
		shown["content"] = content
	}
	shown["url"] = path
	return shown
}

// excerpt returns the beginning of a text, up to the end of a word.
func excerpt(text string) string {
	const length = 300
	if len(text) <= length {
		return text
	}
	if end := strings.LastIndexAny(text[:length], " \n"); end > 0 {
		return text[:end]
	}
	return strings.ToValidUTF8(text[:length], "")
}

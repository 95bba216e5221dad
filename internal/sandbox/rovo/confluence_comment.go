package rovo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A shownComment is a comment as the API returns it.
type shownComment struct {
	ID         string            `json:"id"`
	Status     string            `json:"status"`
	Title      string            `json:"title"`
	Page       string            `json:"pageId,omitempty"`
	Blog       string            `json:"blogPostId,omitempty"`
	Parent     string            `json:"parentCommentId,omitempty"`
	Version    shownVersion      `json:"version"`
	Body       any               `json:"body"`
	Resolution string            `json:"resolutionStatus,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Links      map[string]string `json:"_links"`
}

func (m *Comment) status() string {
	if m.Status == "" {
		return "current"
	}
	return m.Status
}

func (m *Comment) resolution() string {
	if m.Resolution == "" {
		return "open"
	}
	return m.Resolution
}

func (c *call) shownComment(m *Comment, format string) any {
	f := c.site.Confluence
	p := f.byID(m.Page)
	id := strconv.Itoa(m.ID)
	shown := shownComment{
		ID: id, Status: m.status(), Title: "Re: " + p.Title, Version: shownVersion{max(m.Versions, 1), "", false, m.Author, m.Created.Format(timeFormat)},
		Body:  newDocument(m.Body).in(format),
		Links: map[string]string{"base": c.wiki(), "webui": p.path(f.space(c.person.Account, p.Space)) + "?focusedCommentId=" + id},
	}
	if p.kind() == "page" {
		shown.Page = strconv.Itoa(p.ID)
	} else {
		shown.Blog = strconv.Itoa(p.ID)
	}
	if m.Parent != 0 {
		shown.Parent = strconv.Itoa(m.Parent)
	}
	if m.Inline && m.Parent == 0 {
		shown.Resolution = m.resolution()
		shown.Properties = map[string]string{"inlineMarkerRef": fmt.Sprintf("00000000-0000-4000-a000-%012d", m.ID), "inlineOriginalSelection": m.Selection}
	}
	return shown
}

func (c *call) footerComments() (any, error) { return c.comments(false) }
func (c *call) inlineComments() (any, error) { return c.comments(true) }

// comments lists a page's comments that are no replies.
func (c *call) comments(inline bool) (any, error) {
	args := struct {
		batch
		PageID, Status, Sort, ContentFormat string
		ResolutionStatus                    string
	}{Status: "current", ResolutionStatus: "open"}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	p, err := c.pageNumbered(args.PageID)
	if err != nil {
		return nil, err
	}
	var comments []*Comment
	for _, m := range c.site.Confluence.Comments {
		if m.Page == p.ID && m.Parent == 0 && m.Inline == inline && m.status() == args.Status && (!inline || m.resolution() == args.ResolutionStatus) {
			comments = append(comments, m)
		}
	}
	kind := "footer"
	if inline {
		kind = "inline"
	}
	return c.listedComments(args.batch, comments, args.Sort, args.ContentFormat, "/pages/"+strconv.Itoa(p.ID)+"/"+kind+"-comments")
}

func (c *call) listedComments(b batch, comments []*Comment, sort, format, path string) (any, error) {
	by, desc := strings.CutPrefix(sort, "-")
	slices.SortStableFunc(comments, func(a, b *Comment) int {
		n := a.ID - b.ID
		if by == "created-date" {
			n = a.Created.Compare(b.Created)
		}
		if desc {
			return -n
		}
		return n
	})
	return listed(c, b, comments, path, func(m *Comment) any { return c.shownComment(m, format) })
}

// commentNumbered returns a comment of a kind, on a page that the caller may see, by its ID.
func (c *call) commentNumbered(id string, inline bool) (*Comment, error) {
	n, _ := strconv.Atoi(id)
	if m := c.site.Confluence.comment(c.person.Account, n); m != nil && m.Inline == inline {
		return m, nil
	}
	return nil, failf(404, "Cannot find [comment] entity with id [%s]", id)
}

// commentReplies lists the replies to a comment.
func (c *call) commentReplies() (any, error) {
	var args struct {
		batch
		CommentID, CommentType, Sort, ContentFormat string
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	above, err := c.commentNumbered(args.CommentID, args.CommentType == "inline")
	if err != nil {
		return nil, err
	}
	var replies []*Comment
	for _, m := range c.site.Confluence.Comments {
		if m.Parent == above.ID && m.status() == "current" {
			replies = append(replies, m)
		}
	}
	return c.listedComments(args.batch, replies, args.Sort, args.ContentFormat, "/"+args.CommentType+"-comments/"+args.CommentID+"/children")
}

// A newComment is a comment as the tools take it.
type newComment struct {
	PageID, ParentCommentID, AttachmentID, CustomContentID string
	Body, ContentFormat                                    string
	InlineCommentProperties                                *struct {
		TextSelection           string
		TextSelectionMatchCount float64
		TextSelectionMatchIndex float64
	}
}

func (c *call) createFooterComment() (any, error) { return c.createComment(false) }
func (c *call) createInlineComment() (any, error) { return c.createComment(true) }

func (c *call) createComment(inline bool) (any, error) {
	var args newComment
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	m := &Comment{Inline: inline, Author: c.person.Account, Created: c.org.now()}
	switch {
	case args.ParentCommentID != "":
		above, err := c.commentNumbered(args.ParentCommentID, inline)
		if err != nil {
			return nil, err
		}
		m.Page, m.Parent = above.Page, above.ID
	case args.PageID != "":
		p, err := c.pageNumbered(args.PageID)
		if err != nil {
			return nil, err
		}
		m.Page = p.ID
		if err := m.place(p, args); err != nil {
			return nil, err
		}
	case args.AttachmentID != "":
		return nil, failf(404, "Cannot find [attachment] entity with id [%s]", args.AttachmentID)
	case args.CustomContentID != "":
		return nil, failf(404, "Cannot find [custom-content] entity with id [%s]", args.CustomContentID)
	default:
		return nil, failf(400, "Either pageId or parentCommentId must be provided")
	}
	body, err := readBody(args.Body, args.ContentFormat)
	if err != nil {
		return nil, err
	}
	m.ID, m.Body = c.org.number(), body.text
	f := c.site.Confluence
	f.Comments = append(f.Comments, m)
	p := f.byID(m.Page)
	c.mention(p, f.space(c.person.Account, p.Space), body)
	return c.shownComment(m, args.ContentFormat), nil
}

// place puts an inline comment at the text that it is about, which the page must have as often as the caller thinks.
func (m *Comment) place(p *Page, args newComment) error {
	at := args.InlineCommentProperties
	switch {
	case !m.Inline:
		return nil
	case at == nil:
		return failf(400, "inlineCommentProperties is required for a top level inline comment")
	case at.TextSelectionMatchIndex < 0 || at.TextSelectionMatchIndex >= at.TextSelectionMatchCount:
		return failf(400, "textSelectionMatchCount must be strictly greater than textSelectionMatchIndex")
	}
	if n := strings.Count(adfText(p.Body), at.TextSelection); at.TextSelection == "" || n == 0 || n != int(at.TextSelectionMatchCount) {
		return failf(400, "The text selection %q was found %d times on the page, not %v", at.TextSelection, n, at.TextSelectionMatchCount)
	}
	m.Selection = at.TextSelection
	return nil
}

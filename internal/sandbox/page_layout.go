package sandbox

import (
	"net/http"
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// This file has what the pages are made of; page_live.go, page_audit.go and page_data.go put it together. Texts come from clients and from
// the data: they are escaped. Addresses are not looked at: in each of them the path is written here, and what a person typed can only be a
// part of the query. No page has a script or a style in itself.

// A pageHead is what every page has.
type pageHead struct {
	Title  string
	Path   string
	Origin string
	Live   bool // whether the page is loaded again and again
}

// draw answers with a page.
func draw(w http.ResponseWriter, status int, page g.Node) {
	pageHeaders(w, "text/html; charset=utf-8")
	w.WriteHeader(status)
	page.Render(w) // the browser may have gone
}

// page returns the whole document around content.
func (p pageHead) page(content ...g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(p.Title+" · Rovo MCP sandbox")),
			h.Link(h.Rel("icon"), h.Href("/icon.svg")),
			h.Link(h.Rel("stylesheet"), h.Href("/page.css")),
			h.Script(h.Src("/page.js"), h.Defer()),
		),
		h.Body(g.If(p.Live, g.Attr("data-poll")),
			h.P(h.Class("note"), g.Text("This is a sandbox on your own machine. It is not Atlassian’s, and everybody in it is made up.")),
			h.Header(
				h.P(h.Class("brand"), g.Text("Rovo MCP sandbox "), code(p.Origin)),
				h.Nav(h.Aria("label", "Pages"), p.link("/", "Now"), p.link("/audit", "Audit log"), p.link("/data", "Data")),
				h.P(h.ID("state"), h.Role("status")),
			),
			h.Main(
				h.H1(g.Text(p.Title)),
				g.Group(content),
			),
		),
	))
}

func (p pageHead) link(path, name string) g.Node {
	return h.A(h.Href(path), g.If(p.Path == path, h.Aria("current", "page")), g.Text(name))
}

// section returns a part of a page under a heading, by whose ID it is named.
func section(id, heading string, content ...g.Node) g.Node {
	return h.Section(h.Aria("labelledby", "h-"+id),
		h.H2(h.ID("h-"+id), g.Text(heading)),
		g.Group(content),
	)
}

// live marks an element that page.js keeps up to date, by its ID.
func live() g.Node { return g.Attr("data-live") }

// columns returns the headings of a table.
func columns(names ...string) g.Node {
	return g.Map(names, func(name string) g.Node { return h.Th(h.Scope("col"), g.Text(name)) })
}

// rows returns a row for each of list, or else one that says so, as wide as the table.
func rows[T any](list []T, row func(T) g.Node, width int, none string) g.Node {
	if len(list) == 0 {
		return h.Tr(h.Class("none"), h.Td(h.ColSpan(strconv.Itoa(width)), g.Text(none)))
	}
	return g.Map(list, row)
}

// cell returns a cell of a table, with the heading that it has where the window is too narrow for columns.
func cell(label string, content ...g.Node) g.Node {
	return h.Td(h.Data("label", label), g.Group(content))
}

func code(text string) g.Node { return h.Code(g.Text(text)) }

// status returns a word with a dot in front, whose color is of the class good, soft or bad.
func status(class, word string) g.Node { return h.Span(h.Class("status "+class), g.Text(word)) }

// clock returns the time of day.
func clock(t time.Time) g.Node { return moment(t, time.TimeOnly) }

// ago returns the time of day, of which page.js makes how long ago that was.
func ago(t time.Time) g.Node { return moment(t, time.TimeOnly, h.Class("ago")) }

// moment returns t as layout has it, and in full to who points at it.
func moment(t time.Time, layout string, class ...g.Node) g.Node {
	return h.Time(g.Group(class), h.DateTime(t.Format("2006-01-02T15:04:05.000Z07:00")), h.Title(t.Format("2006-01-02 15:04:05 -07:00")),
		g.Text(t.Format(layout)))
}

// copyable returns a text with a button that copies it, if there is script.
func copyable(id, text string) g.Node {
	return h.Div(h.Class("code"),
		h.Pre(h.ID(id), h.TabIndex("0"), g.Text(text)),
		h.Button(h.Type("button"), h.Class("copy"), h.Data("copy", id), g.Attr("hidden"), g.Text("Copy")),
	)
}

// wrong returns what is wrong with a form.
func wrong(what string, attributes ...g.Node) g.Node {
	return h.P(h.Class("wrong"), h.Role("alert"), g.Group(attributes), g.Text(what))
}

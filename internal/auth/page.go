package auth

import (
	"crypto/rand"
	_ "embed"
	"net/http"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// This file draws the page that ends a sign-in in the browser. Texts in it may come from strangers: they are escaped, and none becomes an
// address, a script or a style. It does without html/template because of what TestReflection in cmd/atlassian-mcp says.

// A page is what the browser shows.
type page struct {
	OK                  bool
	Title, Text, Detail string
}

//go:embed page.css
var pageCSS string

// html returns the document; nonce is what the style sheet is known by.
func (p page) html(nonce string) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(p.Title+" · atlassian-mcp")),
			h.StyleEl(g.Attr("nonce", nonce), g.Raw(pageCSS)),
		),
		h.Body(
			h.Main(
				p.picture(),
				h.H1(g.Text(p.Title)),
				h.P(g.Text(p.Text)),
				g.If(p.Detail != "", h.P(h.Class("detail"), g.Text(p.Detail))),
				h.Footer(g.Text("atlassian-mcp")),
			),
		),
	))
}

// picture is a tick or an exclamation mark.
func (p page) picture() g.Node {
	class, path := "bad", "M28 15v17M28 40v1"
	if p.OK {
		class, path = "good", "M17 29l8 8 15-17"
	}
	return h.SVG(h.Class(class), g.Attr("viewBox", "0 0 56 56"), h.Aria("hidden", "true"),
		g.El("circle", g.Attr("cx", "28"), g.Attr("cy", "28"), g.Attr("r", "25")),
		g.El("path", g.Attr("d", path)),
	)
}

func writePage(w http.ResponseWriter, status int, p page) {
	nonce := rand.Text()
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer") // the address holds the code
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	p.html(nonce).Render(w) // the browser may have gone
}

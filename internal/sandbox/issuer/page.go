package issuer

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// This file draws the page of consent.go. Texts in it come from clients and from the data: they are escaped. The form goes to an address of
// this server's own, and nothing but numbers is added to the style sheet.

//go:embed page.css
var pageCSS string

// html returns the document; nonce is what the style sheet is known by.
func (p *page) html(nonce string) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(p.Title+" · sandbox")),
			h.StyleEl(g.Attr("nonce", nonce), g.Raw(pageCSS), g.Raw(p.hideSites())),
		),
		h.Body(
			h.Main(
				h.Div(h.Class("note"), g.Text("This is a sandbox on your own machine. It is not Atlassian, and asks for no password.")),
				h.Div(h.Class("body"),
					h.H1(g.Text(p.Title)),
					p.body(),
				),
			),
		),
	))
}

// hideSites returns the style that makes the sites of somebody else disappear. Where :has is not known they stay, and choosing them changes
// nothing.
func (p *page) hideSites() string {
	var css strings.Builder
	for i := range p.People {
		fmt.Fprintf(&css, "form:has(#person%d:checked) .site:not(.of%d) { display: none; }\n", i, i)
	}
	return css.String()
}

func (p *page) body() g.Node {
	if p.Error != "" {
		return wrong(p.Error + ": " + p.Problem)
	}
	where := "The answer goes to " + p.Redirect
	if p.Steps > 1 {
		where = fmt.Sprintf("Step %d of %d · %s", p.Step, p.Steps, where)
	}
	return g.Group{
		h.P(g.Text(where)),
		g.If(p.Problem != "", wrong(p.Problem)),
		g.If(p.Blocked != "", wrong(p.Blocked)),
		h.Form(h.Method("post"), h.Action(p.Action),
			h.Input(h.Type("hidden"), h.Name("request"), h.Value(p.Request)),
			g.If(p.Blocked == "", g.Group{p.people(), p.sites(), p.products(), p.scopes()}),
			p.buttons(),
		),
	}
}

func wrong(what string) g.Node { return h.P(h.Class("wrong"), h.Role("alert"), g.Text(what)) }

// people asks who it is, if that could be several.
func (p *page) people() g.Node {
	switch len(p.People) {
	case 0:
		return nil
	case 1:
		only := p.People[0]
		return h.FieldSet(
			h.Legend(g.Text("You are "+only.Name+" "), small(only.Email)),
			h.Input(h.Type("hidden"), h.Name("email"), h.Value(only.Email)),
		)
	}
	fields := g.Group{h.Legend(g.Text("Who are you?"))}
	for i, person := range p.People {
		fields = append(fields, h.Label(
			h.Input(h.Type("radio"), h.Name("email"), h.Value(person.Email), h.ID("person"+strconv.Itoa(i)), g.If(i == 0, h.Checked())),
			g.Text(" "+person.Name+" "), small(person.Email),
		))
	}
	return h.FieldSet(fields)
}

func (p *page) sites() g.Node {
	return fieldSet("Which sites may it use?", p.Sites, func(site pageSite) g.Node {
		class := "site"
		for _, i := range site.Members {
			class += " of" + strconv.Itoa(i) // for hideSites
		}
		return h.Label(h.Class(class),
			h.Input(h.Type("checkbox"), h.Name("site"), h.Value(site.ID), h.Checked()),
			g.Text(" "+site.Name+" "), small(site.URL),
		)
	})
}

func (p *page) products() g.Node {
	return fieldSet("Which products may it use?", p.Products, func(product string) g.Node {
		return h.Label(h.Class("product"),
			h.Input(h.Type("checkbox"), h.Name("product"), h.Value(product), h.Checked()),
			g.Text(" "+product),
		)
	})
}

// fieldSet asks a question about each of list, or nothing if there are none.
func fieldSet[T any](question string, list []T, field func(T) g.Node) g.Node {
	if len(list) == 0 {
		return nil
	}
	return h.FieldSet(h.Legend(g.Text(question)), g.Map(list, field))
}

func (p *page) scopes() g.Node {
	if len(p.Scopes) == 0 {
		return nil
	}
	return h.Details(
		h.Summary(g.Text("What this allows")),
		h.Ul(g.Map(p.Scopes, func(scope string) g.Node { return h.Li(g.Text(scope)) })),
	)
}

func (p *page) buttons() g.Node {
	accept := "Accept"
	if p.Step < p.Steps {
		accept = "Continue"
	}
	return h.Div(h.Class("buttons"),
		h.Button(h.Name("decision"), h.Value("cancel"), g.Text("Cancel")),
		g.If(p.Blocked == "", h.Button(h.Class("act"), h.Name("decision"), h.Value("accept"), g.Text(accept))),
	)
}

func small(text string) g.Node { return h.Small(g.Text(text)) }

package sandbox

import (
	"cmp"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// This file draws the audit log.

func (p auditPage) html() g.Node {
	return p.page(
		h.P(
			g.Text("What an administrator of the organization sees: sign-ins, and every use of a tool as a "),
			h.Em(g.Text("Rovo MCP User Action")),
			g.Text(". Atlassian logs only the first user’s install of each site; here those of later users are seen too."),
		),
		p.filter(),
		h.P(h.Class("more"), h.ID("found"), live(),
			g.Textf("%d of %d shown, newest first · ", len(p.Actions), p.Found),
			h.A(h.Href(p.CSV), g.Text("CSV")), g.Text(" · "), h.A(h.Href(p.JSON), g.Text("JSON")), // of this page, with a query
		),
		h.Section(h.Aria("label", "Actions"),
			h.Table(
				h.THead(h.Tr(columns("Date", "Actor", "Action", "Product and site", "Client", "Outcome", "IP address"))),
				h.TBody(h.ID("actions"), live(), rows(p.Actions, Action.row, 7, p.none())),
			),
		),
	)
}

func (p auditPage) filter() g.Node {
	return h.Form(h.Class("filter"), h.Method("get"), h.Action("/audit"),
		h.Label(g.Text("Person "), h.Input(h.Name("person"), h.Value(p.Person), h.List("people"), h.AutoComplete("off"))),
		h.Label(g.Text("Tool "), h.Input(h.Name("tool"), h.Value(p.Tool), h.List("tools"), h.AutoComplete("off"))),
		h.Button(g.Text("Filter")),
		g.If(p.filtered(), h.A(h.Href("/audit"), g.Text("Show all"))),
		h.DataList(h.ID("people"), options(p.People)),
		h.DataList(h.ID("tools"), options(p.Tools)),
	)
}

func (p auditPage) filtered() bool { return p.Person != "" || p.Tool != "" }

func (p auditPage) none() string {
	if p.filtered() {
		return "There is nothing that fits the filter."
	}
	return "There is nothing."
}

func options(values []string) g.Node {
	return g.Map(values, func(value string) g.Node { return h.Option(h.Value(value)) })
}

func (a Action) row() g.Node {
	return h.Tr(
		cell("Date", moment(a.Time, time.DateTime)),
		cell("Actor", g.Text(cmp.Or(a.Actor, "not known")), h.Br(), h.Small(g.Text(a.ActorType))),
		cell("Action", a.what(), h.Br(), h.Small(g.Text(a.Category))),
		cell("Where", a.where()),
		cell("Client", g.Text(a.App), h.Br(), h.Small(g.Text(a.client()))),
		cell("Outcome", a.outcome()),
		cell("IP address", g.Text(cmp.Or(a.IP, "–"))),
	)
}

func (a Action) what() g.Node {
	switch {
	case a.Tool == "":
		return g.Text(a.Action)
	case a.Inner == "":
		return code(a.Tool)
	}
	return g.Group{code(a.Tool), g.Text(" → "), code(a.Inner)}
}

func (a Action) where() g.Node {
	if a.Product == "" && a.Site == "" {
		return g.Text("–")
	}
	return g.Group{
		g.Text(a.Product),
		g.If(a.Product != "" && a.Site != "", h.Br()),
		g.If(a.Site != "", h.Small(g.Text(a.Site))),
	}
}

// client returns what the client has registered as, and what it calls itself.
func (a Action) client() string {
	if a.Client == "" || a.Program == "" {
		return a.Client + a.Program
	}
	return a.Client + " · " + a.Program
}

func (a Action) outcome() g.Node {
	if a.Outcome == "Success" {
		return status("good", a.Outcome)
	}
	return status("bad", a.Outcome)
}

package sandbox

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file draws what goes on now, and the API token that one can make there.

func (p livePage) html() g.Node {
	return p.page(
		h.Div(h.Class("columns"),
			h.Div(
				p.connect(),
				p.grants(),
				p.sessions(),
				p.calls(),
				p.counts(),
				section("data", "Data",
					h.P(
						g.Text("The organization is one JSON document: "), h.A(h.Href("/control/data"), g.Text("look at it")),
						g.Text(", or "), h.A(h.Href("/data"), g.Text("edit it")), g.Text("."),
					),
				),
			),
			h.Div(
				section("faults", "Faults",
					h.P(g.Text("What goes wrong, until it is switched off.")),
					h.Ul(h.Class("faults"), g.Map(p.Faults, pageFault.item)),
				),
			),
		),
	)
}

func (p livePage) connect() g.Node {
	return section("connect", "Connect a client",
		h.P(g.Text("Put this into the configuration of an IDE or agent:")),
		copyable("entry", p.Entry),
		h.Details(
			h.Summary(g.Text("Or without atlassian-mcp, for a client that speaks HTTP itself")),
			copyable("remote", p.Remote),
		),
		h.P(g.Text("Sign-in asks for no password. "), thereAre(p.People)),
		h.Form(h.Method("post"), h.Action("/control/page"), h.Class("buttons"), g.Attr("data-page"),
			h.Label(h.For("holder"), g.Text("For a client without a browser:")),
			h.Select(h.ID("holder"), h.Name("person"), g.Map(p.Holders, func(person rovo.Person) g.Node {
				return h.Option(h.Value(person.Email), g.Text(person.Name))
			})),
			h.Button(h.Name("do"), h.Value("token"), g.Text("Make an API token")),
		),
		h.Table(h.Class("endpoints"),
			h.Caption(g.Text("Endpoints")),
			h.TBody(g.Map(p.Endpoints, func(e pageEndpoint) g.Node {
				return h.Tr(h.Th(h.Scope("row"), code(e.URL)), h.Td(g.Text(e.What)))
			})),
		),
	)
}

// thereAre returns the sentence that names people.
func thereAre(people []rovo.Person) g.Node {
	sentence := g.Group{g.Text("There are ")}
	if len(people) == 1 {
		sentence = g.Group{g.Text("There is ")}
	}
	for i, person := range people {
		if i > 0 {
			sentence = append(sentence, g.Text(", "))
		}
		sentence = append(sentence, h.Strong(g.Text(person.Name)))
		if person.Title != "" {
			sentence = append(sentence, g.Text(" ("+person.Title+")"))
		}
	}
	return append(sentence, g.Text("."))
}

func (p livePage) grants() g.Node {
	return section("grants", "Signed in",
		h.Table(
			h.THead(h.Tr(columns("Person", "Client", "Server", "May use", "Since", "Token until"))),
			h.TBody(h.ID("grants"), live(), rows(p.Grants, pageGrant.row, 6, "Nobody has signed in with a browser.")),
		),
		h.Div(h.Class("buttons"),
			button("expire", "Expire all access tokens", "All access tokens have expired."),
			button("revoke", "Revoke all sign-ins", "All sign-ins are revoked."),
		),
	)
}

// button returns a button that does something to the server, with what page.js says when it is done.
func button(do, label, said string) g.Node {
	return h.Form(h.Method("post"), h.Action("/control/page"),
		h.Button(h.ID(do), h.Name("do"), h.Value(do), h.Data("said", said), g.Text(label)),
	)
}

func (grant pageGrant) row() g.Node {
	until := clock(grant.Expires)
	if grant.Over {
		until = status("soft", "expired")
	}
	return h.Tr(
		cell("Person", g.Text(grant.Person)),
		cell("Client", g.Text(grant.Client)),
		cell("Server", g.Text(grant.Server+" "), g.If(grant.Resource != "", code(grant.Resource))),
		cell("May use", g.Text(grant.Products), h.Br(), h.Small(g.Text(grant.Sites))),
		cell("Since", ago(grant.Since)),
		cell("Token until", until),
	)
}

func (p livePage) sessions() g.Node {
	return section("sessions", "Sessions",
		h.Table(
			h.THead(h.Tr(columns("Program", "Person", "Endpoint", "Opened", "Last message"))),
			h.TBody(h.ID("sessions"), live(), rows(p.Sessions, pageSession.row, 5, "No session is open.")),
		),
		h.Div(h.Class("buttons"), button("kill", "Kill all sessions", "All sessions are gone.")),
	)
}

func (s pageSession) row() g.Node {
	return h.Tr(
		cell("Program", g.Text(cmp.Or(s.Client, "not said yet")), h.Br(), h.Small(
			g.If(s.Version != "", g.Text(s.Version+" · ")), code(s.ID+"…"), g.If(s.Stream, g.Text(" · listening")),
		)),
		cell("Person", g.Text(s.Person)),
		cell("Endpoint", code(s.Endpoint)),
		cell("Opened", ago(s.Since)),
		cell("Last message", ago(s.Used)),
	)
}

func (p livePage) calls() g.Node {
	return section("calls", "Last calls",
		h.Table(
			h.THead(h.Tr(
				columns("Time", "Tool", "Arguments", "Person", "Status"),
				h.Th(h.Scope("col"), h.Class("number"), g.Text("Took")),
			)),
			h.TBody(h.ID("calls"), live(), rows(p.Calls, Call.row, 6, "No tool has been called.")),
		),
		h.P(h.Class("more"), h.A(h.Href("/control/calls"), g.Textf("The last %d as JSON", p.MaxCalls))),
	)
}

func (c Call) row() g.Node {
	arguments := cmp.Or(strings.Join(c.Arguments, ", "), "none")
	class := "bad"
	switch c.Status {
	case "ok":
		class = "good"
	case "cancelled":
		class = "soft"
	}
	return h.Tr(
		cell("Time", clock(c.Time)),
		cell("Tool", code(c.Tool), g.If(c.Inner != "", g.Group{h.Br(), h.Small(g.Text("→ "), code(c.Inner))})),
		cell("Arguments", h.Small(g.Text(arguments))),
		cell("Person", g.Text(c.Person), g.If(c.Client != "", g.Group{h.Br(), h.Small(g.Text(c.Client))})),
		cell("Status", status(class, c.Status)),
		cell("Took", h.Class("number"), g.Text(c.Took())),
	)
}

func (p livePage) counts() g.Node {
	return section("counts", "Counts",
		h.Dl(h.ID("counts"), live(), g.Map(p.Totals, func(t tally) g.Node {
			return h.Div(h.Dt(g.Text(t.What)), h.Dd(g.Text(strconv.Itoa(t.N))))
		})),
		h.Details(
			h.Summary(g.Text("Calls by tool, messages by method")),
			h.Table(
				h.TBody(h.ID("tallies"), live(), rows(p.Tallies, tally.row, 2, "Nothing yet.")),
			),
		),
		h.P(h.Class("more"), h.A(h.Href("/control/counts"), g.Text("Everything as JSON"))),
	)
}

func (t tally) row() g.Node {
	return h.Tr(h.Th(h.Scope("row"), code(t.What)), h.Td(h.Class("number"), g.Text(strconv.Itoa(t.N))))
}

// item returns the fault with its switch.
func (f pageFault) item() g.Node {
	now, next := "Off", "on"
	if f.On {
		now, next = "On", "off"
	}
	return h.Li(h.ID("fault-"+f.Name), live(), g.If(f.On, h.Class("on")),
		h.Form(h.Method("post"), h.Action("/control/page"),
			h.Input(h.Type("hidden"), h.Name("do"), h.Value("fault")),
			h.Input(h.Type("hidden"), h.Name("fault"), h.Value(f.Name)),
			h.Div(h.Code(h.ID("name-"+f.Name), g.Text(f.Name)), g.If(f.Unit() != "", f.argument())),
			h.Button(h.ID("switch-"+f.Name), h.Role("switch"), h.Aria("checked", strconv.FormatBool(f.On)),
				h.Aria("labelledby", "name-"+f.Name), h.Aria("describedby", "what-"+f.Name),
				h.Name("on"), h.Value(strconv.FormatBool(!f.On)), h.Data("said", f.Name+" is "+next+"."), g.Text(now)),
			h.P(h.ID("what-"+f.Name), g.Text(f.Imitates)),
			g.If(f.Struck > 0, h.P(g.Text("It has struck "+times(f.Struck)+"."))),
			g.If(f.Problem != "", wrong(f.Problem)),
		),
	)
}

func (f pageFault) argument() g.Node {
	name := f.Unit() + " of " + f.Name
	if f.Optional() {
		name += ", may be left out"
	}
	return h.Input(h.ID("arg-"+f.Name), h.Name("arg"), h.AutoComplete("off"), g.Attr("size", "8"),
		h.Placeholder(f.Unit()), h.Aria("label", name), h.Value(f.Value), g.If(f.On, h.Disabled()))
}

func times(n int) string {
	if n == 1 {
		return "1 time"
	}
	return fmt.Sprintf("%d times", n)
}

func (p tokenPage) html() g.Node {
	kind := "API token"
	if p.Kind == "key" {
		kind = "API key"
	}
	return p.page(
		section("token", kind+" of "+p.Email,
			h.P(g.Text("It is shown this once. It is good for "), code(p.Endpoint), g.Text(", until the sandbox ends.")),
			copyable("token", p.Token),
			h.P(g.Text("A client that speaks HTTP itself sends it in this header:")),
			copyable("authorization", "Authorization: "+p.Authorization()),
			h.P(h.A(h.Href("/"), g.Text("Back to what goes on now"))),
		),
	)
}

package sandbox

import (
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// This file draws the organization to edit.

func (p dataPage) html() g.Node {
	return p.page(
		h.P(g.Text("The whole organization. What you save is what the tools read from then on. "+
			"If it cannot be read, nothing changes, and your text stays here.")),
		h.Form(h.Class("data"), h.Method("post"), h.Action("/data"),
			h.Div(h.ID("result"), live(),
				h.Input(h.Type("hidden"), h.Name("base"), h.Value(p.Base)),
				g.If(p.Problem != "", wrong(p.Problem, g.If(p.Line > 0, h.Data("line", strconv.Itoa(p.Line))))),
				g.If(p.Saved, h.P(h.Class("right"), h.Role("status"), g.Text("Saved."))),
			),
			h.Label(h.For("data"), g.Text("JSON")),
			h.Textarea(h.ID("data"), h.Name("data"), h.Rows("30"), g.Attr("spellcheck", "false"), h.AutoComplete("off"),
				g.Attr("autocapitalize", "off"), g.Attr("wrap", "off"),
				g.Text("\n"+p.Text), // browsers leave out the first line break of a text area
			),
			h.Div(h.Class("buttons"),
				h.Button(h.ID("save"), h.Class("act"), g.Text("Save")),
				h.A(h.Href("/data"), g.Text("Load again")),
				h.A(h.Href("/control/data"), g.Text("As a file")),
			),
		),
	)
}

package rovo

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestMarkdownRoundTrip(t *testing.T) {
	for _, text := range []string{
		"# Goals\n\nShip **search** and *fast*, not `slow()`, see [the plan](https://acme.example/plan_b).",
		"- one\n- two\n  - inner\n- three",
		"3. three\n4. four",
		"- [ ] write it\n- [x] read it\n  - [ ] twice",
		"| Risk | Owner |\n| --- | --- |\n| a \\| b | **Ben** |\n| x<br>y |  |",
		"```go\nfunc main() {\n\n\tprintln(\"*hi*\")\n}\n```",
		"> said\n>\n> twice",
		"> [!WARNING]\n> Careful.",
		"one\n\n---\n\ntwo",
		"line one  \nline two",
		"snake_case_name, 2 \\* 3, a\\_ b, 1. no list",
		"1\\. no list",
		"See https://acme.atlassian.net/browse/ALPHA-1, and <https://acme.example>.",
		"**bold *and* more** ~~gone~~",
		"Hello <custom data-type=\"mention\" data-attrs=\"{&#34;id&#34;:&#34;1&#34;,&#34;text&#34;:&#34;@Ada&#34;}\">@Ada</custom>!",
		"```adf\n{\"type\":\"extension\",\"attrs\":{\"extensionKey\":\"toc\"}}\n```",
		"- item\n\n  ```\n  code\n  ```\n\n  after",
	} {
		if got := adfToMarkdown(markdownToADF(text)); got != text {
			t.Errorf("adfToMarkdown(markdownToADF(%q)) = %q", text, got)
		}
	}
}

func TestMarkdownToADF(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", `[]`},
		{"a\nb", `[{"type":"paragraph","content":[{"type":"text","text":"a b"}]}]`},
		{"## T #", `[{"type":"heading","attrs":{"level":2},"content":[{"type":"text","text":"T"}]}]`},
		{"***x***", `[{"type":"paragraph","content":[{"type":"text","text":"x","marks":[{"type":"strong"},{"type":"em"}]}]}]`},
		{"**a*b***", `[{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"strong"}]},{"type":"text","text":"b","marks":[{"type":"strong"},{"type":"em"}]}]}]`},
		{"2 * 3 * 4", `[{"type":"paragraph","content":[{"type":"text","text":"2 * 3 * 4"}]}]`},
		{"`a*b`*c*", `[{"type":"paragraph","content":[{"type":"text","text":"a*b","marks":[{"type":"code"}]},{"type":"text","text":"c","marks":[{"type":"em"}]}]}]`},
		{"* a\n* b", `[{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"a"}]}]},{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"b"}]}]}]}]`},
		{"- [ ] t", `[{"type":"taskList","attrs":{"localId":"00000000-0000-4000-8000-000000000001"},"content":[{"type":"taskItem","attrs":{"localId":"00000000-0000-4000-8000-000000000002","state":"TODO"},"content":[{"type":"text","text":"t"}]}]}]`},
		{"|a|\n|-|\n|b|", `[{"type":"table","content":[{"type":"tableRow","content":[{"type":"tableHeader","content":[{"type":"paragraph","content":[{"type":"text","text":"a"}]}]}]},{"type":"tableRow","content":[{"type":"tableCell","content":[{"type":"paragraph","content":[{"type":"text","text":"b"}]}]}]}]}]`},
		{`<custom data-type="inlineExtension">shown</custom><custom data-type="emoji" data-attrs="{&#34;text&#34;:&#34;x&#34;}">x</custom>`,
			`[{"type":"paragraph","content":[{"type":"inlineExtension","content":[{"type":"text","text":"shown"}]},{"type":"emoji","attrs":{"text":"x"}}]}]`},
		{"[x](http://a.b/(c) \"t\")", `[{"type":"paragraph","content":[{"type":"text","text":"x","marks":[{"type":"link","attrs":{"href":"http://a.b/(c)"}}]}]}]`},
	} {
		var got, want any
		if err := json.Unmarshal(markdownToADF(test.text), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(`{"type":"doc","version":1,"content":`+test.want+`}`), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("markdownToADF(%q) = %s, want %s", test.text, markdownToADF(test.text), test.want)
		}
	}
}

func TestADFText(t *testing.T) {
	doc := `{"type":"doc","version":1,"content":[{"type":"heading","attrs":{"level":1},"content":[{"type":"text","text":"T"}]},
		{"type":"paragraph","content":[{"type":"text","text":"by "},{"type":"mention","attrs":{"id":"1","text":"@Ada"}},{"type":"hardBreak"},
		{"type":"date","attrs":{"timestamp":"1781481600000"}},null,{"type":"emoji","attrs":{"shortName":":tada:"}}]},
		{"type":"expand","content":[{"type":"paragraph","content":[{"type":"text","text":"inside"}]}]}]}`
	if got, want := adfText(json.RawMessage(doc)), "T\nby @Ada\n2026-06-15:tada:\ninside"; got != want {
		t.Errorf("adfText = %q, want %q", got, want)
	}
	if got := adfText(json.RawMessage(`"plain"`)); got != "plain" {
		t.Errorf("adfText of a string = %q", got)
	}
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// Whatever Markdown is taken to say, it still says after it has been written and read again.
func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{
		"# T\n\n**a** *b* `c` [d](http://e) ~~f~~ _g_", "- a\n  1. b\n- [ ] c\n\n> d\n> - e", "|a|b|\n|-|-|\n|c\\||`d\\|`|", "```adf\n{\"type\":\"x\"}\n```",
		"a  \nb\\\nc<br>d <https://e.f> https://g.h/i_j.", "**a*b***c*", "<custom data-type=\"status\" data-attrs=\"{}\">x</custom>", "``` \n```", "****", "- ```\n  x", "\f> x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc := markdownToADF(text)
		again := markdownToADF(adfToMarkdown(doc))
		if got, want := words(adfText(again)), words(adfText(doc)); got != want {
			t.Errorf("%q says %q, but as %q it says %q", text, want, adfToMarkdown(doc), got)
		}
	})
}

// A text that is in a document is in its Markdown, too.
func FuzzADF(f *testing.F) {
	f.Add(`{"type":"doc","content":[{"type":"panel","attrs":{"panelType":"info"},"content":[{"type":"paragraph"}]}]}`, "a*b*", "strong")
	f.Add(`{"type":"doc","content":[{"type":"table","content":[{"type":"tableRow","content":[null]}]}]}`, "# a", "em")
	f.Add(`{"content":[{"type":"taskList","content":[{"type":"taskList"}]}]}`, " 1. ", "code")
	f.Add(`[]`, "https://a_b.", "link")
	f.Fuzz(func(t *testing.T, doc, text, mark string) {
		_ = adfText(json.RawMessage(doc))
		_ = markdownToADF(adfToMarkdown(json.RawMessage(doc)))
		text = strings.ToValidUTF8(text, "")
		doc2 := encodeADF([]*adfNode{paragraph(&adfNode{Type: "text", Text: text}, &adfNode{Type: "text", Text: text, Marks: []adfMark{{Type: mark}}}),
			{Type: "bulletList", Content: []*adfNode{{Type: "listItem", Content: []*adfNode{paragraph(&adfNode{Type: "text", Text: text})}}}}})
		again := markdownToADF(adfToMarkdown(doc2))
		if got, want := words(adfText(again)), words(adfText(doc2)); got != want {
			t.Errorf("%q became %q by way of %q", want, got, adfToMarkdown(doc2))
		}
	})
}

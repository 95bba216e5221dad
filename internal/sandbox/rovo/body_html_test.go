package rovo

import (
	"encoding/json"
	"testing"
)

func TestHTMLRoundTrip(t *testing.T) {
	for _, text := range []string{
		`<h2>Goals</h2><p>Ship <strong>search</strong> and <em>fast</em>, <s>not</s> <code>a &lt; b</code>, see <a href="https://acme.example/?a=1&amp;b=2">the plan</a>.</p>`,
		`<ul><li><p>one</p></li><li><p>two</p><ol start="3"><li><p>inner</p></li></ol></li></ul>`,
		`<table><tbody><tr><th><p>Risk</p></th></tr><tr><td><p>late</p><ul><li><p>very</p></li></ul></td></tr></tbody></table>`,
		"<pre><code class=\"language-go\">func main() {\n\tprintln(&#34;&lt;&#34;)\n}</code></pre><hr><blockquote><p>said</p></blockquote>",
		`<p>a<br>b <u>c</u> <a href="https://acme.example" data-card-appearance="inline">https://acme.example</a></p>`,
		`<p>by <span data-adf="{&#34;type&#34;:&#34;mention&#34;,&#34;attrs&#34;:{&#34;id&#34;:&#34;1&#34;,&#34;text&#34;:&#34;@Ada&#34;}}">@Ada</span></p>`,
		`<div data-adf="{&#34;type&#34;:&#34;expand&#34;,&#34;content&#34;:[{&#34;type&#34;:&#34;paragraph&#34;,&#34;content&#34;:[{&#34;type&#34;:&#34;text&#34;,&#34;text&#34;:&#34;x&#34;}]}]}">x</div>`,
		`<ul class="inline-task-list"><li>write</li><li class="checked">read</li></ul>`,
	} {
		if got := adfToHTML(htmlToADF(text)); got != text {
			t.Errorf("adfToHTML(htmlToADF(%q)) = %q", text, got)
		}
	}
}

func TestHTMLToADF(t *testing.T) {
	for _, test := range []struct{ html, markdown string }{
		{"<div><p>one<p>two</div> three", "one\n\ntwo\n\nthree"},
		{"<ul>\n <li>a\n <li>b <ul><li>c</ul>\n</ul>", "- a\n- b\n  - c"},
		{"<table><thead><tr><th>A<th>B</thead><tr><td>1<td>2</table>", "| A | B |\n| --- | --- |\n| 1 | 2 |"},
		{"a &amp; b<!-- no --> <b>c</b><script>x()</script>", "a & b **c**"},
		{"1 < 2 <3", "1 \\< 2 \\<3"},
		{"<ac:structured-macro ac:name=\"code\"><ac:plain-text-body><![CDATA[x < y]]></ac:plain-text-body></ac:structured-macro>", "x \\< y"},
		{"", ""},
	} {
		if got := adfToMarkdown(htmlToADF(test.html)); got != test.markdown {
			t.Errorf("%q is %q, want %q", test.html, got, test.markdown)
		}
	}
}

// What HTML is taken to say it still says after it has been written and read again.
func FuzzHTML(f *testing.F) {
	for _, seed := range []string{
		"<p>a<b>c</b></p>", "<ul class=task-list><li>x<ul class=task-list><li class=checked>y</ul></ul>", "<table><tr><td><table><tr><td>x", "<a href='b'>c</a><br/>",
		"<pre> x\n</pre>", "<div data-adf='{\"type\":\"x\"}'>y</div>", "</p></div><", "&lt;p&gt;", "<li><td></ul>x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc := htmlToADF(text)
		if !json.Valid(doc) {
			t.Fatalf("%q becomes %s", text, doc)
		}
		again := htmlToADF(adfToHTML(doc))
		if got, want := words(adfText(again)), words(adfText(doc)); got != want {
			t.Errorf("%q says %q, but as %q it says %q", text, want, adfToHTML(doc), got)
		}
	})
}

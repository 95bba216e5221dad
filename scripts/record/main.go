// Record makes the picture of the demo that README shows: an SVG in which the lines of a real run appear one after the other.
//
//	go run ./scripts/record > .github/demo.svg
package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

const (
	seconds    = 20  // that the picture runs before it begins again
	hold       = 4   // of them, at the end, in which nothing moves
	lineHeight = 20  // pixels
	charWidth  = 8.4 // of a monospaced font of 14 pixels
	margin     = 16
	columns    = 118 // longer lines are cut
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("record: ")
	lines, err := record()
	if err == nil {
		err = draw(os.Stdout, lines)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// record runs the demo, and returns what a terminal would show.
func record() ([]string, error) {
	cmd := exec.Command("go", "run", "github.com/atlassian-mcp/atlassian-mcp/cmd/atlassian-mcp", "demo", "--no-browser")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return append([]string{"$ atlassian-mcp demo --no-browser"}, strings.Split(strings.TrimSpace(plain(out)), "\n")...), nil
}

// plain returns the output without what is of this machine only: the path of the program, which go run has made up, and its port.
func plain(out []byte) string {
	out = regexp.MustCompile(`starts \S+/`).ReplaceAll(out, []byte("starts "))
	return string(regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAll(out, []byte("127.0.0.1:8417")))
}

// draw writes the picture.
func draw(w io.Writer, lines []string) error {
	var b bytes.Buffer
	width, height := columns*charWidth+2*margin, len(lines)*lineHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" role="img" aria-label="A run of atlassian-mcp demo">`+"\n", width, height)
	fmt.Fprintf(&b, `<style>
rect { fill: #0d1117 }
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #c9d1d9; white-space: pre }
.ok { fill: #7ee787 } .fail { fill: #ff7b72 } .prompt { fill: #79c0ff }
.line { opacity: 0; animation: %ds step-end infinite }
@media (prefers-reduced-motion: reduce) { .line { animation: none; opacity: 1 } }
`, seconds)
	for i := range lines {
		appears := 100 * float64(seconds-hold) / seconds * float64(i) / float64(len(lines))
		fmt.Fprintf(&b, "@keyframes l%d { 0%% { opacity: 0 } %.2f%% { opacity: 1 } 100%% { opacity: 1 } }\n.l%d { animation-name: l%[1]d }\n", i, appears, i)
	}
	fmt.Fprintf(&b, "</style>\n<rect width=\"%.0f\" height=\"%d\" rx=\"8\"/>\n", width, height)
	for i, line := range lines {
		class := ""
		switch {
		case strings.HasPrefix(line, "$"):
			class = " prompt"
		case strings.HasPrefix(line, "ok"), strings.HasSuffix(line, "steps worked."):
			class = " ok"
		case strings.HasPrefix(line, "FAIL"):
			class = " fail"
		}
		if runes := []rune(line); len(runes) > columns {
			line = string(runes[:columns-1]) + "…"
		}
		fmt.Fprintf(&b, `<text class="line l%d%s" x="%d" y="%d" xml:space="preserve">`, i, class, margin, margin+(i+1)*lineHeight-6)
		if err := xml.EscapeText(&b, []byte(line)); err != nil {
			return err
		}
		b.WriteString("</text>\n")
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

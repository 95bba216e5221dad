package rovo

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Prose is what somebody has written: Markdown, or an ADF document if it came as one. In JSON it is a string or an object.
type Prose struct {
	Markdown string
	ADF      json.RawMessage // counts if it isn't nil
}

// IsZero reports whether nothing is written.
func (p Prose) IsZero() bool { return p.Markdown == "" && p.ADF == nil }

// MarshalJSON implements [json.Marshaler].
func (p Prose) MarshalJSON() ([]byte, error) {
	if p.ADF != nil {
		return p.ADF, nil
	}
	return json.Marshal(p.Markdown)
}

// UnmarshalJSON implements [json.Unmarshaler]. It takes objects for ADF documents.
func (p *Prose) UnmarshalJSON(text []byte) error {
	*p = Prose{}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		p.ADF = bytes.Clone(text)
		return nil
	}
	return json.Unmarshal(text, &p.Markdown)
}

// prose returns text, which a tool has got in the given format: "adf", or Markdown if it is anything else.
func prose(text, format string) (Prose, error) {
	if format != "adf" {
		return Prose{Markdown: text}, nil
	}
	if !isADF(text) {
		return Prose{}, failf(400, "INVALID_INPUT")
	}
	return Prose{ADF: json.RawMessage(text)}, nil
}

func (p Prose) adf() json.RawMessage {
	if p.ADF != nil {
		return p.ADF
	}
	return markdownToADF(p.Markdown)
}

// words returns what a search looks through.
func (p Prose) words() string { return adfText(p.adf()) }

// show returns the prose as a tool shows it in the given format: a string if it is "markdown", an ADF document otherwise, nil if there is none.
func (p Prose) show(format string) any {
	switch {
	case p.IsZero():
		return nil
	case format == "markdown" && p.ADF != nil:
		return adfToMarkdown(p.ADF)
	case format == "markdown":
		return p.Markdown
	}
	return p.adf()
}

// jiraTime returns t as Jira writes it, in the zone of a person's profile.
func jiraTime(t time.Time, zone *time.Location) any {
	if t.IsZero() {
		return nil
	}
	return t.In(zone).Format("2006-01-02T15:04:05.000-0700")
}

// zone returns where the person's clock is. A machine that doesn't know time zones has UTC only.
func (p *Person) zone() *time.Location {
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// refusals collects what is wrong with the fields of a request, as Jira's answer "errors" does.
type refusals []string

func (r *refusals) add(field, text string) { *r = append(*r, field+": "+text) }

// err returns the error of the whole request, nil if nothing is wrong.
func (r refusals) err() error {
	if len(r) == 0 {
		return nil
	}
	return failf(400, "%s", strings.Join(r, " "))
}

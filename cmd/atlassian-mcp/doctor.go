package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/atlassian-mcp/atlassian-mcp/internal/atlassian"
	"github.com/atlassian-mcp/atlassian-mcp/internal/auth"
	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	askFlags
	explain string
}

func newDoctorCommand() *cobra.Command {
	f := new(doctorFlags)
	cmd := &cobra.Command{
		Use:   "doctor [URL] [flags]",
		Short: "Find out what is wrong, and what to do about it",
		Long: `doctor goes the whole way from this computer to the server's tools, says what it
finds at each step, and what to do where something is wrong. It opens no browser and
changes nothing; at most it calls one tool that reads who you are.

Atlassian's pages and tools refuse in words that don't say what to do. With --explain,
doctor says what such a message means.

The exit status is 1 if something is wrong.`,
		Example: `  atlassian-mcp doctor
  atlassian-mcp doctor v2 --json
  atlassian-mcp doctor --explain "Your site admin must authorize this app"`,
		RunE: f.doctor,
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON, for programs")
	cmd.Flags().StringVar(&f.explain, "explain", "", "say what this `MESSAGE` of Atlassian's means, and do\nnothing else")
	f.addAsk(cmd)
	return cmd
}

// A mark says how a check came out.
type mark string

const (
	markFine    mark = "ok"
	markWarned  mark = "warning"
	markFailed  mark = "failed"
	markSkipped mark = "skipped" // because of another one that failed, or because it makes no sense here
)

// A finding is what a check found.
type finding struct {
	Check   string   `json:"check"`
	Mark    mark     `json:"result"`
	Text    string   `json:"text"`
	Details []string `json:"details,omitempty"`
	Refusal string   `json:"refusal,omitempty"` // name of one of Atlassian's, such as "ip-refused"
	Advice  string   `json:"advice,omitempty"`
}

// A diagnosis is the state of the inspections: what they look at, and what the earlier ones found out for the later ones.
type diagnosis struct {
	server    *connection
	account   *account
	remote    remote.Config
	signIn    auth.Config
	explain   explainer
	given     string   // who the user is, if that has been said instead of signing in: where; "" otherwise
	trouble   []string // the last of each log, as it was before the checks
	logs      int      // that there are
	others    []keychain.Process
	otherErr  error
	site      string // of --site; "" without
	locate    func(context.Context) (string, error)
	client    *mcpClient // nil if there is no session
	tools     []string
	survey    *auth.Survey
	asks      bool // the server answers 401 to whoever is not signed in
	signedOut bool // that is so for this user
	nameless  bool // the server's address can't be looked up
	reachable bool
}

// An inspection looks at one thing.
type inspection struct {
	name string
	look func(*diagnosis, context.Context) finding
}

// inspections returns all inspections, in the order in which what they look at is needed.
func inspections() []inspection {
	return []inspection{
		{"name", (*diagnosis).name},
		{"certificate", (*diagnosis).certificate},
		{"proxy", (*diagnosis).proxy},
		{"metadata", (*diagnosis).metadata},
		{"registration", (*diagnosis).registration},
		{"keychain", (*diagnosis).keychain},
		{"sign-in", (*diagnosis).signedIn},
		{"session", (*diagnosis).session},
		{"tools", (*diagnosis).toolCount},
		{"access", (*diagnosis).access},
		{"others", (*diagnosis).otherRelays},
		{"log", (*diagnosis).log},
	}
}

// doctor is the command.
func (f *doctorFlags) doctor(cmd *cobra.Command, args []string) error {
	if cmd.Flags().Changed("explain") {
		return f.explainMessage(cmd, args)
	}
	line := newStatusLine(cmd)
	defer line.close()
	log, closeLog, err := openLog(cmd.ErrOrStderr(), f.debug, f.logFile)
	if err != nil {
		return err
	}
	defer closeLog()
	d, err := f.diagnosis(cmd, args, log)
	if err != nil {
		return err
	}
	defer d.close()

	out := cmd.OutOrStdout()
	var findings []finding
	var wrong []string // names of the checks that failed
	checks := inspections()
	if d.site != "" {
		checks = append(checks, inspection{"site", (*diagnosis).atSite})
	}
	for _, c := range checks {
		line.show("checking: " + c.name)
		found := c.run(cmd.Context(), d)
		line.show("")
		if cmd.Context().Err() != nil {
			return context.Cause(cmd.Context())
		}
		if !f.json {
			found.print(out)
		}
		findings = append(findings, found)
		if found.Mark == markFailed {
			wrong = append(wrong, found.Check)
		}
	}
	if f.json {
		err := printJSON(out, struct {
			Server  string    `json:"server"`
			Version string    `json:"version"`
			OK      bool      `json:"ok"`
			Checks  []finding `json:"checks"`
		}{redactURL(d.server.url), buildVersion(), len(wrong) == 0, findings})
		if err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("something is wrong: %s", strings.Join(wrong, ", "))
	}
	return nil
}

func (c inspection) run(ctx context.Context, d *diagnosis) finding {
	found := c.look(d, ctx)
	found.Check = c.name
	found.Text, found.Advice = plain(found.Text), plain(found.Advice)
	for i, detail := range found.Details {
		found.Details[i] = plain(detail)
	}
	return found
}

// print writes the finding for people: a line, and more below it if there is more.
func (f finding) print(out io.Writer) {
	const column = "                  " // as wide as a mark and the name of a check
	text := fmt.Sprintf("%s %-13s %s\n", f.Mark.sign(out), f.Check, fitted(out, f.Text, column))
	for _, detail := range f.Details {
		text += "    " + fitted(out, detail, "      ") + "\n"
	}
	if f.Advice != "" {
		text += "    -> " + fitted(out, f.Advice, "       ") + "\n"
	}
	io.WriteString(out, text)
}

// sign returns the mark in three columns, in colour if out is a terminal and NO_COLOR (no-color.org) is not set.
func (m mark) sign(out io.Writer) string {
	sign, color := "ok ", "32"
	switch m {
	case markWarned:
		sign, color = "?  ", "33"
	case markFailed:
		sign, color = "NO ", "31"
	case markSkipped:
		sign, color = "-  ", "2"
	}
	if !isTerminalWriter(out) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return sign
	}
	return "\x1b[" + color + "m" + sign + "\x1b[0m"
}

// explainMessage says what a message of Atlassian's means.
func (f *doctorFlags) explainMessage(cmd *cobra.Command, args []string) error {
	server, err := serverArg(cmd, args)
	if err != nil {
		return err
	}
	url, _ := atlassian.Endpoint(server)
	r, ok := atlassian.Explain(url, 0, f.explain)
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests} {
		// The page of a proxy has words that only mean something with its status; where the words are missing, the status itself has to be in the message.
		if !ok && (status == http.StatusForbidden || strings.Contains(f.explain, strconv.Itoa(status))) {
			r, ok = atlassian.Explain(url, status, f.explain)
		}
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), struct {
			Known  bool   `json:"known"`
			Name   string `json:"name,omitempty"`
			Cause  string `json:"cause,omitempty"`
			Advice string `json:"advice,omitempty"`
		}{ok, r.Name, r.Cause, r.Advice})
	}
	if !ok {
		return &usageError{what: "this message is not among those that are known", advice: "give the words that the page or the tool shows, in quotes"}
	}
	out := cmd.OutOrStdout()
	_, err = fmt.Fprintf(out, "%s\n%s\n", fitted(out, r.Name+": "+capitalized(r.Cause)+".", ""), fitted(out, r.Advice, ""))
	return err
}

func capitalized(s string) string {
	return strings.ToUpper(s[:1]) + s[1:]
}

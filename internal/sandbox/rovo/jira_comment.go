package rovo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

func (c *call) addCommentToJiraIssue() (any, error) {
	var args struct {
		formats
		IssueIDOrKey      string
		CommentBody       string
		CommentID         string
		CommentVisibility *Visibility
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	body, err := c.written(args.CommentBody, args.ContentFormat)
	if err != nil {
		return nil, err
	}
	if err := args.CommentVisibility.check(); err != nil {
		return nil, err
	}
	now := c.org.now()
	comment := &IssueComment{ID: strconv.Itoa(c.org.number()), Author: c.person.Account, Created: now}
	if args.CommentID == "" {
		i.Comments = append(i.Comments, comment)
	} else {
		comment = firstOf(i.Comments, func(m *IssueComment) bool { return m.ID == args.CommentID && c.mayRead(i, m.Visibility) })
		switch {
		case comment == nil:
			return nil, failf(404, "Can not find a comment for the id: %s.", args.CommentID)
		case comment.Author != c.person.Account && !c.person.Admin:
			return nil, failf(400, "You do not have the permission for this comment.")
		}
		comment.Updated = now
	}
	comment.Body = body
	if args.CommentVisibility != nil {
		comment.Visibility = args.CommentVisibility
	}
	i.Updated = now
	return c.showComment(i, comment, args.ResponseContentFormat), nil
}

// written returns what somebody has written as a comment, which can't be nothing.
func (c *call) written(text, format string) (Prose, error) {
	if strings.TrimSpace(text) == "" {
		return Prose{}, failf(400, "Comment body can not be empty!")
	}
	return prose(text, format)
}

// check refuses groups and roles that no site has.
func (v *Visibility) check() error {
	known := map[string][]string{"role": {"Administrators", "Member", "Viewer"}, "group": {"org-admins", "jira-users"}}
	if v == nil {
		return nil
	}
	for _, name := range known[v.Type] {
		if strings.EqualFold(name, v.Value) {
			return nil
		}
	}
	kind := "Group"
	if v.Type == "role" {
		kind = "Role"
	}
	return failf(400, "%s: '%s' does not exist.", kind, v.Value)
}

func (c *call) addWorklogToJiraIssue() (any, error) {
	var args struct {
		formats
		IssueIDOrKey string
		TimeSpent    string
		WorklogID    string
		CommentBody  string
		Started      string
		Visibility   *Visibility
	}
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	i, err := c.findIssue(args.IssueIDOrKey)
	if err != nil {
		return nil, err
	}
	seconds, ok := parseDuration(args.TimeSpent)
	if !ok || seconds <= 0 {
		return nil, failf(400, "timeLogged: Invalid time duration entered.")
	}
	if err := args.Visibility.check(); err != nil {
		return nil, err
	}
	now := c.org.now()
	w := &Worklog{ID: strconv.Itoa(c.org.number()), Author: c.person.Account, Started: now, Created: now}
	if args.WorklogID == "" {
		i.Worklogs = append(i.Worklogs, w)
	} else {
		w = firstOf(i.Worklogs, func(w *Worklog) bool { return w.ID == args.WorklogID && c.mayRead(i, w.Visibility) })
		switch {
		case w == nil:
			return nil, failf(404, "Cannot find worklog with id: '%s'.", args.WorklogID)
		case w.Author != c.person.Account && !c.person.Admin:
			return nil, failf(400, "%s, you do not have permission to edit the specified worklog.", c.person.Name)
		}
	}
	w.Seconds, w.Updated = seconds, now
	if args.Started != "" {
		if w.Started, err = parseJiraTime(args.Started); err != nil {
			return nil, err
		}
	}
	if args.CommentBody != "" {
		if w.Comment, err = prose(args.CommentBody, args.ContentFormat); err != nil {
			return nil, err
		}
	}
	if args.Visibility != nil {
		w.Visibility = args.Visibility
	}
	i.Updated = now
	return c.showWorklog(i, w, args.ResponseContentFormat), nil
}

// parseJiraTime reads a time as Jira writes it, or as RFC 3339 has it.
func parseJiraTime(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05-0700", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Millisecond), nil
		}
	}
	return time.Time{}, failf(400, "started: Invalid date format. Please enter the date in the format \"yyyy-MM-dd'T'HH:mm:ss.SSSZ\".")
}

// durations are the units of time spent, in seconds: weeks have five days, days have eight hours.
var durations = [...]struct {
	unit    string
	seconds int
}{{"w", 5 * 8 * 3600}, {"d", 8 * 3600}, {"h", 3600}, {"m", 60}}

var durationPart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(\d{1,6}(?:\.\d{1,3})?)([wdhm]?)$`) })

// parseDuration reads time spent such as "1d 2h 30m" and returns the seconds. A number alone counts minutes.
func parseDuration(text string) (seconds int, ok bool) {
	for _, part := range strings.Fields(text) {
		m := durationPart().FindStringSubmatch(part)
		if m == nil {
			return 0, false
		}
		n, _ := strconv.ParseFloat(m[1], 64) // can't fail: digits
		if m[2] == "" {
			m[2] = "m"
		}
		for _, d := range durations {
			if d.unit == m[2] {
				seconds += int(n * float64(d.seconds))
			}
		}
		ok = true
	}
	return seconds, ok
}

// durationText writes time spent.
func durationText(seconds int) string {
	var parts []string
	for _, d := range durations {
		if n := seconds / d.seconds; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, d.unit))
			seconds %= d.seconds
		}
	}
	if parts == nil {
		return "0m"
	}
	return strings.Join(parts, " ")
}

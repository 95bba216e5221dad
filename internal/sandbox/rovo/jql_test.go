package rovo

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// frozen returns the organization as it was when the seeds were written, at noon of a Monday.
func frozen(t *testing.T) *Org {
	t.Helper()
	o := &Org{Now: func() time.Time { return seedTime.Add(12 * time.Hour) }}
	if err := o.data.seed(seedTime); err != nil {
		t.Fatal(err)
	}
	return o
}

// asked returns a call of somebody's at the site acme.
func asked(o *Org, account string) *call {
	return &call{org: o, caller: Caller{Account: account}, person: o.person(account), site: o.data.Sites[0]}
}

// found returns the keys that a query finds for somebody, or what is wrong with it.
func found(c *call, jql string) string {
	issues, err := c.searchJQL(jql)
	if err != nil {
		return err.Error()
	}
	var keys []string
	for _, i := range issues {
		keys = append(keys, strings.Replace(i.Key, "ALPHA-", "", 1))
	}
	return strings.Join(keys, " ")
}

// TestJQL asks as Chen, whose day begins eight hours before UTC's. Keys of ALPHA are without it.
func TestJQL(t *testing.T) {
	c := asked(frozen(t), chen)
	for _, tt := range []struct{ jql, want string }{
		{`project = "Project Alpha" AND type = Bug AND statusCategory != Done ORDER BY key`, "6 7 10 11 12 14"},
		{`project = ALPHA and issuetype in (Bug) and resolution = Unresolved order by key asc`, "6 7 10 11 12 14"},
		{`project = alpha AND type = bug AND NOT statusCategory = "done" ORDER BY priority, key`, "6 12 7 11 10 14"},
		{`project in (ALPHA, OPS) && type = Incident || key = ALPHA-3 order by key desc`, "OPS-8 OPS-4 OPS-1 3"},
		{`status = "In Review"`, "OPS-9 OPS-4"},
		{`status in ("In Review", Open) AND priority >= High ORDER BY key`, "OPS-4 OPS-5"},
		{`priority > High ORDER BY key`, "6 12 17 OPS-1"},
		{`priority = 5`, ""},
		{`key in (ALPHA-1, alpha-2, 10103) ORDER BY key`, "1 2 3"},
		{`issue >= ALPHA-23 AND project = ALPHA ORDER BY key`, "23 24"},
		{`parent = ALPHA-16 ORDER BY created DESC`, "18 17"},
		{`"Epic Link" = ALPHA-3 order by key`, "20 21"},
		{`parent is EMPTY and type != Epic AND project = ALPHA AND status = "To Do" ORDER BY key`, "10 12"},
		{`assignee = currentUser() AND resolution is empty ORDER BY updated`, "6 22 4 14"},
		{`assignee = currentUser() AND resolution is null ORDER BY updated ASC`, "14 22 4 6"},
		{`assignee = "Dana Ruiz" AND project = ALPHA AND status != Done ORDER BY key`, "11 18"},
		{`assignee in (dana\u0040partner.example, "` + ben + `") AND labels = payments AND statusCategory != Done order by key`, "7 11 16 OPS-4"},
		{`assignee is EMPTY and project = OPS order by key`, "OPS-8 OPS-11"},
		{`assignee != currentUser() AND project = OPS AND type = Incident`, "OPS-4 OPS-1"}, // not OPS-8, which is nobody's
		{`NOT assignee = currentUser() AND project = OPS AND type = Incident`, "OPS-4 OPS-1"},
		{`NOT (assignee = currentUser() OR assignee is EMPTY) AND project = OPS AND type = Incident`, "OPS-4 OPS-1"},
		{`assignee in (EMPTY, currentUser()) AND project = OPS`, "OPS-11 OPS-8"},
		{`reporter = "Build robot" order by key`, "OPS-1 OPS-4 OPS-8"},
		{`labels = onboarding AND labels not in (mobile) AND status = Done`, "24"},
		{`labels is EMPTY AND project = ALPHA order by key`, "17 18"},
		{`text ~ "screen reader"`, "14"},
		{`text ~ "certificate renewal" OR summary ~ "renew*"`, "OPS-2"},
		{`text ~ "\"test bank\""`, "7"},
		{`summary ~ "payment OR yen" AND type = Bug ORDER BY key`, "7 9 12"},
		{`summary !~ payment AND type = Bug AND status = "To Do" ORDER BY key`, "10 14"},
		{`description ~ "gateway" AND type = Task AND project = ALPHA`, "16"},
		{`comment ~ runbook`, "OPS-1"},
		{`comment ~ reviewers`, ""}, // only administrators may read that
		{`created >= -7d ORDER BY created`, "OPS-8 12 OPS-4"},
		{`created > startOfWeek(-1w) ORDER BY created ASC`, "OPS-4 12 OPS-8"},
		{`created >= 2026-06-09 AND created < "2026/06/10 02:00" ORDER BY key`, "OPS-4"}, // 18:00 UTC,
		{`updated >= startOfDay(-3d) AND updated <= endOfDay("-1d") ORDER BY updated`, "6 1 OPS-8 7"},
		{`updated < "-9w 1d" ORDER BY updated ASC`, "5 13"},
		{`due < now() `, ""},
		{`due <= 2026-06-19 order by due, key`, "11 6 OPS-10"},
		{`due is not EMPTY AND due > endOfMonth()`, "4 2"},
		{`resolved >= startOfMonth() ORDER BY resolved`, "24 17"},
		{`"Story point estimate" >= 8 ORDER BY cf[10016] DESC, key`, "20 19 23"},
		{`Severity in (S1, s2) order by key`, "OPS-1 OPS-4"},
		{`"Affected service" ~ gateway AND Severity is EMPTY order by key`, "OPS-2 OPS-3"},
		{`statusCategory = "In Progress" AND type = Epic order by summary`, "1 2"},
		{`project = ALPHA AND (type = Epic OR (type = Story AND status = Done)) ORDER BY status DESC, key`, "3 4 1 2 5"},
		{`ORDER BY created`, found(c, "project in (ALPHA, OPS) ORDER BY created DESC")},
	} {
		t.Run(tt.jql, func(t *testing.T) {
			if got := found(c, tt.jql); got != tt.want {
				t.Errorf("found %s, want %s", got, tt.want)
			}
		})
	}
}

const operators = " The valid operators are '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'."

// TestJQLErrors compares what is wrong with a query with what Jira says.
func TestJQLErrors(t *testing.T) {
	c := asked(frozen(t), ben)
	const form = "Error in the JQL Query: "
	const date = "Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
	for _, tt := range []struct{ jql, want string }{
		{"invalid query", form + "Expecting operator but got 'query'." + operators + " (line 1, character 9)"},
		{"a", form + "Expecting operator before the end of the query." + operators},
		{"a =a and j not is empty", form + "Expecting 'IN' but got 'is'. (line 1, character 16)"},
		{"cf", form + "Expecting '[' before the end of the query."},
		{"a = b and not (cf = 6)", form + "Expecting '[' but got '='. (line 1, character 19)"},
		{"cf[ = 9", form + "Expecting a custom field id (a positive number) but got '='. (line 1, character 5)"},
		{"cf[29829k] = ", form + "Expecting a custom field id (a positive number) but got '29829k'. (line 1, character 4)"},
		{"cf[29829", form + "Expecting ']' before the end of the query."},
		{"a = func(", form + "Expecting ')' before the end of the query."},
		{"bas=func(bad,)", form + "Function argument must be specified. (line 1, character 14)"},
		{"bas=func(bad,", form + "Expecting a function argument at the end of the query."},
		{"k = func(!", form + "Expecting a function argument but got '!'. You must surround '!' in quotation marks to use it as an argument. (line 1, character 10)"},
		{"k = func(abc, jk!)", form + "Expecting ')' or ',' but got '!'. (line 1, character 17)"},
		{"a = ''()", form + "A function name cannot be empty. (line 1, character 5)"},
		{"'' = c", form + "A field name cannot be empty. (line 1, character 1)"},
		{"(a=b and c = d", form + "Expecting ')' before the end of the query."},
		{"abc IN ((foo) abc = a", form + "Expecting ')' but got 'abc'. (line 1, character 15)"},
		{"a=", form + "Expecting either a value, list or function before the end of the query."},
		{"a=!", form + "Expecting either a value, list or function but got '!'. You must surround '!' in quotation marks to use it as a value. (line 1, character 3)"},
		{"a=b c=d", form + "Expecting either 'OR' or 'AND' but got 'c'. (line 1, character 5)"},
		{"a=(a,(,bad))", form + "Expecting either a value, list or function but got ','. You must surround ',' in quotation marks to use it as a value. (line 1, character 7)"},
		{"a = ((c,d), d) and", form + "Expecting a field name at the end of the query."},
		{"comment !~ x and cf[1000] = jill order by a desc b", form + "Expecting ',' but got 'b'. (line 1, character 50)"},
		{", a = b", form + "Expecting a field name but got ','. You must surround ',' in quotation marks to use it as a field name. (line 1, character 1)"},
		{"a = brenden and [78] = q", form + "Expecting a field name but got '['. Did you mean 'cf['? (line 1, character 17)"},
		{"summary ~ like", form + "'like' is a reserved JQL word. You must surround it in quotation marks to use it in a query. (line 1, character 11)"},
		{`summary ~ "unclosed`, form + "The quoted string 'unclosed' has not been completed. (line 1, character 11)"},
		{"reporter = a/b", form + `The character '/' is a reserved JQL character. You must enclose it in a string or use the escape '\u002f' instead. (line 1, character 13)`},
		{`a = b\q`, form + `'\q' is an illegal JQL escape sequence. The valid escape sequences are \', \", \t, \n, \r, \\, '\ ' and \uXXXX. (line 1, character 6)`},
		{"project = ALPHA\nAND ) ", form + "Expecting a field name but got ')'. You must surround ')' in quotation marks to use it as a field name. (line 2, character 5)"},
		{"summary = test", "The operator '=' is not supported by the 'summary' field."},
		{"summary in test", "The operator 'in' is not supported by the 'summary' field."},
		{"text !~ test", "The operator '!~' is not supported by the 'text' field."},
		{"status was Open", "The operator 'was' is not supported by the 'status' field."},
		{"status changed from Open", "The operator 'changed' is not supported by the 'status' field."},
		{"comment is empty", "The operator 'is' is not supported by the 'comment' field."},
		{"project in test", `Operator 'in' does not support the non-list value '"test"' for field 'project'.`},
		{"project = (ALPHA, OPS)", `Operator '=' does not support the list value '("ALPHA", "OPS")' for field 'project'.`},
		{"project = INVALID", "The value 'INVALID' does not exist for the field 'project'."},
		{"project = 50000", "A value with ID '50000' does not exist for the field 'project'."},
		{"universe = 42", "Field 'universe' does not exist or you do not have permission to view it."},
		{"status = Blocked AND type = Idea", "The value 'Blocked' does not exist for the field 'status'. The value 'Idea' does not exist for the field 'type'."},
		{"status = EMPTY", "The field 'status' does not support searching for EMPTY values."},
		{"created > EMPTY", "The operator '>' does not support searching for EMPTY values on the field 'created'."},
		{"assignee = nobody", "The value 'nobody' does not exist for the field 'assignee'."},
		{"assignee in membersOf(ops)", "Operator 'in' does not support the non-list value 'membersOf(ops)' for field 'assignee'."},
		{"assignee = membersOf(ops)", "Unable to find JQL function 'membersOf(ops)'."},
		{"status = currentUser()", "A value provided by the function 'currentUser' is invalid for the field 'status'."},
		{"created = currentUser()", "A date for the field 'created' provided by the function 'currentUser' is not valid."},
		{"created < now(1)", "Function 'now' expected '0' arguments but received '1'."},
		{"created < startOfDay(invalid)", "Duration for function 'startOfDay' should have the format (+/-)n(yMwdm), e.g -1M for 1 month earlier."},
		{"created <= 17-06", "Date value '17-06' for field 'created' is invalid. " + date},
		{`updated > "2026-02-30"`, "Date value '2026-02-30' for field 'updated' is invalid. " + date},
		{"key = ALPHA-999", "An issue with key 'ALPHA-999' does not exist for field 'key'."},
		{"key = nonsense", "The issue key 'nonsense' for field 'key' is invalid."},
		{"key = HR-1", "An issue with key 'HR-1' does not exist for field 'key'."},
		{"project = HR", "The value 'HR' does not exist for the field 'project'."},
		{`text ~ ""`, "The field 'text' does not support searching for an empty string."},
		{"project = ALPHA ORDER BY bogus", "Not able to sort using field 'bogus'."},
		{"project = ALPHA ORDER BY text", "Field 'text' does not support sorting."},
		{strings.Repeat("(", 1e6), form + "The query is nested too deeply. (line 1, character 202)"},
		{strings.Repeat("!", 1e6), form + "The query is nested too deeply. (line 1, character 202)"},
		{"a = " + strings.Repeat("(", 1e6), form + "The query is nested too deeply. (line 1, character 206)"},
		{"cf[10016] > many", "Value 'many' for the 'cf[10016]' field is not a valid number."},
	} {
		t.Run(tt.jql[:min(len(tt.jql), 60)], func(t *testing.T) {
			if got := found(c, tt.jql); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func FuzzJQL(f *testing.F) {
	o := &Org{Now: func() time.Time { return seedTime }}
	if err := o.data.seed(seedTime); err != nil {
		f.Fatal(err)
	}
	c := asked(o, ben)
	visible := c.jira().issuesFor(ben)
	f.Fuzz(func(t *testing.T, jql string) {
		issues, err := c.searchJQL(jql)
		if err != nil {
			return
		}
		for _, i := range issues {
			if !slices.Contains(visible, i) {
				t.Errorf("%q finds %s, which Ben may not see", jql, i.Key)
			}
		}
		where, _, _ := strings.Cut(strings.ToLower(jql), "order")
		if strings.TrimSpace(where) == "" || where != strings.ToLower(jql) {
			return
		}
		contrary, err := c.searchJQL("NOT (" + jql + ")")
		if err != nil {
			t.Fatalf("%q can't be denied: %v", jql, err)
		}
		for _, i := range contrary {
			if slices.Contains(issues, i) {
				t.Errorf("%q and its contrary both find %s", jql, i.Key)
			}
		}
	})
}

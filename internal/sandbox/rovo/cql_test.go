package rovo

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCQL(t *testing.T) {
	o := open(t)
	written := time.Date(2026, time.March, 23, 9, 0, 0, 0, time.UTC) // the page 65601, in the seed
	age := o.data.Sites[0].Confluence.byID(65601).Created.Sub(written)
	o.Now = func() time.Time { return seedTime.Add(age + 12*time.Hour) }
	day := func(d int) string { // of June 2026, as this organization has it
		return time.Date(2026, time.June, d, 0, 0, 0, 0, time.UTC).Add(age).Format(time.DateOnly)
	}
	ids := func(account, cql string) string {
		var list wikiList
		wiki(t, o, account, "searchConfluenceUsingCql", args{"cql": cql, "limit": 100}, &list)
		var ids []string
		for _, r := range list.Results {
			if r.Content.ID == "" {
				r.Content.ID = r.Space.Key
			}
			ids = append(ids, r.Content.ID)
		}
		if len(ids) != list.TotalSize {
			t.Errorf("%q has a totalSize of %d for %d results", cql, list.TotalSize, len(ids))
		}
		return strings.Join(ids, " ")
	}
	for _, test := range []struct{ account, cql, want string }{
		{ben, `title = "Q2 Planning"`, "65601"},
		{ben, `type = page AND title = "q2 planning"`, "65601"},
		{ben, `type=page and title~"plan" order by title`, "65601 65602"},
		{ben, `title ~ "goals" and space = TEAM`, "65632"},
		{ben, `type = page AND text ~ "\"session cache\"" ORDER BY id`, "65601 65604 65608"},
		{ben, `type = page AND text ~ "quok*"`, ""},
		{ben, `siteSearch ~ "refund batch" AND type = page AND space = "ENG" ORDER BY created`, "65606 65601 65611 65602"},
		{ada, `type = page AND text ~ refunds AND text !~ batch`, "65643"},
		{ben, `type = page AND text ~ refunds AND text !~ batch`, ""},
		{ben, `label = runbook order by id desc`, "65607 65606 65604"},
		{ben, `label IN (adr, "retro") AND NOT label = identity-service ORDER BY id`, "65611 65633"},
		{ben, `label not in ("runbook", "adr") and parent = 65609`, ""},
		{ben, `parent = 65609 ORDER BY title DESC`, "65611 65610"},
		{ben, `ancestor = 65601 ORDER BY id`, "65602 65603 65613 65614"},
		{ben, `ancestor in (65602, 65609) and label != adr order by id`, "65613 65614"},
		{ben, `id = 65603 OR id in (65604, 65642) ORDER BY id ASC`, "65603 65604"},
		{ada, `id = 65642`, "65642"},
		{ben, `creator = currentUser() AND type = blogpost`, "65637"},
		{chen, `contributor = currentUser() and type = page and creator != currentUser() order by id`, "65601 65612"},
		{ben, `creator.fullname ~ "Chen" AND type = page ORDER BY id`, "65603 65633 65635 65636"},
		{ben, `type = space order by id`, "ENG TEAM"},
		{ada, `type = space and title ~ people`, "HR"},
		{ben, `space = HR`, ""},
		{ben, `space in (HR) or (type in (blogpost) and not space != TEAM)`, "65637"},
		{ben, `space.type = collaboration and type = page and parent = 65631 and title ~ "retrospective"`, "65633"},
		{ben, `type = comment AND space = ENG AND text ~ gift`, "131103"},
		{ben, `type = page and created = "` + day(8) + `"`, "65603"},
		{ben, `type = page and lastmodified >= "` + day(11) + `" and lastModified < '` + day(12) + ` 00:00' order by lastmodified`, "65604 65607"},
		{ben, `type = page and created > now("-6w") and created < "` + day(1) + `" order by created asc`, "65611 65602 65614 65633"},
		{ben, `type = page and lastmodified > endOfYear()`, ""},
		{ben, `type = page and created < startOfYear("-3y") and space = ENG`, ""},
		{ben, `type = page and lastmodified > startOfDay("-5d") and lastmodified <= now() order by lastmodified desc`, "65601 65608 65607 65604 65602"},
		{ben, `order by id`, ids(ben, `id != 0 order by id`)},
	} {
		if got := ids(test.account, test.cql); got != test.want {
			t.Errorf("%s finds %q, want %q", test.cql, got, test.want)
		}
	}
	for _, cql := range []string{
		``, `  `, `title`, `title =`, `title = "a`, `title ~ a b`, `title == a`, `frobnicate = 1`, `type ~ page`, `created ~ 2026`, `created > yesterday`, `created > now("soon")`,
		`created > now("-7d", 1)`, `label in ()`, `label in (a`, `label = a and`, `(label = a`, `label = a)`, `not`, `space.key=S2 +and+expand=space`, `text = a`, `creator = nobody()`,
		`title = currentUser()`, `type = page order`, `type = page order by rank`, `type = page order by id sideways`, `title = ""`, `macro = toc`, `watcher = currentUser()`,
		`and = b`, `a ! b`, `type not page`, strings.Repeat("(", 200) + "id=1" + strings.Repeat(")", 200),
	} {
		out := wikiOutcome(t, o, ben, View{}, "searchConfluenceUsingCql", args{"cql": cql})
		var failed struct {
			Error      bool
			Message    string
			StatusCode int
		}
		if err := json.Unmarshal([]byte(out.Text), &failed); err != nil || !out.IsError || failed.Message != "Could not parse cql : "+cql || failed.StatusCode != 400 {
			t.Errorf("%q gives %s", cql, out.Text)
		}
	}
}

func TestCQLResults(t *testing.T) {
	o := open(t)
	cql := `space = ENG and type = page order by id`
	var list wikiList
	wiki(t, o, ben, "searchConfluenceUsingCql", args{"cql": cql, "limit": 7}, &list)
	if list.TotalSize != 15 || len(list.Results) != 7 || list.Links.Prev != "" || list.Results[1].Content.Title != "Q2 Planning" ||
		list.Results[1].URL != "/spaces/ENG/pages/65601/Q2+Planning" || !strings.HasPrefix(list.Results[1].Excerpt, "What Engineering wants") {
		t.Errorf("the first results are %+v", list)
	}
	first, second := fmt.Sprint(list.titles()), ""
	wiki(t, o, ben, "searchConfluenceUsingCql", args{"cql": cql, "limit": 7, "cursor": list.Links.Next, "prev": true}, &list)
	if second = fmt.Sprint(list.titles()); second == first || list.Links.Prev == "" || list.Links.Next == "" {
		t.Errorf("the second results are %s (%+v)", second, list.Links)
	}
	var back wikiList
	wiki(t, o, ben, "searchConfluenceUsingCql", args{"cql": cql, "limit": 7, "cursor": list.Links.Prev, "next": false}, &back)
	if fmt.Sprint(back.titles()) != first || back.Links.Next != "" {
		t.Errorf("back at the first results there are %v (%+v)", back.titles(), back.Links)
	}
	out := wikiOutcome(t, o, ben, View{}, "searchConfluenceUsingCql", args{"cql": "id = 65614", "expand": "content.space,content.version,content.body.storage"})
	for _, want := range []string{`"space":{`, `"version":{`, `<li><p>Orders can be repeated with one click.</p></li>`} {
		if !strings.Contains(out.Text, want) {
			t.Errorf("expanded, a result has no %s: %s", want, out.Text)
		}
	}
}

func TestCQLTime(t *testing.T) {
	now := time.Date(2026, time.June, 17, 15, 4, 5, 0, time.UTC) // a Wednesday
	for call, want := range map[string]string{
		`now()`: "2026-06-17T15:04:05.000Z", `now("-7d")`: "2026-06-10T15:04:05.000Z", `now("2h")`: "2026-06-17T17:04:05.000Z", `now("-1M")`: "2026-05-17T15:04:05.000Z",
		`startOfDay()`: "2026-06-17T00:00:00.000Z", `endOfDay("-1")`: "2026-06-16T23:59:59.999Z", `startOfWeek()`: "2026-06-14T00:00:00.000Z",
		`endOfWeek("+1")`: "2026-06-27T23:59:59.999Z", `startOfMonth()`: "2026-06-01T00:00:00.000Z", `endOfMonth()`: "2026-06-30T23:59:59.999Z",
		`startOfYear("-1y")`: "2025-01-01T00:00:00.000Z", `endOfYear()`: "2026-12-31T23:59:59.999Z",
	} {
		q, ok := parseCQL("created > " + call)
		if !ok {
			t.Errorf("%s can't be parsed", call)
			continue
		}
		if got, _, _ := q.where.values[0].time(now); got.Format(timeFormat) != want {
			t.Errorf("%s is %s, want %s", call, got.Format(timeFormat), want)
		}
	}
}

// FuzzCQL runs whatever can be parsed.
func FuzzCQL(f *testing.F) {
	o, err := Open("")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, cql string) {
		q, ok := parseCQL(cql)
		if !ok {
			return
		}
		c := &call{org: o, person: o.person(ben), site: o.data.Sites[0]}
		for _, m := range (contentSearch{c}).find(q) {
			if m.page != nil && o.data.Sites[0].Confluence.page(ben, m.page.ID) == nil {
				t.Errorf("%q finds page %d", cql, m.page.ID)
			}
		}
	})
}

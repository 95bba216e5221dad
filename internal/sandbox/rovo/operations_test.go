package rovo

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// atAcme returns the arguments of a tool at acme.
func atAcme(args object) object {
	args["cloudId"] = acmeID
	return args
}

func TestAlerts(t *testing.T) {
	o, robot := open(t), Caller{Account: ben, Via: APIToken}
	var found struct{ Alerts []Alert }
	play(t, o, robot, View{}, "getJsmOpsAlerts", atAcme(object{"status": "open"}), &found)
	if len(found.Alerts) != 2 || found.Alerts[0].Alias != "payments-queue" {
		t.Fatalf("open alerts: %+v", found.Alerts)
	}
	play(t, o, robot, View{}, "getJsmOpsAlerts", atAcme(object{"query": "LATENCY", "until": time.Now().Format(time.RFC3339)}), &found)
	if len(found.Alerts) != 1 || found.Alerts[0].Alias != "gateway-latency" {
		t.Errorf("alerts on latency: %+v", found.Alerts)
	}

	update := func(action, more string) Outcome {
		return o.Call(robot, View{}, "updateJsmOpsAlert", json.RawMessage(`{"cloudId":"`+acmeID+`","id":"payments-queue","action":"`+action+`"`+more+`}`))
	}
	for _, tt := range []struct {
		action, more string
		works        bool
		want         string
	}{
		{"acknowledge", `,"note":"on it"`, true, `"owner":"` + ben + `"`},
		{"escalate", ``, false, `not found`},
		{"escalate", `,"teamId":"platform"`, true, `"acknowledge: on it"`},
		{"close", ``, true, `"status":"closed"`},
		{"acknowledge", ``, false, `is closed`},
	} {
		if out := update(tt.action, tt.more); out.IsError == tt.works || !strings.Contains(out.Text, tt.want) {
			t.Errorf("%s%s: %+v", tt.action, tt.more, out)
		}
	}
	var one struct{ Alert Alert }
	play(t, o, robot, View{}, "getJsmOpsAlerts", atAcme(object{"alias": "payments-queue"}), &one)
	if len(one.Alert.Log) != 3 || one.Alert.Owner != "" {
		t.Errorf("alert: %+v", one.Alert)
	}
}

func TestOnCall(t *testing.T) {
	o, robot := open(t), Caller{Account: ben, Via: ServiceKey}
	names := map[string]bool{}
	for _, view := range []string{"currentOnCall", "nextOnCall"} {
		var got struct {
			OnCall struct{ DisplayName string }
		}
		play(t, o, robot, View{}, "getJsmOpsScheduleInfo", atAcme(object{"scheduleId": "Platform on call", "view": view}), &got)
		names[got.OnCall.DisplayName] = true
	}
	if !names["Ada Marsh"] || !names["Ben Okafor"] {
		t.Errorf("on call: %v", names)
	}
	var got struct {
		Team struct {
			Members   []struct{ DisplayName string }
			Schedules []string
		}
	}
	play(t, o, robot, View{}, "getJsmOpsTeamInfo", atAcme(object{"teamId": "Platform"}), &got)
	if len(got.Team.Members) != 2 || !slices.Equal(got.Team.Schedules, []string{"Platform on call"}) {
		t.Errorf("team: %+v", got.Team)
	}
}

func TestBitbucket(t *testing.T) {
	o, robot := open(t), Caller{Account: ben, Via: APIToken}
	on := func(action string, more object) object {
		args := object{"action": action, "workspace": "acme", "repository": "api-gateway"}
		for k, v := range more {
			args[k] = v
		}
		return args
	}
	for _, tt := range []struct {
		tool, action string
		more         object
		has, lacks   string
	}{
		{"bitbucketWorkspace", "list", nil, `"slug":"acme"`, ""},
		{"bitbucketRepository", "list", nil, `"acme/web-shop"`, "salaries"},
		{"bitbucketRepository", "defaultReviewers", nil, "Ada Marsh", ""},
		{"bitbucketUser", "pullRequests", nil, "Time out slow headers", ""},
		{"bitbucketPullRequest", "comments", object{"id": 1}, "five seconds", ""},
		{"bitbucketPullRequest", "diff", object{"id": 1}, "@@ -3,4 +3,8 @@\n-import \"net/http\"\n", "README"},
		{"bitbucketPullRequest", "approve", object{"id": 1}, `"approved":true`, ""},
		{"bitbucketPullRequest", "merge", object{"id": 1}, `"state":"MERGED"`, ""},
		{"bitbucketRepoContent", "files.get", object{"path": "main.go"}, "ReadHeaderTimeout", ""},
		{"bitbucketRepoContent", "branch.create", object{"branch": "docs"}, `"name":"docs"`, ""},
		{"bitbucketRepoContent", "files.commit", object{"branch": "docs", "path": "docs/a.md", "content": "# A\n", "message": "Say A"}, "Say A", ""},
		{"bitbucketRepoContent", "files.get", object{"branch": "docs", "path": "docs"}, "docs/a.md", "README"},
		{"bitbucketRepoContent", "branch.get", object{"branch": "docs"}, "Say A", ""},
		{"bitbucketPullRequest", "create", object{"title": "Document", "source": "docs"}, `"id":2`, ""},
		{"bitbucketPullRequest", "diff", object{"id": 2}, "@@ -0,0 +1,1 @@\n+# A\n", "README"},
		{"bitbucketPullRequest", "comment", object{"id": 2, "text": "Good"}, `"comment_count":1`, ""},
		{"bitbucketPullRequest", "decline", object{"id": 2}, `"state":"DECLINED"`, ""},
		{"bitbucketPipeline", "list", nil, `"build_number":321`, ""},
		{"bitbucketPipeline", "step.log", object{"id": 321, "step": "5c7d9e1f-0a2b-4c3d-8e4f-5a6b7c8d9e03"}, "FAIL: TestSlowHeaders", ""},
		{"bitbucketPipeline", "run", nil, `"build_number":322`, ""},
		{"bitbucketEnvironment", "get", object{"environment": "production"}, `"name":"production"`, "staging"},
		{"bitbucketDeployment", "list", nil, `"pipeline":318`, ""},
	} {
		args := on(tt.action, tt.more)
		if tt.tool == "bitbucketWorkspace" || tt.tool == "bitbucketUser" {
			args = object{"action": tt.action}
		}
		out := o.Call(robot, View{}, tt.tool, json.RawMessage(compactJSON(args)))
		lacks := tt.lacks == "" || !strings.Contains(out.Text, tt.lacks)
		if out.IsError || out.Invalid != "" || !strings.Contains(out.Text, tt.has) || !lacks {
			t.Errorf("%s %v: %s%s", tt.tool, args, out.Text, out.Invalid)
		}
	}
	for _, tt := range []struct{ tool, args, want string }{
		{"bitbucketRepository", `{"action":"get","workspace":"acme","repository":"salaries"}`, "not found"},
		{"bitbucketRepository", `{"action":"list","workspace":"other"}`, "not found"},
		{"bitbucketRepository", `{"action":"get","workspace":"acme"}`, "repository is required"},
		{"bitbucketPullRequest", `{"action":"merge","workspace":"acme","repository":"api-gateway","id":1}`, "is MERGED"},
		{"bitbucketRepoContent", `{"action":"files.get","workspace":"acme","repository":"api-gateway","path":"none"}`, "No such file"},
		{"bitbucketPipeline", `{"action":"get","workspace":"acme","repository":"api-gateway","id":7}`, "not found"},
	} {
		if out := o.Call(robot, View{}, tt.tool, json.RawMessage(tt.args)); !out.IsError || !strings.Contains(out.Text, tt.want) {
			t.Errorf("%s %s: %+v", tt.tool, tt.args, out)
		}
	}
}

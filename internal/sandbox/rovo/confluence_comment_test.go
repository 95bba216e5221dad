package rovo

import (
	"strings"
	"testing"
)

func TestComments(t *testing.T) {
	o := open(t)
	for _, test := range []struct {
		tool string
		args args
		want []string
	}{
		{"getConfluencePageFooterComments", args{"pageId": "65601"}, []string{"131101", "131103"}},
		{"getConfluencePageFooterComments", args{"pageId": "65601", "sort": "-created-date", "limit": 1}, []string{"131103"}},
		{"getConfluencePageFooterComments", args{"pageId": "65601", "status": "trashed"}, nil},
		{"getConfluencePageInlineComments", args{"pageId": "65601"}, []string{"131104"}},
		{"getConfluencePageInlineComments", args{"pageId": "65601", "resolutionStatus": "resolved"}, []string{"131106"}},
		{"getConfluenceCommentChildren", args{"commentId": "131101", "commentType": "footer"}, []string{"131102"}},
		{"getConfluenceCommentChildren", args{"commentId": "131104", "commentType": "inline"}, []string{"131105"}},
	} {
		var list wikiList
		wiki(t, o, ben, test.tool, test.args, &list)
		var ids []string
		for _, m := range list.Results {
			ids = append(ids, m.ID)
		}
		if strings.Join(ids, " ") != strings.Join(test.want, " ") {
			t.Errorf("%s %v = %v, want %v", test.tool, test.args, ids, test.want)
		}
	}
	var list wikiList
	wiki(t, o, ben, "getConfluencePageInlineComments", args{"pageId": "65601"}, &list)
	if m := list.Results[0]; m.ResolutionStatus != "open" || m.Properties.InlineOriginalSelection != "a decision is due on 26 June" || m.PageID != "65601" {
		t.Errorf("an inline comment is %+v", m)
	}
	wikiFails(t, o, ben, "getConfluencePageFooterComments", args{"pageId": "65643"}, "Cannot find [page]")
	wikiFails(t, o, ben, "getConfluenceCommentChildren", args{"commentId": "131101", "commentType": "inline"}, "Cannot find [comment]")
}

func TestCreateComments(t *testing.T) {
	o := open(t)
	at := func(text string, index, count int) args {
		return args{"textSelection": text, "textSelectionMatchIndex": index, "textSelectionMatchCount": count}
	}
	var m struct {
		ID, PageID, ParentCommentID, Body, ResolutionStatus string
		Properties                                          struct{ InlineOriginalSelection string }
	}
	wiki(t, o, ben, "createConfluenceFooterComment", args{"pageId": "65601", "body": "I **agree**"}, &m)
	if m.PageID != "65601" || m.Body != "I **agree**" || m.ResolutionStatus != "" {
		t.Errorf("the comment is %+v", m)
	}
	above := m.ID
	wiki(t, o, chen, "createConfluenceFooterComment", args{"parentCommentId": above, "body": "So do I"}, &m)
	if m.PageID != "65601" || m.ParentCommentID != above {
		t.Errorf("the reply is %+v", m)
	}
	var list wikiList
	wiki(t, o, ada, "getConfluenceCommentChildren", args{"commentId": above, "commentType": "footer"}, &list)
	if len(list.Results) != 1 || list.Results[0].Body != "So do I" {
		t.Errorf("the replies are %+v", list.Results)
	}
	wiki(t, o, ben, "createConfluenceInlineComment", args{"pageId": "65604", "body": "still true?", "inlineCommentProperties": at("gwctl upstreams", 0, 1)}, &m)
	if m.ResolutionStatus != "open" || m.Properties.InlineOriginalSelection != "gwctl upstreams" {
		t.Errorf("the inline comment is %+v", m)
	}
	wiki(t, o, ben, "createConfluenceInlineComment", args{"parentCommentId": m.ID, "body": "yes"}, nil)

	wikiFails(t, o, ben, "createConfluenceInlineComment", args{"pageId": "65604", "body": "x", "inlineCommentProperties": at("no such text", 0, 1)}, "found 0 times")
	wikiFails(t, o, ben, "createConfluenceInlineComment", args{"pageId": "65604", "body": "x", "inlineCommentProperties": at("gwctl upstreams", 1, 1)}, "strictly greater")
	wikiFails(t, o, ben, "createConfluenceInlineComment", args{"pageId": "65604", "body": "x"}, "inlineCommentProperties is required")
	wikiFails(t, o, ben, "createConfluenceInlineComment", args{"parentCommentId": above, "body": "x"}, "Cannot find [comment]")
	wikiFails(t, o, ben, "createConfluenceFooterComment", args{"body": "x"}, "Either pageId or parentCommentId")
	wikiFails(t, o, ben, "createConfluenceFooterComment", args{"pageId": "65642", "body": "x"}, "Cannot find [page]")
	wikiFails(t, o, ben, "createConfluenceFooterComment", args{"attachmentId": "1", "body": "x"}, "Cannot find [attachment]")
}

func TestFormatGuide(t *testing.T) {
	out := open(t).Call(Caller{Account: ben}, View{}, "getContentFormatGuide", []byte(`{"toolName":"createConfluencePage"}`))
	if out.IsError || !strings.Contains(out.Text, `"markdown"`) {
		t.Errorf("the guide is %+v", out)
	}
}

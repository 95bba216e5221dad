package rovo

// jiraTools returns Jira's tools, which tools/jira.json describes.
func jiraTools() []Tool {
	return bind("jira", map[string]func(*call) (any, error){
		"getJiraIssue":                     (*call).getJiraIssue,
		"editJiraIssue":                    (*call).editJiraIssue,
		"createJiraIssue":                  (*call).createJiraIssue,
		"getTransitionsForJiraIssue":       (*call).getTransitionsForJiraIssue,
		"transitionJiraIssue":              (*call).transitionJiraIssue,
		"lookupJiraAccountId":              (*call).lookupJiraAccountID,
		"searchJiraIssuesUsingJql":         (*call).searchJiraIssuesUsingJQL,
		"addCommentToJiraIssue":            (*call).addCommentToJiraIssue,
		"addWorklogToJiraIssue":            (*call).addWorklogToJiraIssue,
		"getJiraIssueRemoteIssueLinks":     (*call).getJiraIssueRemoteIssueLinks,
		"getIssueLinkTypes":                (*call).getIssueLinkTypes,
		"createIssueLink":                  (*call).createIssueLink,
		"getVisibleJiraProjects":           (*call).getVisibleJiraProjects,
		"getJiraProjectIssueTypesMetadata": (*call).getJiraProjectIssueTypesMetadata,
		"getJiraIssueTypeMetaWithFields":   (*call).getJiraIssueTypeMetaWithFields,
	})
}

package atlassian

import "net/url"

// IndirectTools returns the tools of server by which others are found that are not listed, and those that run them: their argument "name" says
// which. There are none if server is not Atlassian's, or a stand-in on this computer.
func IndirectTools(server *url.URL) (finders, runners []string) {
	if !TakesAPIToken(server) {
		return nil, nil
	}
	return []string{"discover"}, []string{"execute", "executeRead", "executeWrite", "executeDestructive"}
}

// SitelessTools returns the tools of Atlassian's that take no cloudId: they are about the account, about something whose address says where it is, or about
// what belongs to no site.
func SitelessTools() []string {
	return []string{
		"atlassianUserInfo", "getAccessibleAtlassianResources", "search", "fetch", "discover", "getLoomVideo",
		"bitbucketWorkspace", "bitbucketRepository", "bitbucketUser", "bitbucketDeployment", "bitbucketPullRequest", "bitbucketRepoContent",
		"bitbucketPipeline", "bitbucketEnvironment",
	}
}

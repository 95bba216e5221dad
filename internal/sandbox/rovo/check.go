package rovo

import "encoding/json"

// check returns what is wrong with the arguments of a tool, in zod's words, which Atlassian's server passes on. "" means nothing is.
func check(tool Tool, args json.RawMessage) string {
	if json.Valid(args) {
		return ""
	}
	return "Invalid arguments for tool " + tool.Name
}

// Package rovo is what the Atlassian Rovo MCP Server offers: an organization with its sites, its people and what they keep in Jira, Confluence
// and Compass, and the tools that read and write it. It knows nothing of HTTP, sessions or sign-in: a [Caller] is somebody who has been let in.
//
// org.go keeps the organization. tool.go says what a tool is, list.go who is shown which, call.go runs one after check.go has judged its
// arguments. Each product has its data, its query language and its tools in files of its own; common.go has what belongs to none. v2.go and
// v2_execute.go are the tools of September 2026, which are mostly the others under new names.
package rovo

import "encoding/json"

// A Caller is who uses a tool, and what they have been granted.
type Caller struct {
	Account  string   // account ID of a [Person]
	Sites    []string // cloud IDs; nil means every site that the person belongs to
	Products []string // of jira, confluence and compass; nil means all of them. Also delete_jira, which is off unless it is here
	Via      Via
}

// Via says how a caller has signed in, which decides on what tools there are.
type Via string

const (
	OAuth         Via = ""         // in a browser
	APIToken      Via = "token"    // with a person's scoped API token
	ServiceKey    Via = "key"      // with the API key of a service account
	UnscopedToken Via = "unscoped" // with a classic API token, which gives next to nothing
)

// A View is the face that an endpoint shows: which tools, and in which of their shapes.
type View struct {
	V2           bool     // the tools of September 2026
	All          bool     // with V2: every tool by its own name, instead of discover and execute
	Capabilities []string // v1: only these groups, such as READ_JIRA; nil means all

	// What goes wrong is asked whenever it would make a difference. Nil is no.
	ReadOnly  func() bool // whether the administrator has switched all permission groups off that write or delete
	FiveNodes func() bool // whether a Jira search answers in the shape of mid-2026, with five issues at most
	HugePage  func() int  // bytes that a Confluence page's body is made to have at least
}

// An Outcome is what came of calling a tool.
type Outcome struct {
	Text       string          // the result, or what went wrong
	IsError    bool            // the tool says that it has failed
	Structured json.RawMessage // v2's structured result; nil if there is none
	Invalid    string          // not empty: the call was refused as a JSON-RPC error -32602 that says this
}

package issuer

import (
	"slices"
	"strings"
)

// This file knows the scopes of the identity server, and which product each of them is about.

// resources are the endpoints that the identity server guards.
var resources = []resource{
	{"/v1/mcp/authv2", scopesV1},
	{"/v2/mcp", scopesV2},
	{"/mcp", scopesV2},
}

// A resource is one of them, with the scopes that it knows.
type resource struct {
	path   string
	scopes []string
}

// resourceAt returns the resource at a path, nil if it is not the identity server's.
func resourceAt(path string) *resource {
	i := slices.IndexFunc(resources, func(r resource) bool { return r.path == path })
	if i < 0 {
		return nil
	}
	return &resources[i]
}

var scopesV1 = []string{
	"read:me", "read:account", "offline_access", "email",
	"read:jira-work", "write:jira-work",
	"search:confluence", "read:confluence-user", "read:page:confluence", "write:page:confluence", "read:comment:confluence",
	"write:comment:confluence",
	"read:space:confluence", "read:hierarchical-content:confluence",
	"read:component:compass", "write:component:compass", "read:scorecard:compass", "write:scorecard:compass",
	"read:event:compass", "read:metric:compass",
	"read:all:twg", "write:all:twg",
}

var scopesV2 = []string{
	"read:me", "read:account", "offline_access", "email",
	"read:jira:agent-interface", "write:jira:agent-interface", "search:jira:agent-interface", "delete:jira:agent-interface",
	"manage:jira:agent-interface",
	"read:confluence:agent-interface", "write:confluence:agent-interface", "search:confluence:agent-interface",
	"search:rovo:agent-interface", "search:code:agent-interface", "read:all:twg", "write:all:twg",
}

// products are what a person may let a client use.
var products = []string{"jira", "confluence", "compass"}

// productOf returns the product that a scope is about, "" if it is about none of ours.
func productOf(scope string) string {
	for _, p := range products {
		if strings.Contains(scope, ":"+p) {
			return p
		}
	}
	return ""
}

// wanted returns those of the known scopes that are asked for. Atlassian drops what it doesn't know; who asks for nothing is offered
// everything but a refresh token.
func wanted(scope string, known []string) []string {
	asked := strings.Fields(scope)
	return keep(known, func(s string) bool {
		if len(asked) == 0 {
			return s != "offline_access"
		}
		return slices.Contains(asked, s)
	})
}

// offered returns the products that the asked scopes are about, and those that no scope of the resource is about.
func offered(asked, known []string) []string {
	about := func(scopes []string, p string) bool {
		return slices.ContainsFunc(scopes, func(s string) bool { return productOf(s) == p })
	}
	return keep(products, func(p string) bool { return about(asked, p) || !about(known, p) })
}

// scopesFor returns the scopes that are left of scopes when only some products are chosen.
func scopesFor(scopes, chosen []string) []string {
	return keep(scopes, func(s string) bool { return productOf(s) == "" || slices.Contains(chosen, productOf(s)) })
}

// keep returns the elements of list for which f holds.
func keep(list []string, f func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !f(s) })
}

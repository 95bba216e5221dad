package rovo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bitbucket is the workspace that belongs to a site.
type Bitbucket struct {
	Slug         string        `json:"slug"`
	Name         string        `json:"name"`
	Repositories []*Repository `json:"repositories"`
}

// A Repository is one of Bitbucket's.
type Repository struct {
	Slug         string         `json:"slug"`
	Name         string         `json:"name"`
	Description  string         `json:"description,omitempty"`
	Main         string         `json:"mainbranch"`
	Reviewers    []string       `json:"defaultReviewers,omitempty"` // accounts
	Members      Audience       `json:"members,omitempty"`
	Branches     []*Branch      `json:"branches"`
	Commits      []*Commit      `json:"commits"`
	PullRequests []*PullRequest `json:"pullRequests,omitempty"`
	Pipelines    []*Pipeline    `json:"pipelines,omitempty"`
	Environments []*Environment `json:"environments,omitempty"`
}

// A Branch is a line of development, with the files at its end.
type Branch struct {
	Name  string            `json:"name"`
	Head  string            `json:"head"` // hash of a Commit
	Files map[string]string `json:"files"`
}

// A Commit is a change that somebody has made.
type Commit struct {
	Hash    string    `json:"hash"`
	Message string    `json:"message"`
	Author  string    `json:"author"` // account
	Date    time.Time `json:"date"`
}

// A PullRequest asks for a branch to be merged into another.
type PullRequest struct {
	ID          int               `json:"id"`
	Title       string            `json:"title"`
	Description string            `json:"description,omitempty"`
	State       string            `json:"state"` // OPEN, MERGED or DECLINED
	Author      string            `json:"author"`
	Reviewers   []string          `json:"reviewers,omitempty"`
	Approved    []string          `json:"approved,omitempty"`
	Source      string            `json:"source"`
	Destination string            `json:"destination"`
	Comments    []PullRequestNote `json:"comments,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
}

// A PullRequestNote is a comment on a pull request.
type PullRequestNote struct {
	ID      int       `json:"id"`
	Author  string    `json:"author"`
	Text    string    `json:"text"`
	Created time.Time `json:"created"`
}

// A Pipeline is one run of a repository's pipeline.
type Pipeline struct {
	Number  int            `json:"number"`
	Branch  string         `json:"branch"`
	State   string         `json:"state"` // PENDING, SUCCESSFUL or FAILED
	Creator string         `json:"creator"`
	Created time.Time      `json:"created"`
	Steps   []PipelineStep `json:"steps"`
}

// A PipelineStep is a part of a pipeline's run.
type PipelineStep struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	Log   string `json:"log,omitempty"`
}

// An Environment is where a repository is deployed to.
type Environment struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Deployments []*Deployment `json:"deployments,omitempty"`
}

// A Deployment is what a pipeline has put into an environment.
type Deployment struct {
	ID       string    `json:"id"`
	Pipeline int       `json:"pipeline"`
	Commit   string    `json:"commit"`
	State    string    `json:"state"`
	Time     time.Time `json:"time"`
}

// grow makes everything in the workspace younger.
func (b *Bitbucket) grow(age time.Duration) {
	for _, r := range b.Repositories {
		for _, c := range r.Commits {
			c.Date = c.Date.Add(age)
		}
		for _, p := range r.PullRequests {
			p.Created, p.Updated = p.Created.Add(age), p.Updated.Add(age)
			for i := range p.Comments {
				p.Comments[i].Created = p.Comments[i].Created.Add(age)
			}
		}
		for _, p := range r.Pipelines {
			p.Created = p.Created.Add(age)
		}
		for _, e := range r.Environments {
			for _, d := range e.Deployments {
				d.Time = d.Time.Add(age)
			}
		}
	}
}

func (r *Repository) branch(name string) (*Branch, error) {
	if b := firstOf(r.Branches, func(b *Branch) bool { return b.Name == name }); b != nil {
		return b, nil
	}
	return nil, failf(404, "Branch %q not found", name)
}

func (r *Repository) commit(hash string) (*Commit, error) {
	if c := firstOf(r.Commits, func(c *Commit) bool { return hash != "" && strings.HasPrefix(c.Hash, hash) }); c != nil {
		return c, nil
	}
	return nil, failf(404, "Commit %q not found", hash)
}

func (r *Repository) pullRequest(id int) (*PullRequest, error) {
	if p := firstOf(r.PullRequests, func(p *PullRequest) bool { return p.ID == id }); p != nil {
		return p, nil
	}
	return nil, failf(404, "Pull request %d not found", id)
}

// diff returns what is different in b's files, as a unified diff without context.
func diff(a, b *Branch) string {
	paths := slices.Sorted(maps.Keys(a.Files))
	for path := range b.Files {
		if _, ok := a.Files[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	var text strings.Builder
	for _, path := range paths {
		before, after := lines(a.Files[path]), lines(b.Files[path])
		if slices.Equal(before, after) {
			continue
		}
		start := 0
		for start < min(len(before), len(after)) && before[start] == after[start] {
			start++
		}
		end := 0
		for end < min(len(before), len(after))-start && before[len(before)-1-end] == after[len(after)-1-end] {
			end++
		}
		before, after = before[start:len(before)-end], after[start:len(after)-end]
		writeHunk(&text, path, start, before, after)
	}
	return text.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// writeHunk writes that lines of a file, which come after as many as start says, have been replaced by others.
func writeHunk(w *strings.Builder, path string, start int, before, after []string) {
	place := func(lines []string) string {
		if len(lines) == 0 { // the line before
			return fmt.Sprintf("%d,0", start)
		}
		return fmt.Sprintf("%d,%d", start+1, len(lines))
	}
	fmt.Fprintf(w, "diff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n@@ -%s +%s @@\n", path, path, path, path, place(before), place(after))
	for _, line := range before {
		w.WriteString("-" + line + "\n")
	}
	for _, line := range after {
		w.WriteString("+" + line + "\n")
	}
}

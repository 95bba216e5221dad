package rovo

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Nobody has published the schemas and results of Bitbucket's tools: their actions are known, and the rest follows its REST API 2.0.

func bitbucketTools() []Tool {
	return bind("bitbucket", map[string]func(*call) (any, error){
		"bitbucketWorkspace":   (*call).bitbucketWorkspace,
		"bitbucketRepository":  bitbucket((*call).bitbucketRepository),
		"bitbucketUser":        (*call).bitbucketUser,
		"bitbucketDeployment":  bitbucket((*call).bitbucketDeployment),
		"bitbucketPullRequest": bitbucket((*call).bitbucketPullRequest),
		"bitbucketRepoContent": bitbucket((*call).bitbucketContent),
		"bitbucketPipeline":    bitbucket((*call).bitbucketPipeline),
		"bitbucketEnvironment": bitbucket((*call).bitbucketEnvironment),
	})
}

// bitbucketArgs are the arguments of all of Bitbucket's tools.
type bitbucketArgs struct {
	Action, Workspace, Repository string

	State, Title, Description, Source, Destination, Text string // of pull requests
	ID                                                   int    // of a pull request, or the number of a pipeline
	Branch, Commit, Path, Content, Message               string
	Step, Environment, Deployment                        string
}

// bitbucket returns a tool that works on a repository. Without one the tool can only list repositories.
func bitbucket(use func(*call, *Bitbucket, *Repository, bitbucketArgs) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var args bitbucketArgs
		if err := c.decode(&args); err != nil {
			return nil, err
		}
		for _, w := range c.workspaces() {
			if w.Slug != args.Workspace {
				continue
			}
			r := firstOf(w.visible(c.person.Account), func(r *Repository) bool { return r.Slug == args.Repository })
			if r == nil && args.Repository != "" {
				return nil, failf(404, "Repository %s/%s not found", args.Workspace, args.Repository)
			}
			return use(c, w, r, args)
		}
		return nil, failf(404, "Workspace %q not found", args.Workspace)
	}
}

func (c *call) workspaces() []*Bitbucket {
	var all []*Bitbucket
	for _, s := range c.sites() {
		if s.Bitbucket != nil {
			all = append(all, s.Bitbucket)
		}
	}
	return all
}

func (b *Bitbucket) visible(account string) []*Repository {
	return slices.DeleteFunc(slices.Clone(b.Repositories), func(r *Repository) bool { return !r.Members.Has(account) })
}

// values is a page of Bitbucket's, which has everything on it.
func values[T any](all []T) any {
	return object{"values": append([]T{}, all...), "page": 1, "pagelen": max(10, len(all)), "size": len(all)}
}

func (c *call) bitbucketWorkspace() (any, error) {
	var args bitbucketArgs
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	nodes := []any{}
	for _, w := range c.workspaces() {
		node := object{"slug": w.Slug, "name": w.Name, "links": object{"html": "https://bitbucket.org/" + w.Slug}}
		if args.Action == "get" && w.Slug == args.Workspace {
			return node, nil
		}
		nodes = append(nodes, node)
	}
	if args.Action == "get" {
		return nil, failf(404, "Workspace %q not found", args.Workspace)
	}
	return values(nodes), nil
}

func repositoryNode(w *Bitbucket, r *Repository) any {
	return object{
		"slug": r.Slug, "name": r.Name, "full_name": w.Slug + "/" + r.Slug, "description": r.Description, "is_private": true,
		"mainbranch": object{"name": r.Main}, "links": object{"html": "https://bitbucket.org/" + w.Slug + "/" + r.Slug},
	}
}

func (c *call) bitbucketRepository(w *Bitbucket, r *Repository, args bitbucketArgs) (any, error) {
	if args.Action == "list" {
		nodes := []any{}
		for _, r := range w.visible(c.person.Account) {
			nodes = append(nodes, repositoryNode(w, r))
		}
		return values(nodes), nil
	}
	if r == nil {
		return nil, failf(400, "repository is required for action %s", args.Action)
	}
	if args.Action == "defaultReviewers" {
		nodes := []any{}
		for _, account := range r.Reviewers {
			nodes = append(nodes, c.who(account))
		}
		return values(nodes), nil
	}
	return repositoryNode(w, r), nil
}

func (c *call) bitbucketUser() (any, error) {
	var args bitbucketArgs
	if err := c.decode(&args); err != nil {
		return nil, err
	}
	nodes := []any{}
	for _, w := range c.workspaces() {
		for _, r := range w.visible(c.person.Account) {
			for _, p := range r.PullRequests {
				if p.State == cmp.Or(args.State, "OPEN") && (p.Author == c.person.Account || slices.Contains(p.Reviewers, c.person.Account)) {
					nodes = append(nodes, c.pullRequestNode(w, r, p))
				}
			}
		}
	}
	return values(nodes), nil
}

func (c *call) pullRequestNode(w *Bitbucket, r *Repository, p *PullRequest) any {
	reviewers := []any{}
	for _, account := range p.Reviewers {
		reviewers = append(reviewers, object{"user": c.who(account), "approved": slices.Contains(p.Approved, account)})
	}
	return object{
		"id": p.ID, "title": p.Title, "description": p.Description, "state": p.State, "author": c.who(p.Author), "reviewers": reviewers,
		"source": object{"branch": p.Source}, "destination": object{"branch": p.Destination}, "comment_count": len(p.Comments),
		"created_on": p.Created, "updated_on": p.Updated,
		"links": object{"html": fmt.Sprintf("https://bitbucket.org/%s/%s/pull-requests/%d", w.Slug, r.Slug, p.ID)},
	}
}

func (c *call) bitbucketPullRequest(w *Bitbucket, r *Repository, args bitbucketArgs) (any, error) {
	now := c.org.now()
	switch {
	case r == nil:
		return nil, failf(400, "repository is required for action %s", args.Action)
	case args.Action == "list":
		nodes := []any{}
		for _, p := range r.PullRequests {
			if p.State == cmp.Or(args.State, "OPEN") {
				nodes = append(nodes, c.pullRequestNode(w, r, p))
			}
		}
		return values(nodes), nil
	case args.Action == "create":
		destination := cmp.Or(args.Destination, r.Main)
		for _, name := range []string{args.Source, destination} {
			if _, err := r.branch(name); err != nil {
				return nil, err
			}
		}
		if args.Title == "" || args.Source == destination {
			return nil, failf(400, "A pull request needs a title and two branches")
		}
		p := &PullRequest{
			ID: len(r.PullRequests) + 1, Title: args.Title, Description: args.Description, State: "OPEN", Author: c.person.Account,
			Reviewers: slices.DeleteFunc(slices.Clone(r.Reviewers), func(a string) bool { return a == c.person.Account }),
			Source:    args.Source, Destination: destination, Created: now, Updated: now,
		}
		r.PullRequests = append(r.PullRequests, p)
		return c.pullRequestNode(w, r, p), nil
	}
	p, err := r.pullRequest(args.ID)
	if err != nil {
		return nil, err
	}
	switch args.Action {
	case "get":
		return c.pullRequestNode(w, r, p), nil
	case "comments":
		nodes := []any{}
		for _, n := range p.Comments {
			nodes = append(nodes, object{"id": n.ID, "user": c.who(n.Author), "content": object{"raw": n.Text}, "created_on": n.Created})
		}
		return values(nodes), nil
	case "comment":
		if args.Text == "" {
			return nil, failf(400, "text is required for action comment")
		}
		p.Comments = append(p.Comments, PullRequestNote{c.org.number(), c.person.Account, args.Text, now})
		p.Updated = now
		return c.pullRequestNode(w, r, p), nil
	case "diff":
		source, err := r.branch(p.Source)
		if err != nil {
			return nil, err
		}
		destination, err := r.branch(p.Destination)
		if err != nil {
			return nil, err
		}
		return diff(destination, source), nil
	}
	if p.State != "OPEN" {
		return nil, failf(409, "Pull request %d is %s", p.ID, p.State)
	}
	if p.Updated = now; args.Action == "approve" {
		if !slices.Contains(p.Reviewers, c.person.Account) {
			p.Reviewers = append(p.Reviewers, c.person.Account)
		}
		if !slices.Contains(p.Approved, c.person.Account) {
			p.Approved = append(p.Approved, c.person.Account)
		}
		return c.pullRequestNode(w, r, p), nil
	}
	if p.State = "DECLINED"; args.Action == "merge" {
		p.State = "MERGED"
		source, err := r.branch(p.Source)
		if err != nil {
			return nil, err
		}
		destination, err := r.branch(p.Destination)
		if err != nil {
			return nil, err
		}
		destination.Files = maps.Clone(source.Files)
		c.commitTo(r, destination, fmt.Sprintf("Merged in %s (pull request #%d)", p.Source, p.ID))
	}
	return c.pullRequestNode(w, r, p), nil
}

// commitTo makes a commit the last of a branch.
func (c *call) commitTo(r *Repository, b *Branch, message string) *Commit {
	now := c.org.now()
	k := &Commit{fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "%s %s %d", b.Head, message, c.org.number()))), message, c.person.Account, now}
	r.Commits = append(r.Commits, k)
	b.Head = k.Hash
	return k
}

func (c *call) commitNode(k *Commit) any {
	return object{"hash": k.Hash, "message": k.Message, "author": c.who(k.Author), "date": k.Date}
}

func (c *call) bitbucketContent(w *Bitbucket, r *Repository, args bitbucketArgs) (any, error) {
	if r == nil {
		return nil, failf(400, "repository is required for action %s", args.Action)
	}
	if args.Action == "commit.get" {
		k, err := r.commit(args.Commit)
		if err != nil {
			return nil, err
		}
		return c.commitNode(k), nil
	}
	if args.Action == "branch.create" {
		from, err := r.branch(cmp.Or(args.Source, r.Main))
		if err != nil {
			return nil, err
		}
		if other, _ := r.branch(args.Branch); other != nil || args.Branch == "" {
			return nil, failf(409, "Branch %q already exists, or is no name", args.Branch)
		}
		r.Branches = append(r.Branches, &Branch{args.Branch, from.Head, maps.Clone(from.Files)})
		return object{"name": args.Branch, "target": object{"hash": from.Head}}, nil
	}
	b, err := r.branch(cmp.Or(args.Branch, r.Main))
	if err != nil {
		return nil, err
	}
	switch args.Action {
	case "branch.get":
		k, err := r.commit(b.Head)
		if err != nil {
			return nil, err
		}
		return object{"name": b.Name, "target": c.commitNode(k)}, nil
	case "files.commit":
		if args.Path == "" || args.Message == "" {
			return nil, failf(400, "path and message are required for action files.commit")
		}
		if b.Files == nil {
			b.Files = map[string]string{}
		}
		b.Files[args.Path] = args.Content
		return c.commitNode(c.commitTo(r, b, args.Message)), nil
	}
	if text, ok := b.Files[args.Path]; ok {
		return text, nil
	}
	dir := strings.Trim(args.Path, "/")
	if dir != "" {
		dir += "/"
	}
	var paths []string
	for path := range b.Files {
		if strings.HasPrefix(path, dir) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil, failf(404, "No such file or directory: %s", args.Path)
	}
	slices.Sort(paths)
	return values(paths), nil
}

func (c *call) bitbucketPipeline(w *Bitbucket, r *Repository, args bitbucketArgs) (any, error) {
	if r == nil {
		return nil, failf(400, "repository is required for action %s", args.Action)
	}
	node := func(p *Pipeline) any {
		return object{
			"build_number": p.Number, "target": object{"ref_name": p.Branch}, "state": p.State, "creator": c.who(p.Creator), "created_on": p.Created,
		}
	}
	switch args.Action {
	case "list":
		nodes := []any{}
		for _, p := range slices.Backward(r.Pipelines) {
			nodes = append(nodes, node(p))
		}
		return values(nodes), nil
	case "run":
		b, err := r.branch(cmp.Or(args.Branch, r.Main))
		if err != nil {
			return nil, err
		}
		step := PipelineStep{ID: uuid(w.Slug, c.org.number()), Name: "Build and test", State: "PENDING"}
		p := &Pipeline{
			Number: 1, Branch: b.Name, State: "PENDING", Creator: c.person.Account, Created: c.org.now(), Steps: []PipelineStep{step},
		}
		for _, other := range r.Pipelines {
			p.Number = max(p.Number, other.Number+1)
		}
		r.Pipelines = append(r.Pipelines, p)
		return node(p), nil
	}
	p := firstOf(r.Pipelines, func(p *Pipeline) bool { return p.Number == args.ID })
	if p == nil {
		return nil, failf(404, "Pipeline %d not found", args.ID)
	}
	steps := []any{}
	for _, s := range p.Steps {
		step := object{"uuid": s.ID, "name": s.Name, "state": s.State}
		if strings.HasPrefix(args.Action, "step.") && s.ID == args.Step {
			if args.Action == "step.log" {
				return s.Log, nil
			}
			return step, nil
		}
		steps = append(steps, step)
	}
	switch args.Action {
	case "steps":
		return values(steps), nil
	case "get":
		return node(p), nil
	}
	return nil, failf(404, "Step %q not found", args.Step)
}

func (c *call) bitbucketEnvironment(_ *Bitbucket, r *Repository, args bitbucketArgs) (any, error) {
	if r == nil {
		return nil, failf(400, "repository is required for action %s", args.Action)
	}
	nodes := []any{}
	for _, e := range r.Environments {
		node := object{"uuid": e.ID, "name": e.Name}
		if args.Action == "get" && (e.ID == args.Environment || e.Name == args.Environment) {
			return node, nil
		}
		nodes = append(nodes, node)
	}
	if args.Action == "get" {
		return nil, failf(404, "Environment %q not found", args.Environment)
	}
	return values(nodes), nil
}

func (c *call) bitbucketDeployment(_ *Bitbucket, r *Repository, args bitbucketArgs) (any, error) {
	if r == nil {
		return nil, failf(400, "repository is required for action %s", args.Action)
	}
	nodes := []any{}
	for _, e := range r.Environments {
		for _, d := range e.Deployments {
			node := object{
				"uuid": d.ID, "environment": e.Name, "pipeline": d.Pipeline, "commit": d.Commit, "state": d.State, "last_update_time": d.Time,
			}
			if args.Action == "get" && d.ID == args.Deployment {
				return node, nil
			}
			nodes = append(nodes, node)
		}
	}
	if args.Action == "get" {
		return nil, failf(404, "Deployment %q not found", args.Deployment)
	}
	return values(nodes), nil
}

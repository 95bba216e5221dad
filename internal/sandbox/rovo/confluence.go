package rovo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Confluence is what Confluence holds at a site.
type Confluence struct {
	Spaces   []*Space   `json:"spaces"`
	Pages    []*Page    `json:"pages"`
	Comments []*Comment `json:"comments,omitempty"`
}

// A Space has pages and blog posts.
type Space struct {
	ID          int       `json:"id"`
	Key         string    `json:"key"`
	Name        string    `json:"name"`
	Type        string    `json:"type"`             // global, collaboration, knowledge_base or personal
	Status      string    `json:"status,omitempty"` // "" is current
	Description string    `json:"description,omitempty"`
	Labels      []string  `json:"labels,omitempty"`
	Home        int       `json:"home,omitempty"` // ID of its first page
	Author      string    `json:"author"`
	Created     time.Time `json:"created"`
	Favorite    []string  `json:"favorite,omitempty"` // accounts whose favourite it is
	Members     Audience  `json:"members,omitempty"`
}

// A Page is a page or a blog post.
type Page struct {
	ID       int             `json:"id"`
	Type     string          `json:"type,omitempty"` // blogpost; "" is a page
	Live     bool            `json:"live,omitempty"`
	Status   string          `json:"status,omitempty"` // archived, trashed, deleted or draft; "" is current
	Space    int             `json:"space"`
	Parent   int             `json:"parent,omitempty"` // page ID; 0 if it is at the top
	Title    string          `json:"title"`
	Labels   []string        `json:"labels,omitempty"`
	Author   string          `json:"author"`
	Created  time.Time       `json:"created"`
	Versions []*Version      `json:"versions"` // the last one is the current
	Members  Audience        `json:"members,omitempty"`
	Body     json.RawMessage `json:"body"`            // ADF; in a seed Markdown
	Draft    *Draft          `json:"draft,omitempty"` // edited, but not published
}

// A Version says who changed a page. Its number is its place, counted from 1.
type Version struct {
	Author  string    `json:"author"`
	Created time.Time `json:"created"`
	Message string    `json:"message,omitempty"`
}

// A Draft is how a page will be when it is published next.
type Draft struct {
	Title string          `json:"title"`
	Body  json.RawMessage `json:"body"`
}

// A Comment stands below a page, or at a piece of its text, or replies to another comment.
type Comment struct {
	ID         int             `json:"id"`
	Page       int             `json:"page"`
	Parent     int             `json:"parent,omitempty"` // ID of the comment to which it replies
	Inline     bool            `json:"inline,omitempty"`
	Selection  string          `json:"selection,omitempty"`  // the text at which it stands
	Resolution string          `json:"resolution,omitempty"` // of inline comments: resolved, dangling or reopened; "" is open
	Status     string          `json:"status,omitempty"`     // "" is current
	Author     string          `json:"author"`
	Created    time.Time       `json:"created"`
	Versions   int             `json:"versions,omitempty"` // how many there have been; 0 is one
	Body       json.RawMessage `json:"body"`
}

// plantConfluence reads a seed, whose texts are Markdown, and makes it age older than it says.
func (s *Site) plantConfluence(text json.RawMessage, age time.Duration) error {
	if err := json.Unmarshal(text, &s.Confluence); err != nil {
		return err
	}
	for _, space := range s.Confluence.Spaces {
		space.Created = space.Created.Add(age)
	}
	for _, p := range s.Confluence.Pages {
		p.Created = p.Created.Add(age)
		for _, v := range p.Versions {
			v.Created = v.Created.Add(age)
		}
		if err := plantBody(&p.Body); err != nil {
			return err
		}
	}
	for _, m := range s.Confluence.Comments {
		m.Created = m.Created.Add(age)
		if err := plantBody(&m.Body); err != nil {
			return err
		}
	}
	return nil
}

// plantBody makes a body that is Markdown ADF. A body in a seed may be a list of lines.
func plantBody(body *json.RawMessage) error {
	var text string
	if err := json.Unmarshal(*body, &text); err != nil {
		var lines []string
		if err := json.Unmarshal(*body, &lines); err != nil {
			return err
		}
		text = strings.Join(lines, "\n")
	}
	*body = markdownToADF(text)
	return nil
}

// space returns a space that the account may see, nil if there is none.
func (f *Confluence) space(account string, id int) *Space {
	i := slices.IndexFunc(f.Spaces, func(s *Space) bool { return s.ID == id })
	if i < 0 || !f.Spaces[i].Members.Has(account) {
		return nil
	}
	return f.Spaces[i]
}

// byID returns a page, nil if there is none.
func (f *Confluence) byID(id int) *Page {
	i := slices.IndexFunc(f.Pages, func(p *Page) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return f.Pages[i]
}

// page returns a page that the account may see, nil if there is none.
func (f *Confluence) page(account string, id int) *Page {
	if p := f.byID(id); p != nil && f.visible(account, p) {
		return p
	}
	return nil
}

// visible reports whether the account may see a page: its space, itself and all that it is under.
func (f *Confluence) visible(account string, p *Page) bool {
	if f.space(account, p.Space) == nil || !p.Members.Has(account) || p.status() == "draft" && p.Author != account {
		return false
	}
	for _, above := range f.ancestors(p) {
		if !above.Members.Has(account) {
			return false
		}
	}
	return true
}

// ancestors returns what a page is under, from the top.
func (f *Confluence) ancestors(p *Page) []*Page {
	var above []*Page
	for p.Parent != 0 && len(above) < len(f.Pages) { // whoever edits the organization's file may make a circle
		if p = f.byID(p.Parent); p == nil {
			break
		}
		above = append(above, p)
	}
	slices.Reverse(above)
	return above
}

// visiblePages returns what the account may see, the oldest ID first.
func (f *Confluence) visiblePages(account string) []*Page {
	var pages []*Page
	for _, p := range f.Pages {
		if f.visible(account, p) {
			pages = append(pages, p)
		}
	}
	slices.SortStableFunc(pages, func(a, b *Page) int { return a.ID - b.ID })
	return pages
}

// comment returns a comment on a page that the account may see, nil if there is none.
func (f *Confluence) comment(account string, id int) *Comment {
	i := slices.IndexFunc(f.Comments, func(m *Comment) bool { return m.ID == id })
	if i < 0 || f.page(account, f.Comments[i].Page) == nil {
		return nil
	}
	return f.Comments[i]
}

func (s *Space) status() string {
	if s.Status == "" {
		return "current"
	}
	return s.Status
}

func (s *Space) path() string { return "/spaces/" + s.Key }

func (p *Page) status() string {
	if p.Status == "" {
		return "current"
	}
	return p.Status
}

func (p *Page) kind() string {
	if p.Type == "" {
		return "page"
	}
	return p.Type
}

// modified returns when a page has been changed last.
func (p *Page) modified() time.Time {
	if len(p.Versions) == 0 {
		return p.Created
	}
	return p.Versions[len(p.Versions)-1].Created
}

// contributors returns the accounts of who has written a page.
func (p *Page) contributors() []string {
	accounts := []string{p.Author}
	for _, v := range p.Versions {
		if !slices.Contains(accounts, v.Author) {
			accounts = append(accounts, v.Author)
		}
	}
	return accounts
}

// path returns a page's address below the site's /wiki.
func (p *Page) path(s *Space) string {
	title := strings.ReplaceAll(url.PathEscape(p.Title), "%20", "+")
	if p.Type == "blogpost" {
		return s.path() + p.Created.Format("/blog/2006/01/02/") + strconv.Itoa(p.ID) + "/" + title
	}
	return s.path() + "/pages/" + strconv.Itoa(p.ID) + "/" + title
}

// tinyID returns the ID in a page's short link: the number's bytes, the lowest first, in an alphabet for addresses.
func tinyID(id int) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(id))
	text := strings.TrimRight(base64.RawStdEncoding.EncodeToString(b[:]), "A")
	return strings.NewReplacer("/", "-", "+", "_").Replace(text)
}

// pageID returns the number that text stands for, which may be that of a short link. It returns 0 if text is neither.
func pageID(text string) int {
	if id, err := strconv.Atoi(text); err == nil {
		return max(id, 0)
	}
	const length = 11 // of eight bytes
	if len(text) > length {
		return 0
	}
	text = strings.NewReplacer("-", "/", "_", "+").Replace(text) + strings.Repeat("A", length-len(text))
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(b) != 8 {
		return 0
	}
	if id := binary.LittleEndian.Uint64(b); id < 1<<53 {
		return int(id)
	}
	return 0
}

package sandbox

import (
	"net/http"
	"strings"

	"github.com/atlassian-mcp/atlassian-mcp/internal/sandbox/rovo"
)

// This file is what each site at Atlassian tells everybody: its cloud ID. Here /_edge/tenant_info is that of the first site, and
// /acme-labs/_edge/tenant_info that of the site of this name.

// tenants answers that, and has next answer everything else. A pattern of http.ServeMux for any site is at odds with those of other paths.
func (s *Server) tenants(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := strings.CutSuffix(r.URL.Path, "/_edge/tenant_info"); ok && r.Method == http.MethodGet {
			s.serveTenant(w, r, strings.TrimPrefix(name, "/"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveTenant answers with the cloud ID of the site of this name, or of the first if it is "".
func (s *Server) serveTenant(w http.ResponseWriter, r *http.Request, name string) {
	for _, site := range s.org.Sites() {
		if name == "" || strings.EqualFold(site.Name, name) {
			writeJSON(w, struct {
				CloudID string `json:"cloudId"`
			}{site.ID})
			return
		}
	}
	http.NotFound(w, r)
}

// A Site is one that there is, and what stands for it on this machine.
type Site struct {
	rovo.Place
	Address string // for --site
}

// Sites returns all sites.
func (s *Server) Sites() []Site {
	var sites []Site
	for i, place := range s.org.Sites() {
		address := s.Endpoint("/" + place.Name)
		if i == 0 {
			address = s.origin
		}
		sites = append(sites, Site{place, address})
	}
	return sites
}

package sandbox_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestTenant asks sites for their cloud IDs.
func TestTenant(t *testing.T) {
	s := start(t)
	ask := func(address string) (int, string) {
		resp, err := http.Get(address + "/_edge/tenant_info")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(text))
	}
	sites := s.Sites()
	if len(sites) != 2 || sites[0].Address != s.URL() {
		t.Errorf("sites %+v", sites)
	}
	for _, site := range sites {
		if status, got := ask(site.Address); status != 200 || got != `{"cloudId":"`+site.ID+`"}` {
			t.Errorf("%s: %d %s, want %s", site.Address, status, got, site.ID)
		}
	}
	if _, got := ask(s.Endpoint("/" + sites[0].Name)); !strings.Contains(got, sites[0].ID) {
		t.Errorf("the first site by name: %s", got)
	}
	if status, got := ask(s.Endpoint("/nowhere")); status != 404 {
		t.Errorf("no site: %d %s", status, got)
	}
}

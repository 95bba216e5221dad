package auth

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	for _, test := range []struct {
		url       string
		allowHTTP bool
		ok        bool
	}{
		{"https://as.example/token", false, true},
		{"https://as.example:8443/token?x=y", false, true},
		{"https://[2001:db8::1]/token", false, true},
		{"http://127.0.0.1:8080/token", false, true},
		{"http://[::1]:8080/token", false, true},
		{"http://localhost/token", false, true},
		{"http://as.example/token", false, false},
		{"http://as.example/token", true, true},
		{"http://localhost.evil.example/token", false, false},
		{"http://127.0.0.1.evil.example/token", false, false},
		{"javascript:alert(1)", true, false},
		{"javascript://as.example/%0aalert(1)", true, false},
		{"file:///etc/passwd", true, false},
		{"data:text/html,x", true, false},
		{"vbscript:x", true, false},
		{"ftp://as.example/", true, false},
		{"//as.example/token", true, false},
		{"/token", true, false},
		{"", true, false},
		{"https://user:secret@as.example/", false, false},
		{"https://as.example/#f", false, false},
		{"https://$(calc).example/", false, false},
		{"https://as.example';calc;'/", false, false},
		{"https://as.example\"&calc/", false, false},
		{"https:as.example", false, false},
	} {
		if _, err := checkURL(test.url, test.allowHTTP); (err == nil) != test.ok {
			t.Errorf("%q, allow http %v: %v", test.url, test.allowHTTP, err)
		}
	}
}

func TestPageURL(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"https://as.example/authorize", "https://as.example/authorize"},
		{"https://as.example/authorize?tenant=x", "https://as.example/authorize?tenant=x"},
		{"https://as.example/a%2Fb", "https://as.example/a%2Fb"},
		{"https://as.example/$(calc)`id`';x&y|z", "https://as.example/%24%28calc%29%60id%60%27%3Bx%26y%7Cz"},
		{`https://as.example/?a="$(calc)"&b='x'`, "https://as.example/?a=%22%24%28calc%29%22&b=%27x%27"},
	} {
		got := pageURL(test.url)
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.url, got, test.want)
		}
		if strings.ContainsAny(got, "$()`';|\"<> \\") {
			t.Errorf("%s: something for a shell in it", got)
		}
	}
}

func TestIsPrivate(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "172.16.0.1": true, "192.168.1.1": true, "127.0.0.1": true, "169.254.169.254": true, "0.0.0.0": true,
		"100.64.0.1": true, "255.255.255.255": true, "224.0.0.1": true, "::1": true, "::": true, "fe80::1": true, "fd00::1": true,
		"::ffff:10.0.0.1": true, "::ffff:127.0.0.1": true,
		"203.0.113.7": false, "8.8.8.8": false, "2001:4860:4860::8888": false, "::ffff:8.8.8.8": false,
	} {
		if got := isPrivate(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

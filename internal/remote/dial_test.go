package remote

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestImpatient has the network answer early, late and never.
func TestImpatient(t *testing.T) {
	const limit = 2 * time.Second
	for name, test := range map[string]struct {
		after  time.Duration // the answer comes; 0 means never
		limit  time.Duration // 0 means none
		silent bool
	}{
		"early":                   {time.Second, limit, false},
		"late":                    {3 * time.Second, limit, true},
		"never":                   {0, limit, true},
		"late, with all patience": {time.Hour, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := roundTrip(func(req *http.Request) (*http.Response, error) {
					var answer <-chan time.Time
					if test.after > 0 {
						answer = time.After(test.after)
					}
					select {
					case <-answer:
						return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
				})
				ctx := t.Context()
				if test.limit > 0 {
					ctx = impatient(ctx, test.limit)
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := NewClient(network).Do(req); errors.Is(err, errSilent) != test.silent {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

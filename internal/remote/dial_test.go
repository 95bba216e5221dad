package remote

import (
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience has requests written and answered in every order that net/http may tell of.
func TestPatience(t *testing.T) {
	for name, test := range map[string]struct {
		events string // w: written, r: response begun, -: half of the time goes by
		gaveUp bool
	}{
		"nothing sent":            {"----", false},
		"answered":                {"w-r----", false},
		"silent":                  {"w--", true},
		"answered before written": {"rw----", false},
		"second is silent":        {"w-r---w--", true},
		"second is answered":      {"rw---wr----", false},
		"sent again":              {"w-w-r----", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gaveUp := false
				ctx, timer := patience(t.Context(), 2*time.Second, func() { gaveUp = true })
				defer timer.Stop()
				trace := httptrace.ContextClientTrace(ctx)
				for _, e := range test.events {
					switch e {
					case 'w':
						trace.WroteRequest(httptrace.WroteRequestInfo{})
					case 'r':
						trace.GotFirstResponseByte()
					default:
						time.Sleep(time.Second)
						synctest.Wait()
					}
				}
				if gaveUp != test.gaveUp {
					t.Errorf("gave up: %v", gaveUp)
				}
			})
		})
	}
}

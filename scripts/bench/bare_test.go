package bench_test

import (
	"path/filepath"
	"testing"
)

// TestBare makes sure that the yardstick does its job, or nothing measured with it would mean much.
func TestBare(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "./bare", "./server")
	bare := command{filepath.Join(dir, "bare"), startServer(t, filepath.Join(dir, "server"))}

	r := bare.open(t)
	defer r.stop()
	for _, stream := range []bool{false, true} {
		r.call(call{id: 1, bytes: small, stream: stream})
		r.call(call{id: 2, bytes: mib, stream: stream})
		r.calls(call{bytes: small, stream: stream}, 200, inFlight)
	}
	r.call(call{stream: true, notifications: 100})
}

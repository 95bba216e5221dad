package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
)

// FuzzMemories reads files of handshakes. What is taken from one can be sent to a client, and kept.
func FuzzMemories(f *testing.F) {
	f.Add([]byte(`{"k":{"legacy":true,"answers":{"2025-11-25":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}},"at":"2026-01-02T03:04:05Z"}}`))
	f.Add([]byte(`{"k":{"answers":{"2025-11-25":7,"x":null}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), memoryFile)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m := &memory{log: slog.New(slog.DiscardHandler)}
		all := m.read(path)
		for _, one := range all {
			for version, answer := range one.Answers {
				response, err := jsonrpc.Parse([]byte(`{"jsonrpc":"2.0","id":1,"result":` + string(answer) + `}`))
				if err != nil || response.Kind != jsonrpc.Response || response.Failed {
					t.Errorf("%q: %s, %v", version, answer, err)
				}
			}
		}
		if err := all.write(path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%v, %v", info, err)
		}
		again := m.read(path)
		if len(again) != min(len(all), maxMemories) {
			t.Errorf("%d of %d were kept", len(again), len(all))
		}
		for key, one := range again {
			if len(one.Answers) > maxVersions || len(one.Answers) != len(all[key].Answers) || one.Legacy != all[key].Legacy {
				t.Errorf("%q: %v became %v", key, all[key], one)
			}
		}
	})
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/atlassian-mcp/atlassian-mcp/internal/keychain"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
)

// This file keeps what servers answer to initialize, beside the sign-ins, so that the next process can say it before the server does. It is no
// secret, and nothing is lost with it: a file that can't be read is written anew.

const (
	memoryFile = "handshakes.json"

	// maxMemories is how many servers and accounts are remembered, maxMemory how many bytes of each, and maxVersions how many protocol versions.
	maxMemories = 32
	maxMemory   = 64 << 10
	maxVersions = 8
)

// A memory is where the relay's is kept.
type memory struct {
	server  *url.URL
	profile string
	account func(context.Context) (string, error) // a name for what the user has signed in as
	log     *slog.Logger
}

// memories are the contents of the file.
type memories map[string]remembered

type remembered struct {
	relay.Memory
	At time.Time `json:"at"`
}

// recall is relay.Config's.
func (m *memory) recall(ctx context.Context) relay.Memory {
	path, key, err := m.where(ctx)
	if err != nil {
		m.log.Debug("handshake not remembered", "err", err)
		return relay.Memory{}
	}
	return m.read(path)[key].Memory
}

// accountTimeout is for finding out who the user is when they have just used the server, so that it is known.
const accountTimeout = time.Second

// remember is relay.Config's.
func (m *memory) remember(new relay.Memory) {
	ctx, cancel := context.WithTimeout(context.Background(), accountTimeout)
	defer cancel()
	path, key, err := m.where(ctx)
	if err == nil {
		all := m.read(path)
		all[key] = remembered{new, time.Now()}
		err = all.write(path)
	}
	if err != nil {
		m.log.Debug("handshake not kept", "err", err)
	}
}

// where returns the file, and the key in it. The key tells nobody who the user is.
func (m *memory) where(ctx context.Context) (path, key string, err error) {
	dir, err := keychain.StateDir()
	if err != nil {
		return "", "", err
	}
	account, err := m.account(ctx)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{m.server.String(), m.profile, account}, "\x00")))
	return filepath.Join(dir, memoryFile), hex.EncodeToString(sum[:12]), nil
}

// read returns what is in the file, without what can't be an answer to initialize.
func (m *memory) read(path string) memories {
	all := make(memories)
	file, err := os.Open(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.log.Debug("handshakes not read", "err", err)
		}
		return all
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() > maxMemories*(maxMemory+1<<10) {
		return all
	}
	if err := json.NewDecoder(file).Decode(&all); err != nil || all == nil {
		m.log.Debug("handshakes are damaged", "err", err)
		return make(memories)
	}
	for _, one := range all {
		for version, answer := range one.Answers {
			if !isAnswer(answer) {
				delete(one.Answers, version)
			}
		}
	}
	return all
}

// isAnswer reports whether raw can be the result of initialize.
func isAnswer(raw json.RawMessage) bool {
	var answer struct {
		Version      string                     `json:"protocolVersion"`
		Capabilities map[string]json.RawMessage `json:"capabilities"`
	}
	return json.Unmarshal(raw, &answer) == nil && answer.Version != "" && answer.Capabilities != nil
}

// write replaces the file, whose oldest memories it leaves out if there are too many.
func (all memories) write(path string) error {
	for key, one := range all {
		size := 0
		for _, answer := range one.Answers {
			size += len(answer)
		}
		if size > maxMemory || len(one.Answers) > maxVersions {
			one.Answers = nil
			all[key] = one
		}
	}
	for len(all) > maxMemories {
		oldest := ""
		for key, one := range all {
			if oldest == "" || one.At.Before(all[oldest].At) {
				oldest = key
			}
		}
		delete(all, oldest)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return replaceFile(path, data)
}

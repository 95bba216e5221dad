package keychain

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
)

// This file implements secrets of any size in a keychain of small items. The secret of a key is
//
//	<key>#<generation>.<i>  for i from 0 to n-1, base64, at most pieceSize bytes each
//	<key>                   the manifest: generation, n, and the hash of the secret
//
// A new secret is a new generation. Its pieces are written and read back first, and the manifest, which
// is the commit point, last; then the old generation is deleted. A crash at any point thus leaves the old
// secret or the new one. What generations may be in the keychain is recorded in a file before they are
// (record.go), so that the next Set or Delete clears up after a crash.

// pieceSize fits Windows (2,560 bytes) and macOS (a command line of 4,096 bytes, into which go-keyring puts
// the value in base64 again, with both names). Every system uses it, so that there is one way to test.
const pieceSize = 2400

// maxPieces bounds a secret to some 1.8 MB, and what a damaged manifest or record can make us do.
const maxPieces = 1000

// The names of items must survive the command line of /usr/bin/security, which knows no escapes, and leave
// room for the value; the service is ours and short.
const maxName = 300

type pieces struct {
	system  *system
	service string
	dir     string // of the records
	log     *slog.Logger
}

type manifest struct {
	V          int    `json:"v"` // manifestVersion
	Generation string `json:"gen"`
	N          int    `json:"n"`
	SHA256     string `json:"sha256"`
}

const manifestVersion = 1

func (p pieces) get(ctx context.Context, key string) ([]byte, error) {
	for seen := ""; ; {
		text, err := p.system.read(ctx, p.service, itemName(key))
		if err != nil {
			return nil, err
		}
		secret, err := p.assemble(ctx, key, text)
		// Readers take no lock: a piece may be missing because another process has just replaced the
		// secret. Then the manifest is another one by now.
		if corrupt := (*CorruptError)(nil); !errors.As(err, &corrupt) || text == seen {
			return secret, err
		}
		seen = text
	}
}

// assemble returns the secret that a manifest describes. Its error is a *CorruptError if pieces are
// missing or wrong.
func (p pieces) assemble(ctx context.Context, key, text string) ([]byte, error) {
	m, err := parseManifest(text)
	if err != nil {
		return nil, err
	}
	var secret []byte
	for i := range m.N {
		piece, err := p.system.read(ctx, p.service, pieceName(key, m.Generation, i))
		if errors.Is(err, ErrNotFound) {
			return nil, &CorruptError{Reason: fmt.Sprintf("piece %d of %d is missing", i+1, m.N)}
		}
		if err != nil {
			return nil, err
		}
		if secret, err = base64.RawStdEncoding.AppendDecode(secret, []byte(piece)); err != nil {
			return nil, &CorruptError{Reason: fmt.Sprintf("piece %d of %d is not ours", i+1, m.N)}
		}
	}
	if sum := sha256.Sum256(secret); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, &CorruptError{Reason: "its pieces do not add up to what was stored"}
	}
	return secret, nil
}

func parseManifest(text string) (manifest, error) {
	var m manifest
	switch err := json.Unmarshal([]byte(text), &m); {
	case err != nil || m.V < manifestVersion || m.V == manifestVersion && (m.N < 0 || m.N > maxPieces):
		return manifest{}, &CorruptError{Reason: "its manifest is not ours"}
	case m.V > manifestVersion:
		// Not damaged: to call it so would let us overwrite what is good.
		return manifest{}, fmt.Errorf("the secret in the keychain was stored by a newer version of this program (format %d)", m.V)
	}
	return m, nil
}

func (p pieces) set(ctx context.Context, key string, secret []byte) error {
	encoded := base64.RawStdEncoding.EncodeToString(secret)
	sum := sha256.Sum256(secret)
	m := manifest{
		V:          manifestVersion,
		Generation: rand.Text(), // a late write of an abandoned call can't hit a piece in use
		N:          (len(encoded) + pieceSize - 1) / pieceSize,
		SHA256:     hex.EncodeToString(sum[:]),
	}
	if m.N > maxPieces {
		return fmt.Errorf("a secret of %d bytes is too large for a keychain", len(secret))
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}

	stale, err := p.generations(ctx, key)
	if err != nil {
		return err
	}
	p.record(key, with(stale, m.Generation, m.N))
	for i := range m.N {
		piece := encoded[i*pieceSize : min((i+1)*pieceSize, len(encoded))]
		if err := p.system.write(ctx, p.service, pieceName(key, m.Generation, i), piece); err != nil {
			return err
		}
	}
	if err := p.system.write(ctx, p.service, itemName(key), string(text)); err != nil {
		return err
	}

	// The secret is stored; what follows can also be done by the next Set.
	if err := p.clear(ctx, key, stale); err != nil {
		p.log.Warn("an old secret is still in the keychain", "err", err)
		return nil
	}
	p.record(key, map[string]int{m.Generation: m.N})
	return nil
}

func (p pieces) delete(ctx context.Context, key string) error {
	stale, err := p.generations(ctx, key)
	if err != nil {
		return err
	}
	if err := p.system.remove(ctx, p.service, itemName(key)); err != nil {
		return err
	}
	if err := p.clear(ctx, key, stale); err != nil {
		return err
	}
	return removeFile(p.recordPath(key))
}

// generations returns how many pieces each generation has that may be in the keychain: those on record and
// the one in use, in case the record was lost.
func (p pieces) generations(ctx context.Context, key string) (map[string]int, error) {
	generations := p.recorded(key)
	text, err := p.system.read(ctx, p.service, itemName(key))
	if errors.Is(err, ErrNotFound) {
		return generations, nil
	}
	if err != nil {
		return nil, err
	}
	switch m, err := parseManifest(text); {
	case errors.Is(err, ErrNotFound):
		return generations, nil
	case err != nil:
		return nil, err
	default:
		return with(generations, m.Generation, m.N), nil
	}
}

// clear deletes the pieces of generations.
func (p pieces) clear(ctx context.Context, key string, generations map[string]int) error {
	for generation, n := range generations {
		for i := range min(n, maxPieces) {
			if err := p.system.remove(ctx, p.service, pieceName(key, generation, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func with(generations map[string]int, generation string, n int) map[string]int {
	generations = maps.Clone(generations)
	if generations == nil {
		generations = make(map[string]int)
	}
	generations[generation] = n
	return generations
}

// itemName returns the name of the item that holds the manifest: key, so that people find it in the
// keychain's own program, or its hash if it would be misread on the way.
func itemName(key string) string {
	plain := key != "" && len(key) <= maxName
	for _, r := range key {
		plain = plain && ' ' < r && r <= '~' && r != '\'' && r != '"' && r != '\\'
	}
	if plain {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func pieceName(key, generation string, i int) string {
	return fmt.Sprintf("%s#%s.%d", itemName(key), generation, i)
}

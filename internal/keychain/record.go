package keychain

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// This file implements the record that is kept of each key in the keychain: a small file without secrets,
// next to the lock. It answers List, and knows which pieces a crash may have left. It is an aid: a
// record that is lost or can't be written costs a line in the log and perhaps a stale piece, never a secret.

type record struct {
	Service     string         `json:"service"`
	Key         string         `json:"key"`
	Generations map[string]int `json:"generations"` // number of pieces
}

const recordSuffix = ".record"

func (p pieces) recordPath(key string) string {
	return filepath.Join(p.dir, fileName(p.service, key)+recordSuffix)
}

// recorded returns the generations on record.
func (p pieces) recorded(key string) map[string]int {
	var r record
	data, err := readFile(p.recordPath(key))
	if os.IsNotExist(err) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		p.log.Warn("cannot read the record of a secret", "path", p.recordPath(key), "err", err)
	}
	return r.Generations
}

// record notes which generations of key may be in the keychain.
func (p pieces) record(key string, generations map[string]int) {
	data, err := json.Marshal(record{p.service, key, generations})
	if err == nil {
		err = replaceFile(p.recordPath(key), data)
	}
	if err != nil {
		p.log.Warn("cannot record a secret", "err", err)
	}
}

func (p pieces) keys() ([]string, error) {
	return keysIn(p.dir, recordSuffix, p.service, p.log)
}

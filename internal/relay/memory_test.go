package relay_test

import (
	"testing"
	"testing/synctest"
)

// TestMemoryIncomplete has servers answer initialize with less than there must be. Their clients get that from them, and from nobody else.
func TestMemoryIncomplete(t *testing.T) {
	for _, said := range []string{`{}`, `null`, `{"protocolVersion":"2025-06-18","capabilities":null}`, `{"protocolVersion":1,"capabilities":{}}`} {
		bubble(t, said, func(t *testing.T) {
			var m memory
			s := newServer(t, script{"initialize": answer(said)})
			c := start(t, m.config(s.config()))
			c.write(initialize, initialized)
			c.want(result(0, said))
			synctest.Wait()
			c.end()
			if m.times > 0 {
				t.Errorf("kept %s", m.m.Answers)
			}

			s.script["initialize"] = hang
			c = start(t, m.config(s.config()))
			c.write(initialize)
			c.wantGuess("2025-06-18")
		})
	}
}

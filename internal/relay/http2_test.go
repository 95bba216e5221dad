package relay_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/atlassian-mcp/atlassian-mcp/internal/jsonrpc"
	"github.com/atlassian-mcp/atlassian-mcp/internal/relay"
	"github.com/atlassian-mcp/atlassian-mcp/internal/remote"
)

// The types of frames and their flags (RFC 9113 §6).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7

	flagEndStream, flagAck, flagEndHeaders = 0x1, 0x1, 0x4
)

// A rawHTTP2 is a server of HTTP/2 that can break the protocol where net/http would not.
type rawHTTP2 struct {
	fail func(w io.Writer, stream uint32) // what tools/call gets

	mu   sync.Mutex     // guards the rest
	seen map[string]int // by method
}

// connect starts s, and runs a relay that has a session with it.
func (s *rawHTTP2) connect(t *testing.T) *client {
	t.Helper()
	s.seen = make(map[string]int)
	h := httptest.NewUnstartedServer(nil)
	h.TLS = &tls.Config{NextProtos: []string{"h2"}}
	h.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": s.serve}
	h.StartTLS()
	t.Cleanup(h.Close)
	to, err := url.Parse(h.URL + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	transport := h.Client().Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	c := start(t, relay.Config{Remote: remote.Config{URL: to, Do: remote.NewClient(transport).Do}})
	c.write(initialize, initialized)
	c.want(welcomed)
	return c
}

// serve is a function of http.Server.TLSNextProto.
func (s *rawHTTP2) serve(_ *http.Server, conn *tls.Conn, _ http.Handler) {
	defer conn.Close()
	if _, err := io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	writeFrame(conn, frameSettings, 0, 0, nil)
	bodies := make(map[uint32][]byte)
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[:])>>8)
		if _, err := io.ReadFull(conn, payload); err != nil {
			return
		}
		flags, stream := head[4], binary.BigEndian.Uint32(head[5:])
		switch kind := head[3]; {
		case kind == frameSettings && flags&flagAck == 0, kind == framePing && flags&flagAck == 0:
			writeFrame(conn, kind, flagAck, 0, payload[:min(len(payload), map[byte]int{framePing: 8}[kind])])
		case kind == frameHeaders && flags&flagEndStream != 0: // GET
			writeFrame(conn, frameHeaders, flagEndHeaders|flagEndStream, stream, []byte("\x08\x03405"))
		case kind == frameData:
			bodies[stream] = append(bodies[stream], payload...)
			if flags&flagEndStream != 0 {
				m, _ := jsonrpc.Parse(bodies[stream])
				s.post(conn, stream, m)
			}
		}
	}
}

// post answers a message.
func (s *rawHTTP2) post(w io.Writer, stream uint32, m jsonrpc.Message) {
	s.mu.Lock()
	s.seen[m.Method]++
	s.mu.Unlock()
	switch m.Method {
	case "initialize", "ping":
		writeFrame(w, frameHeaders, flagEndHeaders, stream, []byte("\x88\x0f\x10\x10application/json"))
		writeFrame(w, frameData, flagEndStream, stream, []byte(result(m.ID, welcome)))
	case "tools/call":
		s.fail(w, stream)
	default:
		writeFrame(w, frameHeaders, flagEndHeaders|flagEndStream, stream, []byte("\x08\x03202"))
	}
}

func (s *rawHTTP2) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[method]
}

// writeFrame writes a frame (RFC 9113 §4.1).
func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = binary.BigEndian.AppendUint32(append(frame, flags), stream)
	w.Write(append(frame, payload...))
}

// TestHTTP2NotRepeated has the server give up on a call that it has read, in every way that HTTP/2 has but the one that says it did nothing.
// net/http takes some of them for a reason to send the request again, without an end.
func TestHTTP2NotRepeated(t *testing.T) {
	reset := func(code byte) func(io.Writer, uint32) {
		return func(w io.Writer, stream uint32) { writeFrame(w, frameReset, 0, stream, []byte{0, 0, 0, code}) }
	}
	for name, fail := range map[string]func(io.Writer, uint32){
		"NO_ERROR":          reset(0x0),
		"PROTOCOL_ERROR":    reset(0x1),
		"INTERNAL_ERROR":    reset(0x2),
		"STREAM_CLOSED":     reset(0x5),
		"CANCEL":            reset(0x8),
		"HTTP_1_1_REQUIRED": reset(0xd),
		"end of the connection": func(w io.Writer, _ uint32) {
			writeFrame(w, frameGoAway, 0, 0, []byte{0, 0, 0, 99, 0, 0, 0, 0})
			w.(io.Closer).Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw := &rawHTTP2{fail: fail}
			c := raw.connect(t)
			c.write(call(1, "tools/call"))
			c.wantError("1", -31000, "")
			c.write(call(2, "ping"))
			c.want(result(2, welcome))
			if n := raw.count("tools/call"); n != 1 {
				t.Errorf("server saw the call %d times", n)
			}
			c.end()
		})
	}
}

// Package jsonrpc knows where a JSON-RPC message begins, where it ends and what it is called, and nothing more.
//
// A [Message] is the bytes that arrived, untouched, with the few facts that routing needs: what kind of message it is, its id and
// its method. They come from one pass over the bytes; nothing is decoded that does not decide where a message goes, so numbers of any
// size, unknown members, key order and escapes survive.
//
//	bytes ─▶ Reader ─▶ Parse (scanner) ─▶ Message ─▶ … ─▶ Writer ─▶ bytes
package jsonrpc

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// A Kind says what a message is to the one who receives it.
type Kind uint8

const (
	Invalid      Kind = iota // JSON, but not a message: a number, or an object with neither method nor result nor error
	Request                  // has a method and an id, and is owed a response
	Notification             // has a method and no id
	Response                 // has a result or an error
	Batch                    // an array of messages (JSON-RPC 2.0 §6, MCP 2025-03-26 only)
)

func (k Kind) String() string {
	return [...]string{"invalid message", "request", "notification", "response", "batch"}[k]
}

// Error codes of JSON-RPC 2.0 §5.1.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
)

// An ID is the raw JSON of a message's id, of whatever type it is, or "" if there is none.
type ID string

// Key returns a form in which two ids are equal if and only if they are the same JSON value: 1, 1.0 and 10e-1 share a key, as do "a" and
// "\u0061", but 1 and "1" do not, nor do 9007199254740992 and 9007199254740993.
func (id ID) Key() string {
	s := string(id)
	switch {
	case s == "":
		return ""
	case s[0] == '"':
		if !strings.Contains(s, `\`) {
			return s
		}
		var text string
		if json.Unmarshal([]byte(s), &text) != nil {
			return s
		}
		return `"` + text + `"`
	case s[0] == '-' || '0' <= s[0] && s[0] <= '9':
		return numberKey(s)
	}
	return s
}

// numberKey writes a JSON number as digits without trailing zeros and an exponent.
func numberKey(s string) string {
	if s != "-0" && !strings.ContainsAny(s, ".eE") {
		return s
	}
	mantissa, exponent := s, new(big.Int)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if len(s)-i > 100 {
			return s // no number that anyone counts with
		}
		mantissa = s[:i]
		exponent.SetString(strings.TrimPrefix(s[i+1:], "+"), 10)
	}
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exponent.Sub(exponent, big.NewInt(int64(len(fraction))))
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	short := strings.TrimRight(digits, "0")
	exponent.Add(exponent, big.NewInt(int64(len(digits)-len(short))))
	if exponent.Sign() >= 0 && exponent.IsInt64() && exponent.Int64() < 1000 {
		return sign + short + strings.Repeat("0", int(exponent.Int64()))
	}
	return sign + short + "e" + exponent.String()
}

// A Message is one JSON-RPC message: the bytes that arrived and what routing needs to know of them.
type Message struct {
	Raw    []byte
	Kind   Kind
	ID     ID     // "" if there is none
	Method string // "" if there is none
	Failed bool   // a Response with an error

	idStart, idEnd int  // where ID stands in Raw; 0, 0 if there is none
	lines          bool // Raw has line breaks between its tokens
}

// Parse returns the message that raw holds. It keeps raw, which the caller must not change afterwards.
//
// The error is a [*SyntaxError] if raw is not one JSON value. JSON that is no message is no error: its Kind is [Invalid].
// Members are matched exactly, after decoding escapes; of members with the same name the last one counts, as it does for the parsers that will see raw next.
func Parse(raw []byte) (Message, error) {
	var p Parser
	p.Add(raw)
	m, err := p.Message(raw)
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// A Parser is [Parse] for a message that comes in pieces, each of which is looked at while it is still in the processor's cache: a message of
// many megabytes would have to be fetched from memory once more. The zero value is ready for a message.
type Parser struct {
	s   scanner
	err error
}

// Reset makes p ready for another message.
func (p *Parser) Reset() {
	*p = Parser{s: scanner{taken: p.s.taken[:0], objects: bitmap{more: p.s.objects.more[:0]}}}
}

// Add looks at the next piece, which it does not keep.
func (p *Parser) Add(piece []byte) {
	if p.err == nil {
		p.err = p.s.write(piece)
	}
}

// Message returns what Parse would for raw, which is all the pieces. With an error, the Message is what could be learnt before it.
func (p *Parser) Message(raw []byte) (Message, error) {
	if p.err == nil {
		p.err = p.s.close()
	}
	m := p.s.message()
	if p.err == nil {
		m.Raw = raw
	}
	return m, p.err
}

// Cancels returns the id of the request that m cancels, if m is the notification that does that (MCP, "Cancellation").
func (m Message) Cancels() (ID, bool) {
	if m.Kind != Notification || m.Method != "notifications/cancelled" {
		return "", false
	}
	id := ID(Lookup(m.Raw, "params", "requestId"))
	return id, id != ""
}

// Split returns the elements of a batch. They share its bytes.
func Split(batch Message) []Message {
	var messages []Message
	for at := range Elements(batch.Raw, Whole(batch.Raw)) {
		if m, err := Parse(batch.Raw[at.Start:at.End:at.End]); err == nil {
			messages = append(messages, m)
		}
	}
	return messages
}

// WithID returns m with id in place of its own, or added if it has none. No other byte changes. m must be a JSON object.
func (m Message) WithID(id ID) Message {
	var raw []byte
	if m.idEnd > 0 {
		raw = make([]byte, 0, len(m.Raw)+len(id)+1)
		raw = append(append(append(raw, m.Raw[:m.idStart]...), id...), m.Raw[m.idEnd:]...)
	} else {
		brace := bytes.IndexByte(m.Raw, '{')
		if brace < 0 {
			return m
		}
		member := `"id":` + string(id)
		if rest := bytes.TrimLeft(m.Raw[brace+1:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
			member += ","
		}
		raw = make([]byte, 0, len(m.Raw)+len(member)+1)
		raw = append(append(append(raw, m.Raw[:brace+1]...), member...), m.Raw[brace+1:]...)
	}
	changed, err := Parse(raw)
	if err != nil {
		return m
	}
	return changed
}

// An Error is the error member of a response (JSON-RPC 2.0 §5.1). Data is encoded as encoding/json does; nil means no data.
type Error struct {
	Code    int
	Message string
	Data    any
}

// ErrorResponse returns the response that answers the request id with e. An id of "" becomes null, which is how JSON-RPC answers what it couldn't read.
func ErrorResponse(id ID, e Error) Message {
	if id == "" {
		id = "null"
	}
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0","id":` + string(id) + `,"error":{"code":` + strconv.Itoa(e.Code) + `,"message":`)
	encode(&b, e.Message)
	if e.Data != nil {
		b.WriteString(`,"data":`)
		encode(&b, e.Data)
	}
	b.WriteString("}}")
	m, err := Parse(b.Bytes())
	if err != nil { // Data that can't be encoded
		return ErrorResponse(id, Error{Code: e.Code, Message: e.Message})
	}
	return m
}

// UnknownMethod returns the answer to a request whose method the server doesn't have.
func UnknownMethod(request Message) Message {
	return ErrorResponse(request.ID, Error{Code: CodeMethodNotFound, Message: "server does not know the method " + request.Method})
}

// NewRequest returns a request of our own. params is JSON, nil means none.
func NewRequest(id ID, method string, params []byte) Message {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0",`)
	if id != "" {
		b.WriteString(`"id":` + string(id) + `,`)
	}
	b.WriteString(`"method":`)
	encode(&b, method)
	if params != nil {
		b.WriteString(`,"params":`)
		b.Write(params)
	}
	b.WriteByte('}')
	m, _ := Parse(b.Bytes())
	return m
}

// NewResponse returns the response to the request with id. Result is its JSON.
func NewResponse(id ID, result []byte) Message {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0","id":` + string(id) + `,"result":`)
	b.Write(result)
	b.WriteByte('}')
	m, _ := Parse(b.Bytes())
	return m
}

// Quote returns text as a JSON string, in which &, < and > stand as they are: people copy addresses out of messages.
func Quote(text string) string {
	var b bytes.Buffer
	encode(&b, text)
	return b.String()
}

// encode writes v without the HTML escapes of json.Marshal and without its newline.
func encode(b *bytes.Buffer, v any) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if e.Encode(v) == nil {
		b.Truncate(b.Len() - 1)
	}
}

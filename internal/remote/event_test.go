package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestEvents takes most of its streams from the WHATWG HTML standard's text and from what servers were seen to send.
func TestEvents(t *testing.T) {
	id := func(id, data string) event { return event{ID: id, HasID: true, Data: []byte(data)} }
	data := func(s string) event { return event{Data: []byte(s)} }
	for _, test := range []struct {
		name, stream string
		want         []event
		err          error
	}{
		{"nothing", "", nil, io.EOF},
		{"one", "data: a\n\n", []event{data("a")}, io.EOF},
		{"type", "event: message\ndata: a\n\nevent:endpoint\ndata:/b\n\n", []event{{Type: "message", Data: []byte("a")}, {Type: "endpoint", Data: []byte("/b")}}, io.EOF},
		{"last type counts", "event: a\nevent: b\nevent\ndata\n\n", []event{data("")}, io.EOF},
		{"type of one event only", "event: a\ndata: 1\n\ndata: 2\n\n", []event{{Type: "a", Data: []byte("1")}, data("2")}, io.EOF},
		{"type alone", "event: a\n\ndata: 2\n\n", []event{data("2")}, io.EOF},
		{"many lines", "data: YHOO\ndata: +2\ndata: 10\n\n", []event{data("YHOO\n+2\n10")}, io.EOF},
		{"pretty-printed", "data: {\ndata:   \"id\": 1\ndata: }\n\n", []event{data("{\n  \"id\": 1\n}")}, io.EOF},
		{"empty data lines", "data\n\ndata\ndata\n\ndata:", []event{data(""), data("\n")}, io.ErrUnexpectedEOF},
		{"one space", "data:test\n\ndata: test\n\ndata:  test\n\ndata:\ttest\n\n", []event{data("test"), data("test"), data(" test"), data("\ttest")}, io.EOF},
		{"comments", ": hello\n\n:\n:data: no\ndata: a\n: b\n\n", []event{data("a")}, io.EOF},
		{"unknown fields", "foo: a\nDATA: b\n data: c\ndata : d\ndatab\n\n", nil, io.EOF},
		{"colons", "data: a: b:c\n\n", []event{data("a: b:c")}, io.EOF},
		{"id", "id: 1\ndata: a\n\nid\ndata: b\n\n", []event{id("1", "a"), id("", "b")}, io.EOF},
		{"id alone", "id: 1\n\n", []event{{ID: "1", HasID: true}}, io.EOF},
		{"priming", "id: 1\nretry: 500\ndata:\n\n", []event{{ID: "1", HasID: true, Retry: 500 * time.Millisecond, HasRetry: true, Data: []byte{}}}, io.EOF},
		{"id with NUL", "id: 1\nid: a\x00b\ndata: a\n\n", []event{id("1", "a")}, io.EOF},
		{"long id", "id: " + strings.Repeat("x", 1<<16) + "\ndata: a\n\nid: " + strings.Repeat("x", 1<<16+1) + "\ndata: b\n\n",
			[]event{id(strings.Repeat("x", 1<<16), "a"), data("b")}, io.EOF},
		{"retry", "retry: 0\n\nretry:15\n\n", []event{{HasRetry: true}, {Retry: 15 * time.Millisecond, HasRetry: true}}, io.EOF},
		{"bad retry", "retry: -1\nretry: 1.5\nretry: 0x1\nretry:  1\nretry: 1 \nretry:\nretry\nretry: ١\n\n", nil, io.EOF},
		{"long retry", "retry: 9223372036854\n\nretry: 9223372036855\n\nretry: 99999999999999999999\n\n", []event{
			{Retry: 9223372036854 * time.Millisecond, HasRetry: true}, {Retry: math.MaxInt64, HasRetry: true}, {Retry: math.MaxInt64, HasRetry: true}}, io.EOF},
		{"CRLF", "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", []event{data("a\nb"), data("c")}, io.EOF},
		{"CR", "data: a\rdata: b\r\rdata: c\r\r", []event{data("a\nb"), data("c")}, io.EOF},
		{"all line ends", "data: a\r\ndata: b\ndata: c\r\ndata: d\n\r\ndata: e\r\n\n", []event{data("a\nb\nc\nd"), data("e")}, io.EOF},
		{"many blank lines", "\n\n\r\r\n\r\ndata: a\n\n\n\r\n", []event{data("a")}, io.EOF},
		{"BOM", "\uFEFFdata: a\n\n", []event{data("a")}, io.EOF},
		{"two BOMs", "\uFEFF\uFEFFdata: a\n\ndata: \uFEFFb\n\n", []event{data("\uFEFFb")}, io.EOF},
		{"only a BOM", "\uFEFF", nil, io.EOF},
		{"half a BOM", "\xEF\xBB", nil, io.ErrUnexpectedEOF},
		{"not UTF-8", "data: \xff\xfe\x00\n\n", []event{data("\xff\xfe\x00")}, io.EOF},
		{"end in data", "data: a\n\ndata: b", []event{data("a")}, io.ErrUnexpectedEOF},
		{"end after data", "data: a\n\ndata: b\n", []event{data("a")}, io.ErrUnexpectedEOF},
		{"end after id", "id: 1\n", nil, io.ErrUnexpectedEOF},
		{"end after comment", "data: a\n\n: b\n", []event{data("a")}, io.EOF},
		{"end in comment", ": b", nil, io.ErrUnexpectedEOF},
		{"HTML", "<!DOCTYPE html>\n\n<p>data: no</p>\n", nil, io.EOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newEventReader(strings.NewReader(test.stream), 1<<20)
			for _, want := range test.want {
				got, err := r.next()
				if err != nil || describe(got) != describe(want) {
					t.Errorf("got %.300s, %v, want %.300s", describe(got), err, describe(want))
				}
			}
			for range 2 {
				if got, err := r.next(); err != test.err {
					t.Errorf("at the end got %.300s, %v, want %v", describe(got), err, test.err)
				}
			}
		})
	}
}

// TestEventAtOnce feeds streams in pieces. The last of them completes an event, which must not wait for more.
func TestEventAtOnce(t *testing.T) {
	for _, pieces := range [][]string{
		{"data: a\n\n"},
		{"data: a\r\r"},
		{"data: a\r\n\r"},
		{"data: a\r", "\n", "\r"},
		{"data: a\r", "\r"},
		{"data: a\n", "\r"},
		{"\xEF", "\xBB\xBF", "d", "ata: a\n\n"},
		{"\n"[:0], "data", ": a", "\r\n", "\n"},
		{": " + strings.Repeat("-", 5000), "\rdata: a\r\r"},
	} {
		r := newEventReader(&pieceReader{pieces: pieces, err: errors.New("waited for more")}, 1<<20)
		if e, err := r.next(); err != nil || string(e.Data) != "a" {
			t.Errorf("%q: got %s, %v", pieces, describe(e), err)
		}
	}
}

// TestEventErrors checks what is told of a stream that breaks.
func TestEventErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, stream := range []string{"", "data: a\n\n", "data: a", "data: a\n", ": a\n", "\r"} {
		r := newEventReader(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(broken)), 1<<20)
		if strings.HasSuffix(stream, "\n\n") {
			if e, err := r.next(); err != nil || string(e.Data) != "a" {
				t.Errorf("%q: got %s, %v", stream, describe(e), err)
			}
		}
		if e, err := r.next(); err != broken {
			t.Errorf("%q: at the end got %s, %v", stream, describe(e), err)
		}
	}
	r := newEventReader(&pieceReader{pieces: make([]string, 1000), err: io.EOF}, 1<<20)
	if _, err := r.next(); err != io.ErrNoProgress {
		t.Errorf("a reader that reads nothing: %v", err)
	}
}

func TestEventLimit(t *testing.T) {
	const limit = 5000
	fits, over := strings.Repeat("x", limit), strings.Repeat("x", limit+1)
	for _, test := range []struct{ name, stream, want string }{
		{"one line", "data: " + fits + "\n\n", "data, end"},
		{"many lines", "data: " + fits[2:] + "\ndata: x\n\n", "data, end"},
		{"over in one line", "data: " + over + "\n\ndata: a\n\n", "too large, data, end"},
		{"over by a line end", "data: " + fits + "\ndata\n\ndata: a\n\n", "too large, data, end"},
		{"over in many lines", "data: " + strings.Repeat("x\ndata: ", limit) + "\n\ndata: a\n\n", "too large, data, end"},
		{"over by far", "data: " + strings.Repeat("x", 100*limit) + "\n\ndata: a\n\n", "too large, data, end"},
		{"id before", "id: 1\ndata: " + over + "\n\ndata: a\n\n", "too large, id 1, data, end"},
		{"id after", "data: " + over + "\nid: 2\n\ndata: a\n\n", "too large, id 2, data, end"},
		{"two", "data: " + over + "\n\ndata: " + over + "\n\n", "too large, too large, end"},
		{"cut", "data: " + over, "too large, cut"},
		{"comment", ": " + over + "\ndata: " + fits + "\n\n", "data, end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for r := newEventReader(strings.NewReader(test.stream), limit); ; {
				e, err := r.next()
				var large *tooLarge
				switch {
				case err == io.EOF:
					got = append(got, "end")
				case err == io.ErrUnexpectedEOF:
					got = append(got, "cut")
				case errors.As(err, &large):
					if large.limit != limit || !strings.Contains(err.Error(), "5000") {
						t.Errorf("the error is %q", err)
					}
					got = append(got, "too large")
					continue
				case err != nil:
					t.Fatal(err)
				case e.Data == nil:
					got = append(got, "id "+e.ID)
					continue
				default:
					got = append(got, "data")
					continue
				}
				break
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestEventOwned appends the newline that the writer of messages appends, while later events are read.
func TestEventOwned(t *testing.T) {
	var stream strings.Builder
	var want []string
	for i := range 200 {
		data := strings.Repeat(strconv.Itoa(i%10), i*i)
		want = append(want, data)
		if i%3 == 0 && i > 0 {
			want[i] = data[:i] + "\n" + data[i:]
		}
		stream.WriteString("data: " + strings.ReplaceAll(want[i], "\n", "\ndata: ") + "\n\n")
	}
	r := newEventReader(strings.NewReader(stream.String()), 1<<20)
	var got [][]byte
	for range want {
		e, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if cap(e.Data) != len(e.Data)+1 {
			t.Errorf("%d bytes of data have capacity %d", len(e.Data), cap(e.Data))
		}
		got = append(got, append(e.Data, '\n'))
	}
	for i := range want {
		if string(got[i]) != want[i]+"\n" {
			t.Errorf("event %d has changed", i)
		}
	}
}

// TestEventMemory checks that reading costs memory in proportion to an event, whatever its shape: what it holds at most is less
// than what it allocates in all.
func TestEventMemory(t *testing.T) {
	for name, stream := range eventShapes(4 << 20) {
		r := newEventReader(bytes.NewReader(stream), 1<<30)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := r.next()
		runtime.ReadMemStats(&after)
		if err != nil || len(e.Data) < 3<<20 {
			t.Fatalf("%s: %d bytes, %v", name, len(e.Data), err)
		}
		total := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(e.Data))
		if total > 2.5 {
			t.Errorf("%s: allocates %.1f times the data", name, total)
		}
	}
	small := bytes.Repeat([]byte("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"), 1100)
	r := newEventReader(bytes.NewReader(small), 1<<20)
	for range 90 { // past the growth of the buffer
		r.next()
	}
	if n := testing.AllocsPerRun(1000, func() { r.next() }); n > 1 {
		t.Errorf("a small event costs %v allocations", n)
	}
}

// eventShapes returns streams of one event with about size bytes of data.
func eventShapes(size int) map[string][]byte {
	line := "data: " + strings.Repeat("x", 64)
	return map[string][]byte{
		"one line":   []byte("data: " + strings.Repeat("x", size) + "\n\n"),
		"lines":      []byte(strings.Repeat(line+"\n", size/len(line)) + "\n"),
		"CRLF lines": []byte(strings.Repeat(line+"\r\n", size/len(line)) + "\r\n"),
		"CR lines":   []byte(strings.Repeat(line+"\r", size/len(line)) + "\r"),
		"blank data": []byte(strings.Repeat("data\n", size) + "\n"),
	}
}

// FuzzEvents compares with referenceEvents, for several ways in which the same bytes can arrive.
func FuzzEvents(f *testing.F) {
	for _, stream := range []string{
		"data: a\n\n",
		"event: message\nid: 1\nretry: 10\ndata: {\ndata: }\n\n",
		"\uFEFFdata\r\n\r\rdata:\rdata:  b\r\n\n\n",
		": comment\n\nid: 1\ndata: \n\nid\n\nid: a\x00\nretry: x\n\n",
		"data: 0123456789012345678901234567890123456789\ndata: 9\nid: 7\n\ndata: b",
		"data:\n\ndata : x\nfoo\n\nevent\nevent: a\nevent: b",
		"\xEF\xBBdata: a\n\n",
		"retry: 99999999999999999999\r\r",
	} {
		f.Add([]byte(stream), uint8(20), uint64(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, limit uint8, seed uint64) {
		want := referenceEvents(stream, int(limit))
		random := rand.New(rand.NewPCG(seed, 0))
		var splits []string
		for rest := string(stream); rest != ""; {
			n := random.IntN(min(len(rest), 20) + 1)
			splits, rest = append(splits, rest[:n]), rest[n:]
		}
		for name, r := range map[string]io.Reader{
			"at once":         bytes.NewReader(stream),
			"with EOF":        iotest.DataErrReader(bytes.NewReader(stream)),
			"byte by byte":    iotest.OneByteReader(bytes.NewReader(stream)),
			"in random parts": &pieceReader{pieces: splits, err: io.EOF},
		} {
			if got := readEvents(newEventReader(r, int64(limit))); !slices.Equal(got, want) {
				t.Errorf("%s: %q with limit %d\ngot  %s\nwant %s", name, stream, limit, got, want)
			}
		}
	})
}

// readEvents describes all that r says, with its last error.
func readEvents(r *eventReader) []string {
	var all []string
	for {
		e, err := r.next()
		var large *tooLarge
		switch {
		case errors.As(err, &large):
			all = append(all, "too large")
		case err != nil:
			return append(all, err.Error())
		default:
			all = append(all, describe(e))
		}
	}
}

func describe(e event) string {
	return fmt.Sprintf("{type %q id %v %q retry %v %v data %v %q}", e.Type, e.HasID, e.ID, e.HasRetry, e.Retry, e.Data != nil, e.Data)
}

// referenceEvents describes the events of a stream as the WHATWG HTML standard defines them: a list of lines, some of them blank.
func referenceEvents(stream []byte, limit int) []string {
	text := strings.TrimPrefix(string(stream), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	lines, rest := lines[:len(lines)-1], lines[len(lines)-1]

	var all []string
	var e event
	var data []string
	open, over := false, false
	addData := func(line string) {
		data = append(data, line)
		if len(strings.Join(data, "\n")) > limit && !over {
			over = true
			all = append(all, "too large")
		}
	}
	for _, line := range lines {
		if line == "" {
			if data != nil && !over {
				e.Data = []byte(strings.Join(data, "\n"))
			}
			if e.Data != nil || e.HasID || e.HasRetry {
				all = append(all, describe(e))
			}
			e, data, open, over = event{}, nil, false, false
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "data":
			open = true
			addData(value)
		case "event":
			open = true
			e.Type = value
		case "id":
			open = true
			if !strings.Contains(value, "\x00") {
				e.ID, e.HasID = value, true
			}
		case "retry":
			open = true
			if n := strings.Trim(value, "0123456789"); n != "" || value == "" {
				break
			}
			e.HasRetry, e.Retry = true, math.MaxInt64
			if d, err := time.ParseDuration(value + "ms"); err == nil {
				e.Retry = d
			}
		}
	}
	// Of a line without an end, data counts against the limit as soon as the line shows that it is data.
	if value, ok := strings.CutPrefix(rest, "data:"); ok && value != "" {
		addData(strings.TrimPrefix(value, " "))
	}
	if open || rest != "" {
		return append(all, io.ErrUnexpectedEOF.Error())
	}
	return append(all, io.EOF.Error())
}

// A pieceReader returns one piece for each Read, then err.
type pieceReader struct {
	pieces []string
	err    error
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, r.err
	}
	n := copy(p, r.pieces[0])
	if r.pieces[0] = r.pieces[0][n:]; r.pieces[0] == "" {
		r.pieces = r.pieces[1:]
	}
	return n, nil
}

// endless repeats text for ever.
type endless struct {
	text []byte
	at   int
}

func (r *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], r.text[r.at:])
		n, r.at = n+m, (r.at+m)%len(r.text)
	}
	return n, nil
}

func BenchmarkEventSmall(b *testing.B) {
	text := []byte("event: message\nid: 17\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"hello\"}]}}\n\n")
	r := newEventReader(&endless{text: text}, 1<<20)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.next(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEventLarge shows by its rates that the cost grows with the size alone.
func BenchmarkEventLarge(b *testing.B) {
	for _, size := range []int{1 << 20, 4 << 20, 100 << 20} {
		shapes := eventShapes(size)
		for _, name := range slices.Sorted(maps.Keys(shapes)) {
			stream := shapes[name]
			b.Run(fmt.Sprintf("%dMiB/%s", size>>20, strings.ReplaceAll(name, " ", "-")), func(b *testing.B) {
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := newEventReader(bytes.NewReader(stream), 1<<30).next(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

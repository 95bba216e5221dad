// Command bare relays MCP messages between stdin and stdout and a Streamable HTTP server, and does nothing else. It is
// the yardstick of the benchmark: what the job costs with net/http alone. Nobody is signed in, nothing is retried, a
// request whose exchange fails stays unanswered, and both sides are trusted to behave.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"mime"
	"net/http"
	"os"
	"sync"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: bare URL")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // with the default of 2 most concurrent calls would dial
	r := relay{
		url:    os.Args[1],
		client: http.Client{Transport: transport},
		header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}},
		out:    bufio.NewWriter(os.Stdout),
	}
	if err := r.run(os.Stdin); err != nil {
		log.Fatal(err)
	}
}

type relay struct {
	url    string
	client http.Client
	header http.Header // of every request; only read once initialize is answered

	mu  sync.Mutex // guards out
	out *bufio.Writer
}

// run relays until in ends and every call is answered. The first two lines are initialize and its confirmation: each is
// over before the next line is sent.
func (r *relay) run(in io.Reader) error {
	ctx, hangUp := context.WithCancel(context.Background())
	var calls, listening sync.WaitGroup
	defer listening.Wait()
	defer hangUp()
	defer calls.Wait()
	lines := bufio.NewReader(in)
	for n := 0; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch n {
		case 0:
			r.exchange(ctx, http.MethodPost, line, r.initialized)
		case 1:
			r.exchange(ctx, http.MethodPost, line, r.write)
			listening.Go(func() { r.exchange(ctx, http.MethodGet, nil, r.write) })
		default:
			calls.Go(func() { r.exchange(ctx, http.MethodPost, line, r.write) })
		}
	}
}

// exchange sends one message, or none with GET, and delivers what comes back.
func (r *relay) exchange(ctx context.Context, method string, message []byte, deliver func([]byte)) {
	req, err := http.NewRequestWithContext(ctx, method, r.url, bytes.NewReader(message))
	if err != nil {
		log.Fatal(err) // the URL is none
	}
	req.Header = r.header.Clone()
	resp, err := r.client.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			log.Print(err)
		}
		return
	}
	defer resp.Body.Close()
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" && r.header.Get("Mcp-Session-Id") == "" {
		r.header.Set("Mcp-Session-Id", id)
	}
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); {
	case resp.StatusCode >= 300:
		log.Print(method, ": ", resp.Status)
	case kind == "application/json":
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Print(err)
			return
		}
		deliver(body)
	case kind == "text/event-stream":
		events(resp.Body, deliver)
	}
}

// events delivers the data of each event until the stream ends.
func events(body io.Reader, deliver func([]byte)) {
	lines := bufio.NewReader(body)
	var data []byte
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		line = bytes.TrimRight(line, "\r\n")
		switch value, isData := bytes.CutPrefix(line, []byte("data:")); {
		case isData && data == nil:
			data = value
		case isData:
			data = append(append(data, '\n'), value...)
		case len(line) == 0 && data != nil:
			deliver(data)
			data = nil
		}
	}
}

// initialized learns the protocol version from the answer to initialize.
func (r *relay) initialized(message []byte) {
	var answer struct {
		Result struct {
			ProtocolVersion string `json:"protocolVersion"`
		} `json:"result"`
	}
	if err := json.Unmarshal(message, &answer); err != nil {
		log.Print(err)
	}
	r.header.Set("Mcp-Protocol-Version", answer.Result.ProtocolVersion)
	r.write(message)
}

func (r *relay) write(message []byte) {
	message = bytes.TrimSpace(message)
	if bytes.IndexByte(message, '\n') >= 0 {
		message = bytes.ReplaceAll(message, []byte("\n"), []byte(" "))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Write(message)
	r.out.WriteByte('\n')
	if err := r.out.Flush(); err != nil {
		log.Fatal(err)
	}
}

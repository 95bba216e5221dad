package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience bounds the life of one process, so that a relay that hangs fails the run instead of stopping it.
const patience = time.Minute

// build builds packages, as they are released, into dir.
func build(tb testing.TB, dir string, packages ...string) {
	tb.Helper()
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// startServer runs the program until the end of the test, and returns the URL that it prints.
func startServer(tb testing.TB, program string) (url string) {
	tb.Helper()
	cmd := exec.Command(program)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("reading the server's URL: %v", err)
	}
	return strings.TrimSpace(url)
}

// A command starts a relay.
type command struct {
	program string
	url     string // of the server
}

// A relay is a running relay, spoken to as an IDE does.
type relay struct {
	tb     testing.TB
	cancel context.CancelFunc
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func (c command) start(tb testing.TB) *relay {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r := &relay{tb: tb, cancel: cancel, cmd: exec.CommandContext(ctx, c.program, c.url)}
	// A home directory of its own: nobody's settings and tokens play a part.
	home := filepath.Dir(c.program)
	r.cmd.Env = []string{"HOME=" + home, "USERPROFILE=" + home, "PATH=" + os.Getenv("PATH")}
	r.cmd.Stderr = &r.stderr
	r.in, _ = r.cmd.StdinPipe()
	out, _ := r.cmd.StdoutPipe()
	r.out = bufio.NewReaderSize(out, mib)
	if err := r.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	return r
}

// stop ends the relay as an IDE does, by closing its stdin.
func (r *relay) stop() {
	r.tb.Helper()
	defer r.cancel()
	r.in.Close()
	io.Copy(io.Discard, r.out)
	if err := r.cmd.Wait(); err != nil && !r.tb.Failed() {
		r.fatal(err)
	}
}

// processorTime is what the relay used, once it is stopped.
func (r *relay) processorTime() time.Duration {
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
}

func (r *relay) initialize() {
	r.tb.Helper()
	r.send(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
		`"clientInfo":{"name":"bench","version":"1"}}}`)
	if head, _ := r.receive(); !strings.HasPrefix(head, `{"jsonrpc":"2.0","id":0,"result":`) {
		r.fatal(fmt.Errorf("initialize was answered by %s", head))
	}
}

// open starts a relay and opens its session.
func (c command) open(tb testing.TB) *relay {
	tb.Helper()
	r := c.start(tb)
	r.initialize()
	r.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return r
}

// A call is one call of the server's tool.
type call struct {
	id            int
	bytes         int  // of text in the result
	stream        bool // answered with an event stream
	notifications int  // that the stream carries before the result
}

func (c call) String() string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"text","arguments":`+
		`{"bytes":%d,"stream":%t,"notifications":%d}}}`, c.id, c.bytes, c.stream, c.notifications)
}

func (c call) withID(id int) call {
	c.id = id
	return c
}

// call sends c and waits for its result.
func (r *relay) call(c call) {
	r.tb.Helper()
	r.send(c.String())
	for range c.notifications {
		if head, _ := r.receive(); !strings.Contains(head, `"method":"notifications/message"`) {
			r.fatal(fmt.Errorf("instead of a notification came %s", head))
		}
	}
	if id := r.result(c.bytes); id != c.id {
		r.fatal(fmt.Errorf("call %d got the answer to %d", c.id, id))
	}
}

// calls makes n calls like c, with up to window of them under way, and checks that each is answered once.
func (r *relay) calls(c call, n, window int) {
	r.tb.Helper()
	answered := make([]bool, n)
	sent := 0
	for got := range n {
		for ; sent < min(n, got+window); sent++ {
			r.send(c.withID(sent).String())
		}
		id := r.result(c.bytes)
		if id < 0 || id >= sent || answered[id] {
			r.fatal(fmt.Errorf("call %d was answered twice, or never made", id))
		}
		answered[id] = true
	}
}

// result receives the result of a call, of at least so many bytes, and returns the call's id.
func (r *relay) result(size int) (id int) {
	r.tb.Helper()
	head, n := r.receive()
	digits, rest, _ := strings.Cut(strings.TrimPrefix(head, `{"jsonrpc":"2.0","id":`), ",")
	id, err := strconv.Atoi(digits)
	if err != nil || !strings.HasPrefix(rest, `"result":{"content"`) || n < size {
		r.fatal(fmt.Errorf("instead of %d bytes of result came %d: %s", size, n, head))
	}
	return id
}

func (r *relay) send(message string) {
	r.tb.Helper()
	if _, err := io.WriteString(r.in, message+"\n"); err != nil {
		r.fatal(err)
	}
}

// receive reads a line of any length, and keeps no more than its head.
func (r *relay) receive() (head string, size int) {
	r.tb.Helper()
	for {
		part, err := r.out.ReadSlice('\n')
		if size == 0 {
			head = string(part[:min(len(part), 256)])
		}
		size += len(part)
		switch {
		case err == nil:
			return head, size
		case !errors.Is(err, bufio.ErrBufferFull):
			r.fatal(fmt.Errorf("reading from it: %w", err))
		}
	}
}

// accountsMemory says whether this machine can tell what a process uses.
func accountsMemory() bool {
	_, err := os.Stat("/proc/self/smaps_rollup")
	return err == nil
}

// memory reads a field of the relay's memory accounts (proc_pid_status(5), proc_pid_smaps(5)), in MiB. It is NaN where
// there are none.
func (r *relay) memory(field string) float64 {
	r.tb.Helper()
	if !accountsMemory() {
		return math.NaN()
	}
	for _, file := range []string{"status", "smaps_rollup"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", r.cmd.Process.Pid, file))
		if err != nil {
			r.fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, field+":"); ok {
				kib, err := strconv.ParseFloat(strings.Trim(value, " \tkB\n"), 64)
				if err != nil {
					r.fatal(err)
				}
				return kib / 1024
			}
		}
	}
	r.fatal(fmt.Errorf("its memory accounts have no %s", field))
	return 0
}

// fatal ends the relay and then the test.
func (r *relay) fatal(err error) {
	r.tb.Helper()
	r.cancel()
	r.cmd.Wait() // for the last of stderr
	r.tb.Fatalf("%s: %v\n%s", filepath.Base(r.cmd.Path), err, r.stderr.String())
}

package keychain

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is also a small program around a Store, so that tests can have processes:
//
//	get KEY · set KEY <secret · delete KEY · list · backend · increment KEY N · hold KEY <until EOF
//	hold-and-spawn KEY KEY · overwrite KEY · join SERVER <until EOF

const childVariable = "KEYCHAIN_TEST_CHILD" // the Store's Dir, Kind and Timeout in the children

func TestMain(m *testing.M) {
	if settings := os.Getenv(childVariable); settings != "" {
		os.Exit(child(settings, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// A result is what a child prints.
type result struct {
	Value   []byte
	Keys    []string
	Backend Backend
	Class   string // of the error, "" if there is none
	Err     string
}

func child(settings string, args []string) int {
	part := strings.Split(settings, "|")
	s := &Store{Dir: part[0]}
	if err := s.Kind.UnmarshalText([]byte(part[1])); err != nil {
		panic(err)
	}
	s.Timeout, _ = time.ParseDuration(part[2])

	var r result
	err := run(s, args, &r)
	if err != nil {
		r.Class, r.Err = class(err), err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
	return 0
}

func run(s *Store, args []string, r *result) (err error) {
	ctx := context.Background()
	switch args[0] {
	case "get":
		r.Value, err = s.Get(ctx, args[1])
	case "set":
		secret, readErr := io.ReadAll(os.Stdin)
		if readErr != nil {
			return readErr
		}
		err = s.Set(ctx, args[1], secret)
	case "delete":
		err = s.Delete(ctx, args[1])
	case "list":
		r.Keys, err = s.List(ctx)
	case "backend":
		r.Backend, err = s.Backend(ctx)
	case "increment":
		n, convErr := strconv.Atoi(args[2])
		if convErr != nil {
			return convErr
		}
		for range n {
			if err := increment(ctx, s, args[1]); err != nil {
				return err
			}
		}
	case "hold":
		unlock, err := s.Lock(ctx, args[1])
		if err != nil {
			return err
		}
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin)
		unlock()
	case "join":
		leave, err := s.Join(Process{Server: args[1]})
		if err != nil {
			return err
		}
		fmt.Println("joined")
		io.Copy(io.Discard, os.Stdin)
		leave()
	case "hold-and-spawn": // holds one key while its child, with the same stdin and stdout, holds another
		if _, err := s.Lock(ctx, args[1]); err != nil {
			return err
		}
		cmd := exec.Command(os.Args[0], "hold", args[2])
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		return cmd.Run()
	case "overwrite": // until killed, with secrets that show whether they are whole
		for i := 0; ; i++ {
			if err := s.Set(ctx, args[1], whole(i)); err != nil {
				return err
			}
			fmt.Println("stored")
		}
	}
	return err
}

func increment(ctx context.Context, s *Store, key string) error {
	unlock, err := s.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	n, _ := strconv.Atoi(string(text))
	return s.Set(ctx, key, strconv.AppendInt(nil, int64(n+1), 10))
}

// whole returns a secret of several pieces, of a length that depends on i.
func whole(i int) []byte {
	return bytes.Repeat([]byte{byte('a' + i%26)}, 1+5000*(i%4))
}

func isWhole(secret []byte) bool {
	return len(secret) > 0 && bytes.Equal(secret, bytes.Repeat(secret[:1], len(secret)))
}

func class(err error) string {
	_, noService := errors.AsType[*NoServiceError](err)
	_, locked := errors.AsType[*LockedError](err)
	_, timeout := errors.AsType[*TimeoutError](err)
	_, corrupt := errors.AsType[*CorruptError](err)
	switch {
	case noService:
		return "no service"
	case locked:
		return "locked"
	case timeout:
		return "timeout"
	case corrupt:
		return "corrupt"
	case errors.Is(err, ErrNotFound):
		return "not found"
	default:
		return "other"
	}
}

// A program starts children with one Store.
type program struct {
	dir     string
	kind    Kind
	timeout time.Duration
	env     []string // nil means the test's
}

func (p program) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = p.env
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)],
		fmt.Sprintf("%s=%s|%v|%v", childVariable, p.dir, p.kind, p.timeout),
		"GORACE=atexit_sleep_ms=0") // else each child stays for a second
	cmd.Stderr = os.Stderr
	return cmd
}

// do runs a child to its end.
func (p program) do(t *testing.T, stdin []byte, args ...string) result {
	t.Helper()
	cmd := p.command(t, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	var r result
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("child %q: %v", args, err)
	}
	return r
}

// start starts a child, and returns when it has printed its first line. It ends when stop is called.
func (p program) start(t *testing.T, args ...string) (cmd *exec.Cmd, stop func()) {
	t.Helper()
	cmd = p.command(t, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("child %q: %q, %v", args, line, err)
	}
	return cmd, func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	}
}

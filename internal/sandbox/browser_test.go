//go:build linux

package sandbox_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A tab is a page in a Chromium of its own, which is led by the DevTools protocol through a pipe.
type tab struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	id      int
	session string
	wrong   []string // what the console has said, and exceptions
}

// chromium returns where Chromium is. The test is skipped where it is not installed, unless ATLASSIAN_MCP_PEERS is "required".
func chromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing := t.Skip
		if os.Getenv("ATLASSIAN_MCP_PEERS") == "required" {
			missing = t.Fatal
		}
		missing("Chromium is not installed: apt-get install chromium")
	}
	return path
}

// profileDir returns a directory for a Chromium, some of whose processes write into it a moment longer than it lives.
func profileDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(patience); os.RemoveAll(dir) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	return dir
}

func openTab(t *testing.T) *tab {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), chromium(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+profileDir(t), "--remote-debugging-pipe")
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	back, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{theirs, out} // 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	out.Close()
	b := &tab{t: t, to: ours, from: bufio.NewReader(back)}
	t.Cleanup(func() {
		b.send("Browser.close", nil)
		back.SetReadDeadline(time.Now().Add(patience))
		for {
			if _, err := b.from.ReadString(0); err != nil {
				break
			}
		}
		ours.Close()
		back.Close()
		cmd.Wait() // it may say that it was killed
	})
	back.SetReadDeadline(time.Now().Add(3 * patience)) // Chromium is slow to start, and so is all else on a busy machine

	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Emulation.setScrollbarsHidden", map[string]any{"hidden": true}, nil)
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *tab) send(method string, params any) {
	b.id++
	text, err := json.Marshal(struct {
		ID        int    `json:"id"`
		Method    string `json:"method"`
		Params    any    `json:"params,omitempty"`
		SessionID string `json:"sessionId,omitempty"`
	}{b.id, method, params, b.session})
	if err != nil {
		b.t.Fatal(err)
	}
	b.to.Write(append(text, 0)) // if it has gone, it won't answer
}

// call calls a method of the protocol, and notes what goes wrong on the page meanwhile.
func (b *tab) call(method string, params, result any) {
	b.t.Helper()
	b.send(method, params)
	for {
		text, err := b.from.ReadString(0)
		if err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		var m struct {
			ID     int
			Method string
			Params struct {
				Entry            struct{ Level, Text, URL string }
				Type             string
				Args             []struct{ Value any }
				ExceptionDetails json.RawMessage
			}
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(strings.TrimSuffix(text, "\x00")), &m); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.Method == "Log.entryAdded" && m.Params.Entry.Level == "error":
			b.wrong = append(b.wrong, m.Params.Entry.Text+" "+m.Params.Entry.URL)
		case m.Method == "Runtime.consoleAPICalled":
			b.wrong = append(b.wrong, fmt.Sprint(m.Params.Type, m.Params.Args))
		case m.Method == "Runtime.exceptionThrown":
			b.wrong = append(b.wrong, string(m.Params.ExceptionDetails))
		case m.ID == b.id && m.Error != nil:
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		case m.ID == b.id:
			if result != nil {
				if err := json.Unmarshal(m.Result, result); err != nil {
					b.t.Fatalf("%s: %v", method, err)
				}
			}
			return
		}
	}
}

// eval returns the value of an expression of JavaScript, which may be a promise.
func (b *tab) eval(expression string) any {
	b.t.Helper()
	var result struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &result)
	if result.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, result.ExceptionDetails)
	}
	return result.Result.Value
}

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); b.eval(expression) != true; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("never true: %s\n%v", expression, b.eval("document.body.innerText"))
		}
	}
}

// open opens a page, and waits until its script has run.
func (b *tab) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.until("location.href === " + string(mustJSON(url)) + " && document.readyState === 'complete'")
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// press presses a key as a keyboard does; text is what it types, if anything.
func (b *tab) press(key, text string, code int) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		params := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if kind == "keyDown" && text != "" {
			params["text"] = text
		}
		b.call("Input.dispatchKeyEvent", params, nil)
	}
}

// shoot takes a picture of the whole page, which has to fit into the window's width.
func (b *tab) shoot(name, scheme string, width int) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500,
	}, nil)
	if got, _ := b.eval("document.documentElement.scrollWidth").(float64); got > float64(width) {
		b.t.Errorf("%s is %v wide in a window of %d", name, got, width)
	}
	background := b.eval("getComputedStyle(document.body).backgroundColor")
	if want := map[string]string{"light": "rgb(244, 245, 247)", "dark": "rgb(22, 26, 29)"}[scheme]; background != want {
		b.t.Errorf("%s has the background %v in a %s scheme", name, background, scheme)
	}
	var picture struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	data, err := base64.StdEncoding.DecodeString(picture.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), fmt.Sprintf("%s-%s-%d.png", name, scheme, width)), data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

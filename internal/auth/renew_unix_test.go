//go:build unix

package auth

import (
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// What a host does to the process group does not reach the renewing process.
func TestRotationSurvivesItsProcessGroup(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	mustCall(t, newClient(t, w.config(dir, b)), "sign in")
	w.refuseAll()
	atWork, goOn := w.holdRefresh()
	cmd := role{Name: "call", Server: w.URL + "/mcp", Dir: dir}.command(t.Context())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-atWork
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGKILL} {
		syscall.Kill(-cmd.Process.Pid, s)
	}
	cmd.Wait()
	close(goOn)
	mustCall(t, newClient(t, w.config(dir, b)), "next start")
	w.wantCounts("token:refresh_token=1", "token:authorization_code=1")
}

func TestRenewingProcessIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	w, b, dir := newWorld(t), &browser{}, t.TempDir()
	c := newClient(t, w.config(dir, b))
	mustCall(t, c, "sign in")
	w.refuseAll()
	var renewer *exec.Cmd
	c.cfg.Renewer = func() *exec.Cmd {
		renewer = role{Server: w.URL + "/mcp", Dir: dir}.renewer()
		return renewer
	}
	w.taking(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.PostForm.Get("grant_type") == "refresh_token" {
			for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
				renewer.Process.Signal(s)
			}
		}
		return false
	})
	mustCall(t, c, "x")
	w.wantCounts("token:refresh_token=1", "authorize=1")
}
